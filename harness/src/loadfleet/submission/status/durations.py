"""How long the runs take that a submission still lacks, from the rules' minimums and what was measured before."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadfleet.compliance import tests as compliance

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round, RoundModel
    from loadfleet.submission.tree.cells import Cell

_MULTI_STREAM_SAMPLES = 8  # of a query: LoadGen's multi_stream_samples_per_query
_OFFLINE_SLACK = 1.1  # LoadGen makes an Offline query for 1.1 times the minimum duration


@dataclass
class Speeds:
    """Samples per second of one model on one system, by scenario, as measured; and seconds before a run begins."""

    performance: dict[str, float] = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)
    start_s: float = 0.0

    def rate(self, scenario: str, mode: str) -> tuple[float | None, bool]:
        """Samples per second, and whether they were measured in that scenario.

        A scenario that was never measured gets the slowest of the others; None when there is none.
        """
        own = (self.accuracy if mode == "accuracy" else {}).get(scenario) or self.performance.get(scenario)
        if own:
            return own, True
        others = [*self.performance.values(), *self.accuracy.values()]
        return (min(others) if others else None), False


def per_second(value: object, unit: object, scenario: str) -> float | None:
    """A scenario's number as samples per second; None when it is none."""
    if not isinstance(value, int | float) or value <= 0:
        return None
    if unit in {"ms", "Latency (ms)"}:
        return 1000 / value * (_MULTI_STREAM_SAMPLES if scenario == "MultiStream" else 1)
    return float(value) if unit in {"Samples/s", "Queries/s"} else None


def of_cells(cells: Iterable[Cell]) -> Speeds:
    """Speeds of runs that came home, test-length ones too; the newest counts."""
    speeds = Speeds()
    for cell in sorted(cells, key=lambda cell: cell.run_id):
        time = cell.result.get("time") or {}
        speeds.start_s = sum(time.get(key) or 0.0 for key in ("load_s", "warm_up_s"))
        metric, accuracy = cell.result.get("metric") or {}, cell.result.get("accuracy") or {}
        if cell.mode == "performance":
            found = per_second(metric.get("value"), metric.get("unit"), cell.scenario)
            if found:
                speeds.performance[cell.scenario] = found
        elif cell.mode == "accuracy" and accuracy.get("samples") and time.get("loadgen_s"):
            speeds.accuracy[cell.scenario] = accuracy["samples"] / time["loadgen_s"]
    return speeds


def of_store(store: Path | None, workload: str, model: str) -> Speeds:
    """Speeds that hosts remembered in their store (`estimates/`); the newest of a scenario counts."""
    speeds = Speeds()
    folder = None if store is None else store / "estimates"
    paths = [] if folder is None or not folder.is_dir() else folder.glob(f"{workload}-{model}-*-*.json")
    for path in sorted(paths, key=lambda path: path.stat().st_mtime):
        scenario = path.name.removeprefix(f"{workload}-{model}-").split("-")[0]
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            found = per_second(entry["value"], entry["unit"], scenario)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if found:
            speeds.performance[scenario] = found
    return speeds


def performance(rules: Round, model: RoundModel, scenario: str, speeds: Speeds) -> tuple[float, bool]:
    """Seconds of a performance-type run, and whether that is a lower bound.

    The minimum duration, or longer where early stopping (fewest queries for the scenario's percentile) or the Offline
    query (fewest samples) asks for more than fits into it.
    """
    minimum = model.min_duration_ms / 1e3
    rate, measured = speeds.rate(scenario, "performance")
    percentile = rules.scenarios[scenario].percentile
    samples = 0
    if scenario == "Offline":
        minimum *= _OFFLINE_SLACK
        samples = model.offline_min_samples
    elif percentile is not None and rules.scenarios[scenario].early_stopping:
        samples = rules.early_stopping_min_queries.get(percentile, 0)
        samples *= _MULTI_STREAM_SAMPLES if scenario == "MultiStream" else 1
    return speeds.start_s + max(minimum, samples / rate if rate else 0.0), not measured


def accuracy(model: RoundModel, scenario: str, speeds: Speeds) -> tuple[float, bool]:
    """Seconds of an accuracy run over the whole data set, and whether that is a lower bound."""
    rate, measured = speeds.rate(scenario, "accuracy")
    return speeds.start_s + (model.samples_for(scenario) / rate if rate else 0.0), not measured


def of_mode(rules: Round, model: RoundModel, mode: str, scenario: str, speeds: Speeds) -> tuple[float, bool]:
    """Seconds of a run in a mode, and whether that is a lower bound.

    Compliance tests last as long as a performance run, but for those whose audit file sets the minimum duration to
    nothing: they answer so many queries.
    """
    if mode == "accuracy":
        return accuracy(model, scenario, speeds)
    audit = {} if mode == "performance" else compliance.describe(mode, rules, model.name, scenario)["audit"]
    if audit.get("min_duration") != 0:
        return performance(rules, model, scenario, speeds)
    rate, measured = speeds.rate(scenario, "performance")
    samples = audit.get("min_query_count", model.performance_sample_count)
    samples *= _MULTI_STREAM_SAMPLES if scenario == "MultiStream" else 1
    return speeds.start_s + (samples / rate if rate else 0.0), not measured
