"""What concerns the hosts of a run together: how far apart they started, and what the fleet gate decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet.results import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadfleet.results.model import Result, RunResults


def starts(run: RunResults) -> list[dict[str, Any]]:
    """How far apart the hosts started the cells that they had agreed on; cells of a single host are left out.

    Returns:
        One object a cell: `cell`, `hosts` (names), `spread_ms` between the first and the last host on the controller's
        clock, `uncertainty_ms` of the worst known clock (None when none was measured), `late_ms` of the last host.
    """
    cells: dict[str, list[Result]] = {}
    for result in run.results:
        if result.time.agreed_start is not None and result.time.loadgen_start is not None:
            cells.setdefault(result.cell, []).append(result)
    return [_spread(cell, results) for cell, results in cells.items() if len(results) > 1]


def _spread(cell: str, results: list[Result]) -> dict[str, Any]:
    doubts = [(result.raw.get("gate") or {}).get("clock_uncertainty_ms") for result in results]
    began = [_began(result, doubt) for result, doubt in zip(results, doubts, strict=True)]
    known = [doubt for doubt in doubts if doubt is not None]
    return {
        "cell": cell,
        "hosts": [result.host for result in results],
        "spread_ms": round(1e3 * (max(began) - min(began)), 3),
        "uncertainty_ms": max(known, default=None),
        "late_ms": max(result.time.start_late_ms or 0.0 for result in results),
    }


def _began(result: Result, doubt_ms: float | None) -> float:
    """Start on the controller's clock, in epoch seconds.

    Each host wrote its own clock; what that is ahead was measured before the run. As for the agreed start itself, a
    difference that may as well be none counts as none.
    """
    ahead = result.time.clock_offset_ms or 0.0
    return (result.time.loadgen_start or 0.0) - (ahead / 1e3 if abs(ahead) > (doubt_ms or 0.0) else 0.0)


def lines(run: RunResults) -> list[str]:
    """Sentences about the fleet, for the table and the report; none for a run of one host without anything to tell."""
    return [*map(_sentence, starts(run)), *_decisions(run.run.get("gate"))]


def _sentence(start: Mapping[str, Any]) -> str:
    doubt = start["uncertainty_ms"]
    notes = [] if doubt is None else [f"their clocks are known to {words.quantity(doubt, 'ms')}"]
    if start["late_ms"] >= 1:
        notes.append(f"the last one {words.quantity(start['late_ms'], 'ms')} after the agreed time")
    return (
        f"{words.count(len(start['hosts']), 'host')} started within {words.quantity(start['spread_ms'], 'ms')} of each "
        f"other: {start['cell']}" + (f" ({'; '.join(notes)})" if notes else "")
    )


def _decisions(gate: object) -> Iterator[str]:
    if not isinstance(gate, dict):
        return
    places = {one["host"]: one["by"] for one in gate.get("replaced") or []}
    for one in gate.get("dropped") or []:
        reasons = " ".join(reason.partition("; fix:")[0] for reason in one["reasons"])
        place = f"{places[one['host']]} ran in its place" if one["host"] in places else "left out of the run"
        yield f"{one['host']}: {place}: {reasons}"
    names = [str(one["field"]) for one in gate.get("differences") or []]
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        yield f"The hosts differ in {', '.join(names[:5])}{more}"
