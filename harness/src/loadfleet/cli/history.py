"""`loadfleet results import|compare`: results of others, and ours beside them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON, RESULTS_PATH
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from loadfleet.results.history.comparison import Group
    from loadfleet.results.history.importing import Imported
    from loadfleet.results.model import RunResults

_SHOWN = 10
INDEX = click.option(
    "--index",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="LOADFLEET_RESULTS_INDEX",
    show_envvar=True,
    help="The index of published results. By default loadfleet/results.duckdb in the XDG data folder.",
)


@click.command("import")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--round", "round_name", default="", help="The round, where logs and names do not tell it.")
@click.option("--branch", default="", help="Branch of a git URL.")
@INDEX
@JSON
def import_(sources: tuple[str, ...], round_name: str, branch: str, index: Path | None, as_json: bool) -> None:
    """Read published results into the local index.

    SOURCE is a results tree of MLCommons (any folder at, above or below its divisions), an archive of one (.tar.xz,
    .tar.gz), a git URL, the checker's summary.csv, or the final report as CSV or JSON. What is known already is left
    alone; entries that cannot be read are listed and left out.

    Exit status: 0 imported, 1 none of the results can be read, 2 there is nothing to import, 3 git or the index failed.
    """
    from loadfleet.results.history.importing import import_results  # noqa: PLC0415
    from loadfleet.results.history.index import default_path  # noqa: PLC0415

    done = []
    terminal = sys.stderr.isatty()
    for source in sources:
        place = index or default_path()
        report = _progress if terminal else None
        done.append(import_results(source, place, round_name=round_name, branch=branch, report=report))
        if terminal:
            click.echo("\r\033[K", nl=False, err=True)
        if not as_json:
            _show(done[-1])
    if as_json:
        echo_json({"imports": [one.as_dict() for one in done]})


def _progress(count: int) -> None:
    click.echo(f"\r{count:,} results", nl=False, err=True)


def _show(done: Imported) -> None:
    from loadfleet.results import words  # noqa: PLC0415

    rounds = ", ".join(f"{name} ({count:,})" for name, count in sorted(done.rounds.items()))
    click.echo(
        f"{done.source} ({done.kind}): {words.count(done.results, 'result')} of {rounds} in {done.seconds:.1f} s"
    )
    added = done.added
    click.echo(
        f"  {added.added:,} added, {added.known:,} known already"
        + (f", {added.completed:,} completed with their logs' digests" if added.completed else "")
        + (f"; {done.invalid:,} are not VALID" if done.invalid else "")
    )
    for entry in done.broken[:_SHOWN]:
        click.echo(f"  ! {entry.location}: {entry.why}")
    if done.broken_count > _SHOWN:
        click.echo(f"  ! {done.broken_count - _SHOWN:,} more entries gave no result; --json lists a thousand")
    click.echo(f"  index: {done.index}")


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "--with",
    "filters",
    metavar="FILTER",
    multiple=True,
    help="Published results to compare with: name=value, name~part, number>=value, joined by blanks; `all` for all. "
    "Names are the columns of --csv.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=5, show_default=True, help="Published results per group."
)
@click.option(
    "--price",
    "price_texts",
    metavar="[SYSTEM=]EUR",
    multiple=True,
    help="Price of our system, or of systems whose name matches SYSTEM (with * and ?), in euro.",
)
@RESULTS_PATH
@INDEX
@JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
def compare(
    runs: tuple[str, ...],
    filters: tuple[str, ...],
    limit: int,
    price_texts: tuple[str, ...],
    results_path: Path,
    index: Path | None,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
) -> None:
    """Compare runs with each other and with published results.

    \b
    One RUN (default: latest)   beside the nearest published results of the index
    Two or more RUNs            each with the first: one ratio per cell both have, and why where there is none;
                                beside published results too when --with is given
    No RUN, and --with          published results alone, the best first

    Ratios above 1 mean that the second, or the published one, is better, also for latencies. Only numbers of the same
    model, accuracy flavour, scenario and unit are compared. What is derived (per accelerator, per core, per watt, per
    euro) is shown with its formula.
    """  # noqa: D301 - click wants the backspace itself
    from loadfleet.results.find import load_run  # noqa: PLC0415
    from loadfleet.results.history import comparison, rows, view  # noqa: PLC0415

    if as_json + as_csv + as_markdown > 1:
        raise InputError("--json, --csv and --markdown exclude each other")
    known = comparison.prices(price_texts)
    names = runs or (() if filters else ("latest",))
    loaded = [load_run(name, results_path) for name in names]
    groups: list[Group] = []
    if not loaded:
        groups = comparison.listed(rows(*filters, index=index), known, limit)
    elif len(loaded) == 1 or filters:
        groups = comparison.beside(loaded, rows(*filters, index=index), known, limit)
    pairs = [(names[0], name, _pairs(loaded[0], run)) for name, run in zip(names[1:], loaded[1:], strict=True)]
    if as_json:
        echo_json(_json(list(names), pairs, groups))
        return
    if as_csv:
        if pairs and not groups:
            raise InputError("--csv is for comparisons with published results", fix="Add --with all, or use --json.")
        click.echo(view.as_csv(groups), nl=False)
        return
    _print_pairs(pairs, as_markdown)
    if groups:
        width = max(shutil.get_terminal_size((160, 24)).columns, 100)
        click.echo(view.markdown(groups) if as_markdown else view.text(groups, width))
    elif not pairs:
        click.echo("no published result matches" if not loaded else f"{names[0]} has no performance result")


def _pairs(first: RunResults, second: RunResults) -> list[Any]:
    from loadfleet.results.compare import compare_runs  # noqa: PLC0415

    return compare_runs(first, second)


def _json(names: list[str], pairs: list[tuple[str, str, list[Any]]], groups: list[Group]) -> dict[str, Any]:
    """Of two runs `a`, `b` and `cells`; further runs are in `pairs`, published results in `published`."""
    from loadfleet.results.history import comparison  # noqa: PLC0415

    found = [{"a": a, "b": b, "cells": [pair.as_dict() for pair in cells]} for a, b, cells in pairs]
    answer: dict[str, Any] = {"runs": names}
    if len(found) == 1:
        answer |= found[0]
    elif found:
        answer["pairs"] = found
    return answer | ({"published": comparison.as_dict(groups)} if groups or not found else {})


def _print_pairs(pairs: list[tuple[str, str, list[Any]]], as_markdown: bool) -> None:
    from loadfleet.results.history.view import markdown_table  # noqa: PLC0415
    from loadfleet.results.texts import print_rows  # noqa: PLC0415

    for first, second, cells in pairs:
        if len(pairs) > 1:
            click.echo(f"A = {first}, B = {second}")
        headings = ("Cell", "Model", "A", "B", "B / A")
        rows = [pair.texts() for pair in cells]
        if as_markdown:
            click.echo(markdown_table(headings, rows))
        else:
            print_rows(headings, rows)
        click.echo("") if len(pairs) > 1 else None
