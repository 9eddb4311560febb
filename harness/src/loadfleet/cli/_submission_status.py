"""`loadfleet submission status`: what is there, what is missing, and how long it takes to run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON
from loadfleet.cli._variables import EXTRA_VARS, parsed

if TYPE_CHECKING:
    from loadfleet.submission.request import Request
    from loadfleet.submission.status.intent import Intent
    from loadfleet.submission.status.matrix import Line, Status

_FOLDER = click.Path(path_type=Path, file_okay=False)
_COLOURS = {
    "valid": "green",
    "inferred": "green",
    "planned": "cyan",
    "test-length": "yellow",
    "invalid": "bold red",
    "missing": "red",
    "not needed": "dim",
}


@click.command()
@click.argument("results", nargs=-1)
@click.option(
    "--plan",
    "plans",
    multiple=True,
    type=click.Path(path_type=Path),
    help="What will be measured: a run file, a file of variables, or a folder of them (inventory/group_vars/sut).",
)
@EXTRA_VARS
@click.option("--round", "round_name", help="MLPerf round; the newest by default.")
@click.option("--division", help="open, closed or network; open by default. A tree says its own.")
@click.option("--system-type", help="edge, datacenter or datacenter,edge; edge by default. A tree says its own.")
@click.option("--submitter", help="For a tree of several submitters: whose submission.")
@click.option("--flavours", help="stated, best or reached: which of 99 and 99.9 the runs are meant for.")
@click.option("--infer/--no-infer", default=None, help="Edge: count scenarios that may be inferred from others.")
@click.option("--documents", type=_FOLDER, help="Your documents: bandwidth.md, a diagram, calibration.md.")
@click.option("--store", type=_FOLDER, help="Where this host remembers how fast it was, for --plan.")
@click.option(
    "--results-path", type=_FOLDER, default=Path("results"), show_default=True, help="Where runs are looked up."
)
@JSON
def status(
    results: tuple[str, ...],
    plans: tuple[Path, ...],
    extra_vars: tuple[str, ...],
    results_path: Path,
    store: Path | None,
    as_json: bool,
    **stated: Any,
) -> None:
    """Show what is there, what is missing and how long that takes to run.

    RESULTS are runs (results/<run id>, a run id or `latest`), or one folder that holds open/, closed/ or network/.
    With --plan or -e, before anything has run: would the submission be complete after that? States are valid, inferred,
    planned, test-length, invalid, missing and not needed.

    Exit status: 0 complete, 1 something is missing or bad, 2 wrong input.
    """
    from loadfleet.submission.status import of  # noqa: PLC0415

    intent = _intent(plans, extra_vars, store)
    found = of(_folders(results, results_path), _request(intent, stated), intent)
    if as_json:
        echo_json(found.as_json())
    else:
        _show(found)
    sys.exit(0 if found.complete else 1)


def _intent(plans: tuple[Path, ...], extra_vars: tuple[str, ...], store: Path | None) -> Intent | None:
    if not plans and not extra_vars:
        return None
    from loadfleet.submission.status import intent  # noqa: PLC0415

    found = intent.read(plans, parsed(extra_vars))
    return intent.of(found | ({"store_path": str(store)} if store is not None else {}))


def _request(intent: Intent | None, stated: dict[str, Any]) -> Request:
    """Options win over what the plan says, and that over defaults."""
    from loadfleet.catalogue import rounds  # noqa: PLC0415
    from loadfleet.submission.request import Request  # noqa: PLC0415

    values = {} if intent is None else dict(intent.request)
    stated["round"] = stated.pop("round_name")
    values |= {name: value for name, value in stated.items() if value is not None}
    values.setdefault("round", rounds.newest())
    documents = values.pop("documents", None)
    infer = values.pop("infer", False)
    texts: dict[str, Any] = {name: str(value) for name, value in values.items()}
    return Request(
        documents=Path(documents).expanduser() if documents else None,
        infer=infer,
        **texts,
    )


def _folders(results: tuple[str, ...], results_path: Path) -> list[Path]:
    from loadfleet.results.find import run_folder  # noqa: PLC0415

    return [run_folder(run, results_path) for run in results]


def _show(found: Status) -> None:
    from loadfleet.submission.status.matrix import clock  # noqa: PLC0415

    click.echo(f"{found.round} {found.division} {found.system_type}")
    if sys.stdout.isatty():
        _rich(found)
    else:
        _plain(found)
    for text in _words(found):
        click.echo(text)
    seconds = {system: value for system, value in found.seconds.items() if value}
    least = "at least " if found.at_least else ""
    for system, value in seconds.items():
        click.echo(f"to run on {system}: {least}{clock(value)}")
    if len(seconds) > 1:
        click.echo(f"systems run at the same time: {least}{clock(max(seconds.values()))}")
    if found.complete:
        click.echo("complete after this run" if found.planned and seconds else "complete")
    else:
        click.echo("not complete")


def _plain(found: Status) -> None:
    """One table, for pipes and logs."""
    from loadfleet.cli.table import aligned  # noqa: PLC0415
    from loadfleet.submission.status.matrix import ASPECTS  # noqa: PLC0415

    header = ("system", "model", "benchmark", "scenario", *ASPECTS, "to run")
    rows = [
        (
            line.system,
            line.model,
            line.official_name,
            line.scenario,
            *(state.state for state in line.states),
            _time(line),
        )
        for line in found.lines
    ]
    click.echo(aligned(header, rows))


def _time(line: Line) -> str:
    from loadfleet.submission.status.matrix import clock  # noqa: PLC0415

    if not line.to_run:
        return ""
    return ("at least " if any(run.at_least for run in line.to_run) else "") + clock(line.seconds)


def _words(found: Status) -> list[str]:
    """Reasons and what to change, each once."""
    from loadfleet.submission.status.matrix import ASPECTS  # noqa: PLC0415

    texts: dict[str, list[str]] = {}
    for line in found.lines:
        for aspect, state in zip(ASPECTS, line.states, strict=True):
            if state.why and state.state != "inferred":
                fix = f"; fix: {state.fix}" if state.fix else ""
                reason = f"{line.scenario}: {state.why}{fix}"
                texts.setdefault(f"{line.system} {line.official_name or line.model} {reason}", []).append(aspect)
    words = [f"{text} ({', '.join(aspects)})" for text, aspects in texts.items()]
    for demand in found.demands:
        if not demand.met:
            name = f"{demand.system} {demand.name}".strip()
            words.append(f"{name}: {demand.why}; fix: {demand.fix}")
    if found.variables:
        values = (f"{name}: {_yaml(value)}" for name, value in found.variables.items())
        words.append(f"fix: {'; '.join(values)}")
    return [*words, *found.notes]


def _yaml(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)


def _rich(found: Status) -> None:
    """A table for each model on each system, so that all of it fits into 80 columns."""
    from itertools import groupby  # noqa: PLC0415

    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from loadfleet.submission.status.matrix import ASPECTS  # noqa: PLC0415

    console = Console()
    for (system, model, benchmark), lines in groupby(
        found.lines, key=lambda line: (line.system, line.model, line.official_name)
    ):
        console.print(Text(f"{system}: {model}" + (f" as {benchmark}" if benchmark != model else "")))
        table = Table("scenario", *ASPECTS, "to run", box=SIMPLE_HEAD, pad_edge=False)
        for line in lines:
            cells = (line.scenario, *(state.state for state in line.states), _time(line).replace("at least", ">="))
            table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in cells))
        console.print(table)
