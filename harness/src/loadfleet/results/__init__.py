"""Results: the result model, its readers, tables, comparison and the HTML report.

Everything here reads `result.json`, `status.json`, `plan.json`, `run.json`, `system.json` and `telemetry.jsonl` of a
run's folder and nothing else.
"""

from loadfleet.results.model import CellOutcome, HostResults, Result, RunResults, load, problems, validate

__all__ = ["CellOutcome", "HostResults", "Result", "RunResults", "load", "problems", "validate"]
