"""`loadfleet agent`: what a controller calls on a host."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from loadfleet.cli import echo_json
from loadfleet.errors import InputError

_RUN_DIR = click.argument("run_dir", type=click.Path(path_type=Path, file_okay=False))
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object (the default here).")


@click.group("agent")
def command() -> None:
    """Run the cells of one run on this host, detached. RUN_DIR holds run.json."""


@command.command("start")
@_RUN_DIR
@click.option(
    "--secrets-stdin",
    is_flag=True,
    help="Read a JSON object of environment variables from standard input; the cells get them, no file does.",
)
@_JSON
def start(run_dir: Path, secrets_stdin: bool, as_json: bool) -> None:
    """Start the run, or adopt it when it is running or done."""
    from loadfleet.cell import control  # noqa: PLC0415

    echo_json(control.start(run_dir.resolve(), _secrets(sys.stdin.read()) if secrets_stdin else {}))


@command.command("status")
@_RUN_DIR
@_JSON
def status(run_dir: Path, as_json: bool) -> None:
    """Print status.json."""
    from loadfleet.cell import standing  # noqa: PLC0415

    echo_json(standing.read_status(run_dir))


@command.command("stop")
@_RUN_DIR
@click.option("--grace", default=10.0, show_default=True, help="Seconds between TERM and KILL.")
@_JSON
def stop(run_dir: Path, grace: float, as_json: bool) -> None:
    """End the agent and the running cell; finished cells stay."""
    from loadfleet.cell import control  # noqa: PLC0415

    echo_json({"stopped": control.stop(run_dir.resolve(), grace)})


@command.command("serve", hidden=True)
@_RUN_DIR
def serve(run_dir: Path) -> None:
    """Work on the run in the foreground; what `start` detaches."""
    from loadfleet.cell import agent  # noqa: PLC0415

    with agent.Agent(run_dir, _secrets("" if sys.stdin.isatty() else sys.stdin.read())) as worker:
        sys.exit(worker.serve())


def _secrets(text: str) -> dict[str, str]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise InputError("standard input is not a JSON object of texts", fix='write {"API_TOKEN": "..."}, for example')
    return value
