"""Our results beside published ones: a chart for each model and scenario, and one table of everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadfleet.results import history, words
from loadfleet.results.history.derived import FORMULAE, accelerators, derive
from loadfleet.results.history.nearest import nearest, why_none
from loadfleet.results.history.ours import own as own_results
from loadfleet.results.report import charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadfleet.results.history.derived import Derived
    from loadfleet.results.history.published import PublishedResult
    from loadfleet.results.model import RunResults

_SHOWN = 16
_HEADINGS = ("Submitter", "System", "Round", "Division", "Model", "Scenario", "Result", "Accuracy")
# Columns of derived numbers, left out where no row has one.
_DERIVED = {
    "per_accelerator": "Per accelerator",
    "per_core": "Per core",
    "per_watt": "Per watt",
    "per_1000_eur": "Per 1,000 EUR",
}


@dataclass(frozen=True)
class Cell:
    """A text, a number to sort it by where it is one, a second line, and how it was computed."""

    text: str
    sort: float | None = None
    detail: str = ""
    formula: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of (ours or not, cells) under headings; `numbers` are headings of numbers, `notes` the formulae."""

    headings: Sequence[str]
    numbers: frozenset[str]
    rows: Sequence[tuple[bool, Sequence[Cell]]]
    notes: Sequence[str]


def compared(own: Sequence[PublishedResult], published: Sequence[PublishedResult]) -> list[charts.Chart]:
    """A chart for each model, scenario and unit, best first: what we have run beside its nearest, else everything."""
    groups: dict[tuple[str, str, str], list[PublishedResult]] = {}
    for row in own or published:
        name = f"{row.benchmark}-{row.flavour}" if row.flavour else row.benchmark
        groups.setdefault((name, row.scenario, row.unit), []).append(row)
    return [_chart(*key, rows, published if own else ()) for key, rows in sorted(groups.items())]


def _chart(
    model: str, scenario: str, unit: str, rows: Sequence[PublishedResult], others: Sequence[PublishedResult]
) -> charts.Chart:
    lower, mixed = rows[0].lower_is_better, bool(others)
    less = "less is better" if lower else "more is better"
    notes = [f"{less.capitalize()}."]
    if mixed:
        near = nearest(rows[0], others, _SHOWN - min(len(rows), _SHOWN // 2))
        rows = [*rows, *(one.row for one in near)]
        notes.append("Dark bars are this report's runs, light ones the published results of the most similar systems.")
        notes += [] if near else [why_none(rows[0], others)]
        cautions = dict.fromkeys(caution for one in near for caution in one.cautions)
        notes += [f"Mind: {'; '.join(cautions)}."] if cautions else []
    shown = sorted(rows, key=lambda row: row.value, reverse=not lower)[: None if mixed else _SHOWN]
    if len(shown) < len(rows):
        notes.append(f"{len(shown)} of {len(rows)} results; the table has all.")
    bars = [charts.Bar(_name(row), row.value, _text(row), _look(row, mixed)) for row in shown]
    return charts.bars(f"{model}, {scenario}", unit, bars, heading="System", note=" ".join(notes))


def _look(row: PublishedResult, mixed: bool) -> str:
    if not row.valid:
        return "bad"
    return "other" if mixed and row.origin == "published" else "plain"


def _name(row: PublishedResult) -> str:
    if row.origin == "own":
        return f"This report: {row.system_name or row.system}, {row.model_folder}"
    return ", ".join(part for part in (row.submitter, _accelerators(row) or row.system_name, row.round) if part)


def _text(row: PublishedResult) -> str:
    return f"{words.quantity(row.value, row.unit)} {'VALID' if row.valid else 'INVALID'}"


def _accelerators(row: PublishedResult) -> str:
    total = accelerators(row)
    return f"{total} x {row.accelerator}" if total and row.accelerator else row.accelerator


def table(rows: Sequence[PublishedResult]) -> Table:
    """Every row, with the numbers that can be derived of it."""
    derived = [derive(row) for row in rows]
    names = [name for name in _DERIVED if any(name in one for one in derived)]
    power = any(row.power_w is not None or row.energy_mj is not None for row in rows)
    headings = [*_HEADINGS, *(["Power"] if power else []), *(_DERIVED[name] for name in names)]
    lines = [
        (
            row.origin == "own",
            [*_cells(row), *([_power(row)] if power else []), *(_derived(values.get(name)) for name in names)],
        )
        for row, values in zip(rows, derived, strict=True)
    ]
    notes = [f"{_DERIVED[name]}: {FORMULAE[name]}." for name in names]
    return Table(headings, frozenset({"Result", "Power", *_DERIVED.values()}), lines, notes)


def _cells(row: PublishedResult) -> list[Cell]:
    division = row.division or "not submitted"
    accuracy = ", ".join(f"{name} {words.number(value)}" for name, value in row.accuracy.items())
    return [
        Cell(row.submitter or "this report"),
        Cell(row.system_name or row.system, detail=_accelerators(row) or row.processor),
        Cell(row.round or "-"),
        Cell(division, detail=row.category),
        Cell(row.model, detail="" if row.model == row.model_folder else f"named {row.model_folder}"),
        Cell(row.scenario, detail="inferred" if row.inferred else ""),
        Cell(words.quantity(row.value, row.unit), row.value, "VALID" if row.valid else "INVALID"),
        Cell(accuracy or "-"),
    ]


def _power(row: PublishedResult) -> Cell:
    if row.power_w is not None:
        return Cell(words.quantity(row.power_w, "W"), row.power_w)
    return Cell(words.quantity(row.energy_mj, "mJ"), row.energy_mj)


def _derived(one: Derived | None) -> Cell:
    return Cell(one.short(), one.value, formula=one.formula) if one else Cell("-")


def others(runs: Sequence[RunResults]) -> list[PublishedResult]:
    """Imported results of the models and scenarios of these runs; all there are when there is no run.

    Raises:
        NotReadyError: The index cannot be opened.
    """
    if not runs:
        return history.rows()
    found = [row for run in runs for row in own_results(run)]
    benchmarks, scenarios = {row.benchmark for row in found}, {row.scenario for row in found}
    if not benchmarks:
        return []
    return history.rows(benchmark=sorted(benchmarks), scenario=sorted(scenarios))
