"""`loadfleet watch`: look on at a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from loadfleet.cli import _runs, echo_json
from loadfleet.cli._options import RESULTS_PATH

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.fleet import RunResult


@click.command()
@_runs.RUN
@_runs.INVENTORY
@_runs.secret_option("A secret that is needed to reach the hosts, such as ansible_become_password.")
@RESULTS_PATH
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds between looks."
)
@_runs.JSON
def command(
    run: str, inventory: str | None, secret: tuple[str, ...], results_path: Path, interval: float, as_json: bool
) -> None:
    """Show how RUN (a folder, a run id or `latest`) goes, until its end, and leave it alone.

    It belongs to whoever started it: Ctrl-C ends the looking on, not the run, and looking on keeps no run alive.

    Exit status: the run's: 0 good, 1 a result is bad, 4 it was interrupted, or the looking on was; 2 there is no such
    run, 3 a host is out of reach.
    """
    from loadfleet.fleet import remembered, run_playbook  # noqa: PLC0415
    from loadfleet.fleet.display import shown_on  # noqa: PLC0415

    asked = remembered.read(run, results_path)
    with shown_on(sys.stderr if as_json else sys.stdout) as show:
        request = asked.request(
            remembered.WATCH_PLAYBOOK,
            inventory=inventory,
            variables={"benchmark_poll_interval": interval},
            secrets=_runs.secrets(secret),
            on_progress=show,
            stop_hosts=False,
            judge=False,
        )
        result = run_playbook(request)
    code = _verdict(result)
    if as_json:
        echo_json({**result.as_dict(), "exit_code": code})
    else:
        _runs.print_failures(result)
        words = {0: "ended well", 1: "ended with a bad result", 4: "did not end; the run may go on"}
        click.echo(f"run {asked.run_id} {words.get(code, 'could not be watched')}")
    sys.exit(code)


def _verdict(result: RunResult) -> int:
    """The worst of all hosts: a bad result (1) outweighs an unfinished one (4), what could not be seen both."""
    codes = {failure.code for failure in result.failures}
    return next((code for code in (2, 3, 1, 4) if code in codes), result.exit_code)
