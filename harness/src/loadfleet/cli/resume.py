"""`loadfleet resume`: continue a run by its name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from loadfleet.cli import _runs
from loadfleet.cli._options import RESULTS_PATH

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@_runs.RUN
@_runs.INVENTORY
@_runs.secret_option("A secret the run was started with; values of secrets are not kept.")
@RESULTS_PATH
@click.option("--timeout", type=float, metavar="SECONDS", help="End the run after that time, on the hosts too.")
@_runs.JUNIT
@_runs.JSON
def command(
    run: str,
    inventory: str | None,
    secret: tuple[str, ...],
    results_path: Path,
    timeout: float | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Continue RUN (a folder, a run id or `latest`) with the settings it was started with.

    What runs is adopted, what is finished is kept, only what is missing is run. Hosts are not prepared again.

    Exit status: 0 good, 1 a result is bad, 2 wrong input, 3 not ready, 4 interrupted.
    """
    from loadfleet.fleet import remembered, run_playbook  # noqa: PLC0415
    from loadfleet.fleet.display import shown_on  # noqa: PLC0415

    asked = remembered.read(run, results_path)
    secrets = _runs.secrets(secret)
    with shown_on(sys.stderr if as_json else sys.stdout) as show:
        request = asked.resume(inventory=inventory, secrets=secrets, timeout_s=timeout, on_progress=show)
        result = run_playbook(request)
    _runs.end(result, junit, as_json=as_json)
