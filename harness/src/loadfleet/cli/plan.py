"""`loadfleet plan`: the cells a run file stands for."""

from __future__ import annotations

from pathlib import Path

import click

from loadfleet.cli import echo_json


@click.command("plan")
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the whole cells.")
def command(run_file: Path, as_json: bool) -> None:
    """Print the cells of RUN_FILE in the order they run; nothing is started."""
    from loadfleet import choosing  # noqa: PLC0415
    from loadfleet.cell import plan, spec  # noqa: PLC0415
    from loadfleet.choosing import record  # noqa: PLC0415
    from loadfleet.tuning import found  # noqa: PLC0415

    run = spec.read(run_file, "run")
    settled = record.settled(run, run_file.parent) if choosing.wanted(run) else run
    if settled is None:
        possible = [each.as_json() for each in choosing.candidates(run)]
        if as_json:
            echo_json({"cells": [], "candidates": possible})
            return
        click.echo("a trial at the start of the run chooses between")
        for each in choosing.candidates(run):
            click.echo(f"  {each.words}")
        return
    cells = plan.with_found(plan.make(settled))
    if as_json:
        echo_json({"cells": cells})
        return
    for cell in cells:
        backend = cell["backend"]
        click.echo(
            f"{cell['cell']}  {cell['model']['name']}  {backend['name']}/{backend['device']}  {cell['execution']}"
            + (f"  {found.words(cell['found'])}" if cell.get("found") else "")
        )
