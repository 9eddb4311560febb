"""LoadGen's logs: their names, reading the detail log, and saying in words why a run is INVALID."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadfleet.errors import BadResultError
from loadfleet.loadgen.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY, DETAIL, ACCURACY = "mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"
_MARK = ":::MLLOG "
_PERCENTILES = {"p50": "50.00", "p90": "90.00", "p95": "95.00", "p97": "97.00", "p99": "99.00", "p99.9": "99.90"}
# What the lowered minimums of execution `test` can make INVALID by themselves.
MINIMUMS = ("result_min_duration_met", "result_min_queries_met", "early_stopping_met")
_WORDS = {
    "result_min_duration_met": "the run was shorter than the minimum duration",
    "result_min_queries_met": "fewer queries were issued than the minimum",
    "result_perf_constraints_met": "the latency bound was not held",
    "early_stopping_met": "too few queries for the early-stopping estimate",
}


@dataclass(frozen=True)
class DetailLog:
    """mlperf_log_detail.txt: `values` has the first value of each key, as the official checkers read it."""

    values: dict[str, Any]
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> DetailLog:
        """Read a detail log line by line.

        Raises:
            BadResultError: The file is missing, empty or holds a line that is not LoadGen's.
        """
        values: dict[str, Any] = {}
        errors: list[str] = []
        warnings: list[str] = []
        try:
            with path.open(encoding="utf-8") as stream:
                for number, line in enumerate(stream, 1):
                    if not line.startswith(_MARK):
                        raise BadResultError(f"{path} line {number} is not a LoadGen line: {line[:80]!r}")
                    entry = json.loads(line.removeprefix(_MARK))
                    values.setdefault(entry["key"], entry["value"])
                    metadata = entry.get("metadata", {})
                    if metadata.get("is_error"):
                        errors.append(str(entry["value"]))
                    elif metadata.get("is_warning"):
                        warnings.append(str(entry["value"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadResultError(f"{path} cannot be read as a LoadGen detail log: {error}") from error
        if "power_end" not in values:
            raise BadResultError(f"{path} ends early: LoadGen did not reach the end of the run")
        return cls(values, errors, warnings)

    @property
    def validity(self) -> str | None:
        """`VALID`, `INVALID`, or None for a run that measures nothing (accuracy)."""
        value = self.values.get("result_validity")
        return None if value is None else str(value)

    def metric(self, scenario: str) -> float:
        """The scenario's number in its unit (MLPerf submission rules: table of metrics per scenario).

        Raises:
            BadResultError: The log has none.
        """
        description = SCENARIOS[scenario]
        for key in description.keys:
            value = self.values.get(key)
            if value:
                return float(value) * description.scale
        raise BadResultError(f"no {' or '.join(description.keys)} in the detail log: the run measured nothing")

    def latency(self, scenario: str) -> dict[str, Any]:
        """Latency percentiles in ms; per query in MultiStream, per sample elsewhere."""
        prefix = SCENARIOS[scenario].latency_prefix
        query = "query_" if prefix else ""
        milliseconds = {
            name: self.values.get(f"result_{number}_percentile{prefix}_latency_ns")
            for name, number in _PERCENTILES.items()
        }
        for name in ("min", "mean", "max"):
            milliseconds[name] = self.values.get(f"result_{name}_{query}latency_ns")
        order = ("min", "mean", *_PERCENTILES, "max")
        return {"unit": "ms", **{name: _milliseconds(milliseconds[name]) for name in order}}

    def unmet(self) -> list[str]:
        """Keys of the conditions that make the run INVALID."""
        return [key for key in _WORDS if self.values.get(key) is False]

    def reasons(self) -> list[str]:
        """Why LoadGen calls the run INVALID, in words, with its own advice."""
        if self.validity != "INVALID":
            return []
        words = [f"LoadGen: {_WORDS[key]}" for key in self.unmet()]
        for key in ("result_invalid_reason", "early_stopping_result"):
            advice = " ".join(str(self.values.get(key) or "").replace("*", " ").split())
            if advice and (key == "result_invalid_reason" or self.values.get("early_stopping_met") is False):
                words.append(f"LoadGen advises: {advice}")
        return words or ["LoadGen: INVALID without a reason"]


def _milliseconds(nanoseconds: Any) -> float | None:
    return None if nanoseconds is None else float(nanoseconds) / 1e6
