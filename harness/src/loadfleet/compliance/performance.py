"""TEST01, TEST04 and TEST05: a test run is as fast as the performance run, or at least not much faster.

Reference: mlcommons/inference, compliance/TEST01/verify_performance.py (detail logs) and
compliance/TEST04/verify_performance.py (summaries).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from loadfleet.compliance.base import Finding, Logs
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import DETAIL, SUMMARY, DetailLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The number that counts, by what LoadGen calls the scenario: key of the detail log, line of the summary.
_KEYS = {
    "Offline": "result_samples_per_second",
    "Server": "result_completed_samples_per_sec",
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
}
_LINES = {
    "Offline": re.compile(r"Samples per second"),
    "Server": re.compile(r"Completed samples per second"),
    "SingleStream": re.compile(r".*Early stopping (90th|90.0th|99.9th) percentile estimate"),
    "MultiStream": re.compile(r".*Early stopping (99th|99.0th) percentile estimate"),
}
_LATENCIES = ("SingleStream", "MultiStream")


def near(logs: Logs, parameters: Mapping[str, Any]) -> Finding:
    """Both runs VALID and without errors, of one scenario and, for Server, of one target; results within the limit.

    Raises:
        BadResultError: A log cannot be read.
    """
    reference, test = (DetailLog.read(folder / DETAIL) for folder in (logs.reference("performance"), logs.test))
    before, after = _number(reference), _number(test)
    lines = (
        "Result of the test against the performance run.",
        f"performance run = {before}",
        f"test = {after}",
    )
    scenario = str(reference.values.get("effective_scenario"))
    target = "effective_target_latency_ns"
    limit = _limit(parameters, scenario, before or 0.0)
    if problem := _unusable(reference, "performance run") or _unusable(test, "test"):
        words = problem
    elif test.values.get("effective_scenario") != scenario:
        words = f"the test ran {test.values.get('effective_scenario')}, the performance run {scenario}"
    elif scenario == "Server" and test.values.get(target) != reference.values.get(target):
        words = f"{target} is {test.values.get(target)} in the test, {reference.values.get(target)} before"
    elif not before or not after:
        words = f"{_KEYS.get(scenario)} is missing or zero in the detail log"
    else:
        words = f"{_result(scenario, after)} where the performance run had {_result(scenario, before)}: " + _apart(
            after / before, limit
        )
        passed = before * (1 - limit) <= after <= before * (1 + limit)
        return Finding(passed=passed, words=words, lines=(*lines, words))
    return Finding(passed=False, words=words, lines=(*lines, words))


def not_faster(logs: Logs, parameters: Mapping[str, Any]) -> Finding:
    """Both runs VALID and of one scenario; the test's rate is below the performance run's plus the limit.

    Raises:
        BadResultError: A summary cannot be read.
    """
    reference, test = (_summary(folder / SUMMARY) for folder in (logs.reference("performance"), logs.test))
    scenario, before, _ = reference
    after = test[1]
    lines = (
        "Rate of the test, where every query is one sample, against the performance run.",
        f"performance run = {before}",
        f"test = {after}",
    )
    limit = _limit(parameters, scenario, before)
    invalid = [name for name, found in (("performance run", reference), ("test", test)) if found[2] == "INVALID"]
    if invalid:
        words = f"the {invalid[0]} is INVALID"
    elif test[0] != scenario:
        words = f"the test ran {test[0] or 'nothing'}, the performance run {scenario or 'nothing'}"
    elif not before or not after:
        words = "a summary does not give the scenario's result"
    else:
        words = f"{after:,.4g} a second where the performance run had {before:,.4g}: " + _apart(after / before, limit)
        return Finding(passed=after < before * (1 + limit), words=words, lines=(*lines, words))
    return Finding(passed=False, words=words, lines=(*lines, words))


def _limit(parameters: Mapping[str, Any], scenario: str, before: float) -> float:
    short = parameters["short"].get(scenario)
    return float(parameters["limit"] if short is None or before > short else parameters["short_limit"])


def _apart(ratio: float, limit: float) -> str:
    return f"{ratio - 1:+.1%}, allowed are {limit:.0%}"


def _result(scenario: str, value: float) -> str:
    return f"{value / 1e6:,.4g} ms" if scenario in _LATENCIES else f"{value:,.5g} a second"


def _number(detail: DetailLog) -> float | None:
    value = detail.values.get(_KEYS.get(str(detail.values.get("effective_scenario")), ""))
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadResultError(f"the result in the detail log is {value!r}, which is no number") from error


def _unusable(detail: DetailLog, name: str) -> str:
    if detail.validity != "VALID":
        return f"the {name} is {detail.validity or 'no performance run'}"
    return f"LoadGen logged an error in the {name}: {detail.errors[0]}" if detail.errors else ""


def _summary(path: Path) -> tuple[str, float, str]:
    """Scenario, rate per second (0 when there is none) and verdict of a summary, the last of each that it says."""
    scenario, rate, verdict = "", 0.0, ""
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                value = line.partition(": ")[2].strip()
                if line.startswith("Scenario"):
                    scenario = value
                elif line.startswith("Result is"):
                    verdict = value
                elif scenario in _LINES and _LINES[scenario].match(line):
                    rate = 1e9 / float(value) if scenario in _LATENCIES else float(value)
    except (OSError, ValueError, ZeroDivisionError) as error:
        raise BadResultError(f"{path.name} cannot be read as a LoadGen summary: {error}") from error
    return scenario, rate, verdict
