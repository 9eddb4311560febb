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
    from loadfleet.cell import runner, spec  # noqa: PLC0415

    cell = spec.read(cell_file, "cell")
    folder = cell_file.resolve().parent
    try:
        status = runner.run(folder, cell, ["loadfleet", "cell", "run", cell_file.name])
    except LoadfleetError as error:
        if not (folder / "result.json").exists():
            runner.explain(folder, error)
        raise
    sys.exit(status)
