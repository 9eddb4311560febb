"""Throughput of every scenario in one unit, so that scenarios can stand side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.results import words
from loadfleet.results.history.derived import SAMPLES_PER_QUERY
from loadfleet.results.report import charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadfleet.results.model import Result

_TOGETHER = 12  # bars that still make one chart of all scenarios
_MOST = 24  # bars of a chart
NOTE = (
    "Offline and Server: as measured by LoadGen. SingleStream and MultiStream are measured as latencies; their "
    "throughput is derived: samples of a query (1 or 8) / mean latency."
)


def throughput(result: Result) -> float | None:
    """Samples (queries, tokens) a second; None for a result that measured nothing."""
    if result.metric is None:
        return None
    if not result.metric.lower_is_better:
        return result.metric.value
    mean = (result.latency or {}).get("mean")
    count = SAMPLES_PER_QUERY.get(result.scenario)
    return count * 1e3 / mean if count and mean else None


def by_scenario(results: Sequence[tuple[str, Result]]) -> list[charts.Chart]:
    """A chart for each unit, of (what to call it, result); results of one scenario stand together.

    Compliance tests repeat a measurement; they are none of their own.
    """
    units: dict[str, list[tuple[str, Result, float]]] = {}
    for name, result in results:
        value = None if result.compliance else throughput(result)
        if value is not None and result.metric:
            unit = "Samples/s" if result.metric.unit in {"ms", "Queries/s"} else result.metric.unit
            units.setdefault(unit, []).append((name, result, value))
    drawn = []
    for unit, rows in units.items():
        if len(rows) <= _TOGETHER:
            drawn.append(_chart("Throughput by scenario", unit, rows))
            continue
        for scenario in dict.fromkeys(result.scenario for _, result, _ in rows):
            alone = [row for row in rows if row[1].scenario == scenario]
            drawn.append(_chart(f"Throughput, {scenario}", unit, alone))
    # A single number is on its card.
    return [chart for chart in drawn if len(chart.rows) > 1]


def _chart(title: str, unit: str, rows: Sequence[tuple[str, Result, float]]) -> charts.Chart:
    order = list(dict.fromkeys(result.scenario for _, result, _ in rows))
    shown = sorted(rows, key=lambda row: order.index(row[1].scenario))[:_MOST]
    bars = [
        charts.Bar(
            " · ".join(part for part in (result.scenario if len(order) > 1 or not name else "", name) if part),
            value,
            f"{words.quantity(value, unit)} {verdict(result)}",
            "bad" if result.validity.loadgen != "VALID" else "plain",
        )
        for name, result, value in shown
    ]
    derived = any(result.metric and result.metric.lower_is_better for _, result, _ in rows)
    hollow = " Hollow bars are not valid." if any(bar.look == "bad" for bar in bars) else ""
    note = (NOTE if derived else "As measured by LoadGen.") + hollow
    if len(shown) < len(rows):
        note += f" The first {len(shown)} of {len(rows)} results; the table has all."
    return charts.bars(title, unit, bars, heading="Scenario", note=note)


def verdict(result: Result) -> str:
    """LoadGen's verdict and `test` for a run of seconds: what goes with every number."""
    if result.mode == "find":
        return "a search"
    said = result.validity.loadgen or "no verdict"
    return f"{said}, test" if result.execution == "test" else said
