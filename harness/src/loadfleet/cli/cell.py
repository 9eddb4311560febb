"""`loadfleet cell`: one LoadGen run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadfleet.errors import LoadfleetError


@click.group("cell")
def command() -> None:
    """One LoadGen run: a cell.json in, logs and a result.json out."""


@command.command("run")
@click.argument("cell_file", type=click.Path(path_type=Path))
def run(cell_file: Path) -> None:
    """Run CELL_FILE; its folder receives the logs and result.json.

    Exit status: 0 good, 1 the result is bad, 2 wrong input, 3 not ready.
    """
    from loadfleet.cell import find, plan, runner, spec  # noqa: PLC0415
    from loadfleet.tuning import found  # noqa: PLC0415

    cell = spec.read(cell_file, "cell")
    folder = cell_file.resolve().parent
    work = find.run if cell["mode"] == plan.FIND else runner.run
    if cell.get("found"):
        click.echo(found.words(cell["found"]))
        cell = found.applied(cell)
    try:
        status = work(folder, cell, ["loadfleet", "cell", "run", cell_file.name])
    except LoadfleetError as error:
        if not (folder / "result.json").exists():
            runner.explain(folder, error)
        raise
    sys.exit(status)
