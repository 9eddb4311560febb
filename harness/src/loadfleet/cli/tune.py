"""`loadfleet tune`: search settings, see what was found, and what a run at some settings will take."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadfleet.cli import _runs, echo_json
from loadfleet.cli.table import aligned
from loadfleet.errors import BadResultError, InputError, InterruptedRunError

if TYPE_CHECKING:
    from loadfleet.tuning.record import Record


@click.group("tune")
def command() -> None:
    """Search settings for this host, see what was found and what a run takes. (Operating system: docs/tuning.md.)"""


@command.command("run")
@click.argument("run_file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--scenario", "scenarios", multiple=True, help="Instead of the file's; any number of times.")
@click.option(
    "--budget", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES", help="Most time for each scenario; 15."
)
@_runs.secret_option("A variable of benchmark_environment that the run file does not hold.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object at the end; progress goes to stderr.")
def run(
    run_file: Path, scenarios: tuple[str, ...], budget: float | None, secret: tuple[str, ...], *, as_json: bool
) -> None:
    """Search settings for what RUN_FILE (a run.json) measures, on this host, by short probes.

    They are kept in the file's store, and later runs use them where their user sets none. Ctrl-C ends the search; the
    same command with the search's own run.json, which is named then, goes on with the probes that are there.

    Exit status: 0 found, 1 nothing was found, 2 wrong input, 3 not ready, 4 interrupted.
    """
    from loadfleet.cell import control, searching  # noqa: PLC0415
    from loadfleet.results import model, search  # noqa: PLC0415
    from loadfleet.results.summary import columns  # noqa: PLC0415

    folder = searching.prepare(run_file, scenarios, budget)
    say = functools.partial(click.echo, err=as_json)
    say(f"search in {folder}")
    try:
        status = searching.watch(folder, say, _runs.secrets(secret))
    except KeyboardInterrupt:
        control.stop(folder)
        raise InterruptedRunError("the search was stopped", fix=f"loadfleet tune run {folder / 'run.json'}") from None
    cells = status["cells"]
    found = [model.load(folder / cell["id"] / "result.json") for cell in cells if cell["state"] == "done"]
    if as_json:
        echo_json(
            {
                "run_id": folder.name,
                "run_dir": str(folder),
                "phase": status["phase"],
                "exit_code": status["exit_code"],
                "cells": [{key: cell[key] for key in ("id", "state", "reasons")} for cell in cells],
                "searches": [{"cell": each.cell, "metric": each.raw["metric"], **each.raw["search"]} for each in found],
            }
        )
    else:
        click.echo("\n".join(["", *search.lines(found, columns())]))
        for cell in cells:
            if cell["state"] != "done":
                click.secho(
                    f"{cell['id']} {cell['state']}: {'; '.join(cell['reasons']) or status['message']}", fg="red"
                )
    sys.exit(status["exit_code"])


@command.command("show")
@click.argument("words", nargs=-1)
@click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), envvar="LOADFLEET_STORE",
    default=Path("~/.cache/loadfleet"), show_default=True, show_envvar=True, help="Folder of the store.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every probe.")
def show(words: tuple[str, ...], store: Path, *, as_json: bool) -> None:
    """List the records of searches, or those whose system, model, backend and scenario have all WORDS.

    Exit status: 0 good, 1 a record is damaged.
    """
    from loadfleet.tuning import record  # noqa: PLC0415

    place = store.expanduser().absolute()
    found = [each for each in record.everything(place) if _fits(each, words)]
    damaged = [each for each in found if each.problem]
    if as_json:
        records = [{"path": str(each.path), "problem": each.problem, **each.value} for each in found]
        echo_json({"store": str(place), "records": records})
        click.get_current_context().exit(1 if damaged else 0)
    if not found:
        click.echo(f"no search is recorded in {place}" + (f" for {' '.join(words)}" if words else ""), err=True)
        return
    rows = [_row(each) for each in found if not each.problem]
    if rows:
        click.echo(aligned(("SYSTEM", "MODEL", "BACKEND", "SCENARIO", "CHOSEN", "PROBES", "FINISHED"), rows))
    if damaged:
        raise BadResultError(
            "; ".join(f"{each.path} {each.problem}" for each in damaged),
            fix="remove the file; the next search writes it",
        )


@command.command("predict")
@click.argument("scenario")
@click.option("--qps", type=float, help="Target rate of Offline and Server, in samples a second.")
@click.option("--rate", type=float, help="Offline: samples a second that the system answers; the target without it.")
@click.option("--late-share", type=click.FloatRange(0, 1), help="Server: share of queries later than the bound.")
@click.option("--latency-ms", type=float, help="SingleStream, MultiStream: mean latency of a query.")
@click.option("--expected-latency-ms", type=float, help="What LoadGen is told of it; the mean without it.")
@click.option("--model", help="The round's name of the model (bert-99), for rules of its own.")
@click.option("--round", "round_name", help="The round; the newest without it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def predict(
    scenario: str,
    qps: float | None,
    rate: float | None,
    late_share: float | None,
    latency_ms: float | None,
    expected_latency_ms: float | None,
    model: str | None,
    round_name: str | None,
    *,
    as_json: bool,
) -> None:
    """Say how many queries and seconds a valid run takes, and whether early stopping can be met.

    Exit status: 0 it would be long enough, 1 it would be INVALID, 2 wrong input.
    """
    from loadfleet.catalogue import rounds  # noqa: PLC0415
    from loadfleet.tuning import prediction  # noqa: PLC0415

    asked = prediction.rules(rounds.load(round_name or rounds.newest()), scenario, model)
    if asked.scenario in {"SingleStream", "MultiStream"}:
        found = prediction.stream(asked, _given("--latency-ms", latency_ms, scenario), expected_latency_ms)
    elif asked.scenario == "Server":
        found = prediction.server(asked, _given("--qps", qps, scenario), late_share)
    else:
        target = _given("--qps", qps, scenario)
        found = prediction.offline(asked, target, rate if rate is not None else target)
    if as_json:
        echo_json(found.as_json())
    else:
        click.echo(_words(found))
    click.get_current_context().exit(1 if found.problems else 0)


def _given(option: str, value: float | None, scenario: str) -> float:
    if value is None:
        raise InputError(f"a prediction for {scenario} needs {option}", fix=f"give {option}")
    return value


def _words(found: Any) -> str:
    lines = [f"{found.queries:,} queries, {found.samples:,} samples, {found.seconds:,.0f} s"]
    if found.early_stopping is not None:
        lines.append(f"early stopping: {'can be met' if found.early_stopping else 'not met'}")
        if found.needed is not None:
            lines[-1] += f", wants {found.needed:,} queries"
        if found.allowed_late is not None:
            lines[-1] += f", leaves room for {found.allowed_late:,} late ones"
        if found.chance is not None:
            lines[-1] += f", chance {found.chance:.1%}"
    return "\n".join([*lines, *(f"INVALID: {problem}" for problem in found.problems)])


def _fits(each: Record, words: tuple[str, ...]) -> bool:
    if each.problem:
        return all(word.lower() in each.path.name.lower() for word in words)
    known = each.value["key"]
    names = [known["workload"], known["scenario"], *(known[name]["name"] for name in ("system", "model", "dataset"))]
    text = " ".join([*names, *known["backend"].values()]).lower()
    return all(word.lower() in text for word in words)


def _row(each: Record) -> tuple[str, ...]:
    known, searches = each.value["key"], each.value["searches"]
    chosen = ", ".join(f"{name} {value:g}" for name, value in each.value["chosen"].items()) or "nothing"
    backend = known["backend"]
    return (
        known["system"]["name"],
        known["model"]["name"],
        f"{backend['name']}/{backend['device']}/{backend['precision']}",
        known["scenario"],
        chosen,
        str(sum(len(search["probes"]) for search in searches.values())),
        max((search["finished"] for search in searches.values()), default=""),
    )
