"""What the page shows of one cell."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.results import latency, words
from loadfleet.results.report import charts, telemetry, validity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.results.model import Accuracy, CellOutcome, Result

_PERCENTILES = ("min", "p50", "p90", "p95", "p97", "p99", "p99.9", "max")


@dataclass(frozen=True)
class Section:
    """One cell; tables are rows of texts."""

    anchor: str
    title: str
    cell: CellOutcome
    result: Result | None
    why_not: str
    reasons: Sequence[str]
    sentences: Sequence[str]
    checks: Sequence[tuple[str, str, str]]
    facts: Sequence[tuple[str, str]]
    charts: Sequence[charts.Chart]
    settings: Sequence[tuple[str, str, str, bool]]
    versions: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, str, str]]
    repeat: str


def section(
    anchor: str,
    cell: CellOutcome,
    entry: Mapping[str, Any],
    reasons: Sequence[str],
    run_id: str = "",
    points: int = telemetry.POINTS,
) -> Section:
    """Everything about one cell.

    Args:
        anchor: Where links to it go.
        cell: The cell.
        entry: Its object of `summarise`.
        reasons: Those of all cells; `entry` has their numbers.
        run_id: Its run, where the page has several.
        points: Of a line over time.
    """
    result = cell.result
    names = [*cell.of_model, cell.scenario, cell.mode, cell.host, *([run_id] if run_id else [])]
    common: dict[str, Any] = {
        "anchor": anchor,
        "title": ", ".join(names),
        "cell": cell,
        "result": result,
        "why_not": entry["why_not"] or "",
        "reasons": [reasons[number - 1] for number in entry["reason_numbers"]],
    }
    time_charts = over_time(telemetry.read(cell.folder / "telemetry.jsonl"), points)
    if result is None:
        nothing: tuple[Any, ...] = ()
        return Section(
            **common,
            sentences=nothing,
            checks=nothing,
            facts=nothing,
            charts=time_charts,
            settings=nothing,
            versions=nothing,
            files=nothing,
            repeat="",
        )
    return Section(
        **common,
        sentences=validity.sentences(result),
        checks=validity.symbols(validity.checks(result)),
        facts=_facts(result),
        charts=[*_accuracy(result), *_latency(cell, result), *time_charts],
        settings=_settings(result),
        versions=_versions(result),
        files=[(name, digest.sha256, words.size(digest.bytes)) for name, digest in sorted(result.files.items())],
        repeat=shlex.join([*result.prefix, *result.argv]),
    )


def _accuracy(result: Result) -> list[charts.Chart]:
    accuracy = result.accuracy
    if accuracy is None:
        return []
    target = (
        None if accuracy.target is None else charts.Mark(accuracy.target, f"target {words.percent(accuracy.target)}")
    )
    look = "bad" if accuracy.met is False else "plain"
    bar = charts.Bar(
        accuracy.metric, min(accuracy.value, 100.0), f"{words.percent(accuracy.value)}, {_met(accuracy)}", look
    )
    lowest = min(accuracy.value, accuracy.value if accuracy.target is None else accuracy.target)
    low = max(0.0, math.floor((lowest - 5) / 10) * 10.0)
    others = ", ".join(f"{name} {words.percent(value)}" for name, value in accuracy.values.items())
    note = f"All metrics: {others}." if len(accuracy.values) > 1 else ""
    title = "Accuracy against its target" if target else "Accuracy"
    return [charts.bars(title, "%", [bar], heading="Metric", note=note, mark=target, low=low, high=100.0)]


def _met(accuracy: Accuracy) -> str:
    if accuracy.met is None:
        return "not judged"
    return "target met" if accuracy.met else "below target"


def _latency(cell: CellOutcome, result: Result) -> list[charts.Chart]:
    """Distribution, when single latencies were kept, and percentiles as LoadGen computed them."""
    values = {name: value for name in _PERCENTILES if (value := (result.latency or {}).get(name)) is not None}
    found = []
    note = (
        "Offline hands out every sample at once, so this is when each was done." if result.scenario == "Offline" else ""
    )
    distribution = latency.read(cell.folder)
    if distribution:
        marks = [
            charts.Mark(values[name], f"{name} {words.latency(values[name])}")
            for name in ("p50", "p90", "p99")
            if name in values and distribution.edges[0] <= values[name] <= distribution.edges[-1]
        ]
        seen = "Single latencies as the harness saw them, percentiles as LoadGen computed them."
        found.append(charts.histogram("Latency distribution", distribution, marks, f"{seen} {note}".strip()))
    if values:
        unit, factor = words.latency_unit(max(values.values()))
        bars = [charts.Bar(name, value / factor, words.latency(value)) for name, value in values.items()]
        bound = validity.bound_ms(result)
        mark = charts.Mark(bound / factor, f"latency bound {words.latency(bound)}") if bound else None
        verdict = f"LoadGen says {result.validity.loadgen or 'nothing'}."
        found.append(
            charts.bars(
                "Latency percentiles", unit, bars, heading="Percentile", note=f"{verdict} {note}".strip(), mark=mark
            )
        )
    return found


def over_time(found: telemetry.Telemetry, points: int = telemetry.POINTS) -> list[charts.Chart]:
    """A chart for each quantity with two samples or more; phases that are over at once are not worth a line."""
    drawn = []
    for quantity in telemetry.QUANTITIES:
        samples = found.series.get(quantity.key, [])
        if len(samples) < 2:
            continue
        first, last = samples[0][0], samples[-1][0]
        starts = [*(at for _, at in found.phases[1:]), last]
        phases = [
            charts.Mark(at, name)
            for (name, at), end in zip(found.phases, starts, strict=False)
            if at > first and end - at > 0.02 * (last - first)
        ]
        drawn.append(
            charts.over_time(quantity.title, quantity.unit, telemetry.thin(samples, points), phases, quantity.most)
        )
    return drawn


def _facts(result: Result) -> list[tuple[str, str]]:
    time, seen = result.time, result.telemetry
    facts = [
        ("Result", words.metric(result.metric)),
        ("LoadGen says", result.validity.loadgen or "-"),
        ("Accuracy", words.answers(result)),
        ("Model", f"{result.model.name}, {result.model.precision}, {result.model.digest}"),
        ("Counts as", result.model.official_name or "-"),
        ("Data set", f"{result.dataset.name}, {result.dataset.samples:,} samples, {result.dataset.digest}"),
        ("Backend", f"{result.backend.name} on {result.backend.device}"),
        ("Backend options", value_text(dict(result.backend.options)) if result.backend.options else "-"),
        ("Time", f"{time.started} to {time.finished}"),
        (
            "Spent in",
            f"loading {words.quantity(time.load_s, 's')}, warm-up {words.quantity(time.warm_up_s, 's')}, "
            f"LoadGen {words.quantity(time.loadgen_s, 's')}",
        ),
        ("Clock offset", words.quantity(time.clock_offset_ms, "ms")),
        ("Started after the agreed time", words.quantity(time.start_late_ms, "ms")),
        ("Processor, mean", words.quantity(seen.get("cpu_percent_mean"), "% of all cores")),
        ("Memory, highest", words.size(seen.get("rss_peak_bytes"))),
        ("Energy", words.quantity(seen.get("energy_j"), "J")),
    ]
    return [(name, value) for name, value in facts if value != "-"]


def _settings(result: Result) -> list[tuple[str, str, str, bool]]:
    """Rows name, requested, effective, differs; requested settings first, then what LoadGen says beyond them."""
    requested, effective = result.loadgen.requested, dict(result.loadgen.effective)
    rows = []
    for name, asked in requested.items():
        key, factor = _effective(name, effective)
        used = effective.pop(key, None)
        differs = used is not None and not _same(asked, used, factor)
        rows.append(
            (name, value_text(asked), "" if used is None else f"{value_text(used)}{_UNITS.get(factor, '')}", differs)
        )
    return rows + [(name.removeprefix("effective_"), "", value_text(value), False) for name, value in effective.items()]


_UNITS = {1e6: " ns"}


def _effective(name: str, effective: Mapping[str, Any]) -> tuple[str, float]:
    """Key of the detail log for a user.conf key, and the factor from user.conf's unit (times in ms) to the log's."""
    stem = name.removesuffix("_override")
    for key, factor in (
        (name, 1.0),
        (f"effective_{stem}", 1.0),
        (f"effective_{stem}_ms", 1.0),
        (f"effective_{stem}_ns", 1e6),
    ):
        if key in effective:
            return key, factor
    return "", 1.0


def _same(asked: object, used: object, factor: float) -> bool:
    if isinstance(asked, int | float) and isinstance(used, int | float):
        return math.isclose(asked * factor, used, rel_tol=1e-4)
    return asked == used


def _versions(result: Result) -> list[tuple[str, str]]:
    rows = [("LoadGen", result.loadgen.version or "?")]
    return rows + [(name, version or "?") for name, version in sorted(result.backend.versions.items())]


def value_text(value: object) -> str:
    """Any value as a text: JSON for what is no plain number or text."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return json.dumps(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
