"""`loadfleet run`: a playbook through the Python API."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadfleet.cli import _runs
from loadfleet.cli._variables import EXTRA_VARS, parsed


@click.command()
@click.argument("playbook")
@click.option("-i", "--inventory", required=True, help="File, folder, or hosts with a comma such as `localhost,`.")
@EXTRA_VARS
@_runs.secret_option("A variable with the value of an environment variable; in no process list, log or artifact.")
@click.option("-l", "--limit", help="Hosts to run on.")
@click.option("-t", "--tags", multiple=True, help="Tags to run.")
@click.option("-C", "--check", is_flag=True, help="Change nothing, run nothing: say what would be done.")
@click.option("--run-id", help="Continue or adopt this run; a new one by default.")
@click.option("--results-path", type=click.Path(path_type=Path, file_okay=False), help="Where results are brought to.")
@click.option("--timeout", type=float, metavar="SECONDS", help="End the run after that time, on the hosts too.")
@click.option(
    "--project-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the playbooks; by default this clone or the installed collection.",
)
@click.option(
    "--keep-artifacts", is_flag=True, help="Keep ansible-runner's artifacts, without environment and secrets."
)
@_runs.JUNIT
@_runs.JSON
def command(
    playbook: str,
    inventory: str,
    extra_vars: tuple[str, ...],
    secret: tuple[str, ...],
    limit: str | None,
    tags: tuple[str, ...],
    check: bool,
    run_id: str | None,
    results_path: Path | None,
    timeout: float | None,
    project_dir: Path | None,
    keep_artifacts: bool,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Run PLAYBOOK (`bert.yml`, or a path) and print its results.

    Ctrl-C stops the hosts too; `loadfleet resume` continues.

    Exit status: 0 good, 1 a result is bad, 2 wrong input, 3 not ready, 4 interrupted.
    """
    from loadfleet.fleet import RunRequest, run_playbook  # noqa: PLC0415
    from loadfleet.fleet.display import shown_on  # noqa: PLC0415

    with shown_on(sys.stderr if as_json else sys.stdout) as show:
        result = run_playbook(
            RunRequest(
                playbook=playbook,
                inventory=inventory,
                project_dir=project_dir,
                extra_vars=parsed(extra_vars),
                secrets=_runs.secrets(secret),
                run_id=run_id,
                results_path=results_path,
                limit=limit,
                tags=tags,
                check=check,
                timeout_s=timeout,
                keep=keep_artifacts,
                on_progress=show,
            )
        )
    _runs.end(result, junit, as_json=as_json)
