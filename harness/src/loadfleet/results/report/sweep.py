"""Curves over a setting that differs between runs: target QPS, batch size, threads, instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.results import words
from loadfleet.results.report import charts
from loadfleet.results.report.throughput import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadfleet.results.model import Result


@dataclass(frozen=True)
class Setting:
    """A number of a result that may be swept, and the scenarios it says nothing in."""

    title: str
    read: Callable[[Result], Any]
    not_in: frozenset[str] = frozenset()


SETTINGS = (
    Setting("Target QPS", lambda result: result.loadgen.requested.get("target_qps")),
    Setting(
        "Batch size, samples",
        lambda result: result.backend.options.get("batch_samples"),
        frozenset({"SingleStream"}),
    ),
    Setting("Threads of an instance", lambda result: result.backend.options.get("threads")),
    Setting("Instances", lambda result: result.backend.options.get("instances")),
)
_LATENCY = "p99"


def sweeps(results: Sequence[Result]) -> list[charts.Chart]:
    """Charts of metric, and of p99 latency where it is not the metric, over each setting with two values or more.

    Results of one host, scenario, model and backend make one curve. What was estimated anew for each run (Offline's
    target) is no sweep while another setting explains the runs.
    """
    scenarios: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.metric and result.compliance is None:
            scenarios.setdefault((result.scenario, result.metric.unit), []).append(result)
    return [chart for (scenario, unit), group in scenarios.items() for chart in _of(scenario, unit, group)]


def _of(scenario: str, unit: str, group: Sequence[Result]) -> list[charts.Chart]:
    known_here = [setting for setting in SETTINGS if scenario not in setting.not_in]
    swept = [setting for setting in known_here if len({_number(setting, result) for result in group} - {None}) > 1]
    if len(swept) > 1 and scenario == "Offline":
        swept = [setting for setting in swept if setting.title != "Target QPS"]
    found = []
    for setting in swept:
        known = [(number, result) for result in group if (number := _number(setting, result)) is not None]
        names = _names([result for _, result in known])
        metric = [
            _point(setting, number, name, result, result.metric.value, words.metric(result.metric))
            for (number, result), name in zip(known, names, strict=True)
            if result.metric
        ]
        what = "Latency" if unit == "ms" else "Throughput"
        title = setting.title.partition(",")[0].lower().replace("qps", "QPS")
        found.append(
            charts.curves(f"{scenario}: {what.lower()} over {title}", setting.title, f"{what}, {unit}", metric)
        )
        tails = [
            _point(setting, number, name, result, tail, words.quantity(tail, "ms"))
            for (number, result), name in zip(known, names, strict=True)
            if (tail := (result.latency or {}).get(_LATENCY)) is not None
        ]
        if unit != "ms" and scenario != "Offline" and len(tails) > 1:
            found.append(
                charts.curves(
                    f"{scenario}: {_LATENCY} latency over {title}", setting.title, f"{_LATENCY} latency, ms", tails
                )
            )
    return found


def _number(setting: Setting, result: Result) -> float | None:
    value = setting.read(result)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _point(setting: Setting, number: float, name: str, result: Result, value: float, text: str) -> charts.Point:
    return charts.Point(
        number,
        value,
        name,
        f"{number:,g}",
        f"{text} {verdict(result)}",
        bad=result.validity.loadgen != "VALID",
    )


def _names(results: Sequence[Result]) -> list[str]:
    """What to call each result's curve: only the parts that differ."""
    parts = [
        (result.host, result.model.name, f"{result.backend.name} on {result.backend.device}") for result in results
    ]
    differing = [index for index in range(3) if len({part[index] for part in parts}) > 1] or [0]
    return [", ".join(part[index] for index in differing) for part in parts]
