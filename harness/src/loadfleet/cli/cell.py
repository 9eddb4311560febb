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
    from loadfleet.cell import error_file, find, runner, spec  # noqa: PLC0415
    from loadfleet.cell.wanted import FIND  # noqa: PLC0415
    from loadfleet.tuning import found  # noqa: PLC0415

    cell = spec.read(cell_file, "cell")
    folder = cell_file.resolve().parent
    work = find.run if cell["mode"] == FIND else runner.run
    if cell.get("found"):
        click.echo(found.words(cell["found"]))
        cell = found.applied(cell)
    try:
        status = work(folder, cell, ["loadfleet", "cell", "run", cell_file.name])
    except LoadfleetError as error:
        if not (folder / "result.json").exists():
            error_file.write(folder, error)
        raise
    sys.exit(status)


@command.command("try", hidden=True)
@click.argument("cell_file", type=click.Path(path_type=Path))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Seconds to look at its speed.")
@click.option("--accuracy", type=click.IntRange(min=1), help="Samples to judge its answers by.")
def attempt(cell_file: Path, rate: float | None, accuracy: int | None) -> None:
    """One attempt of a trial; rate.json or accuracy.json beside CELL_FILE receives what was found."""
    from loadfleet import files  # noqa: PLC0415
    from loadfleet.cell import spec  # noqa: PLC0415
    from loadfleet.choosing import measure  # noqa: PLC0415

    cell = spec.read(cell_file, "cell")
    folder = cell_file.resolve().parent
    if rate is not None:
        files.write_json(folder / "rate.json", measure.rate(cell, rate))
    if accuracy is not None:
        files.write_json(folder / "accuracy.json", measure.accuracy(cell, accuracy))
