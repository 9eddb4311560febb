"""What searches for settings tried and found, and which runs used it, as lines below the table of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet.results import words
from loadfleet.results.texts import table
from loadfleet.tuning import found

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadfleet.results.model import Result

_SETTINGS = ("instances", "threads", "batch_size", "batch_cost", "target_qps")


def lines(results: Sequence[Result], width: int) -> list[str]:
    """Nothing for runs without a search that used none; a sentence is said once for all cells it holds for."""
    used = (
        f"{result.host}, {result.scenario}: {found.words(result.raw['found'])}"
        for result in results
        if result.raw.get("found")
    )
    searches = (line for result in results if result.raw.get("search") for line in _search(result, width))
    return [*searches, *dict.fromkeys(used)]


def _search(result: Result, width: int) -> Iterable[str]:
    search = result.raw["search"]
    probes = search["probes"]
    columns = [name for name in _SETTINGS if any(name in probe["settings"] for probe in probes)]
    headings = ["Probe", *columns, *_headings(result), "s", "Verdict"]
    rows = [
        (
            probe["where"],
            *(f"{probe['settings'][name]:g}" if name in probe["settings"] else "-" for name in columns),
            *_seen(result, probe),
            f"{probe['duration_s']:.0f}",
            _verdict(probe),
        )
        for probe in probes
    ]
    seconds = sum(probe["duration_s"] for probe in probes)
    yield f"Search of {result.host}, {result.scenario}: {words.count(len(probes), 'probe')} in {seconds:,.0f} s"
    yield from table(headings, rows, width=width)
    yield f"Chosen: {', '.join(f'{name} {value:g}' for name, value in search['chosen'].items()) or 'nothing'}"
    yield f"A valid run with it: {_ahead(search['prediction'])}"
    yield from (f"! {note}" for note in search["notes"])
    yield ""


def _headings(result: Result) -> list[str]:
    if result.scenario == "Offline":
        return ["Samples/s"]
    if result.scenario == "Server":
        return ["Queries/s", "p99 ms", "Late"]
    return ["p90 ms", "p99 ms"]


def _seen(result: Result, probe: Mapping[str, Any]) -> list[str]:
    latency = [
        words.number(probe["latency_ms"][name]) if name in probe["latency_ms"] else "-" for name in ("p90", "p99")
    ]
    rate = words.number(probe["rate"]) if probe["rate"] is not None else "-"
    if result.scenario == "Offline":
        return [rate]
    if result.scenario == "Server":
        late = f"{probe['late'] / probe['queries']:.2%}" if probe["late"] is not None and probe["queries"] else "-"
        return [rate, latency[1], late]
    return latency


def _verdict(probe: Mapping[str, Any]) -> str:
    if probe["valid"]:
        return "holds"
    if probe["rate"] is not None:
        return "too slow"
    return str(probe["reasons"][0]) if probe["reasons"] else "failed"


def _ahead(expected: Mapping[str, Any]) -> str:
    queries, samples = expected["queries"], expected["samples"]
    said = f"{queries:,} queries, " if queries > 1 else ""
    said += f"{words.count(samples, 'sample')}, " if samples != queries else ""
    said += f"{expected['seconds']:,.0f} s"
    if expected["early_stopping"] is not None:
        said += f", early stopping {'can be met' if expected['early_stopping'] else 'is not met'}"
    return "; ".join([said, *expected["problems"]])
