"""`loadfleet stop`: end a run on its hosts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from loadfleet.cli import _runs, echo_json
from loadfleet.cli._options import RESULTS_PATH

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@_runs.RUN
@_runs.INVENTORY
@_runs.secret_option("A secret that is needed to reach the hosts, such as ansible_become_password.")
@RESULTS_PATH
@_runs.JSON
def command(run: str, inventory: str | None, secret: tuple[str, ...], results_path: Path, as_json: bool) -> None:
    """End the cells of RUN (a folder, a run id or `latest`) on its hosts. Finished cells stay; `resume` continues.

    Exit status: 0 nothing of it runs any more, 2 wrong input, 3 a host could not be told.
    """
    from loadfleet.fleet import remembered, run_playbook  # noqa: PLC0415

    asked = remembered.read(run, results_path)
    result = run_playbook(
        asked.request(
            remembered.STOP_PLAYBOOK, inventory=inventory, secrets=_runs.secrets(secret), stop_hosts=False, judge=False
        )
    )
    if as_json:
        echo_json(result.as_dict())
    else:
        _runs.print_failures(result)
        reached = [name for name, host in result.hosts.items() if not host.failed and not host.unreachable]
        if reached:
            click.echo(f"nothing of {asked.run_id} runs any more on {', '.join(reached)}")
            click.echo(f"continue it: loadfleet resume {asked.run_id}")
    sys.exit(result.exit_code)
