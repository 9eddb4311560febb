"""TEST01, TEST04 and TEST05, performance: the verdicts of MLCommons' verify_performance.py scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet import catalogue
from loadfleet.compliance import performance
from loadfleet.compliance.base import Logs
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import DETAIL, SUMMARY

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {
    "Offline": "result_samples_per_second",
    "Server": "result_completed_samples_per_sec",
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
}
LINES = {
    "Offline": "Samples per second: ",
    "Server": "Completed samples per second    : ",
    "SingleStream": " * Early stopping 90th percentile estimate: ",
    "MultiStream": " * Early stopping 99th percentile estimate: ",
}


def parameters(test: str) -> dict[str, Any]:
    found: dict[str, Any] = catalogue.get("compliance", test).data["checks"][-1]["parameters"]
    return found


def detail(folder: Path, scenario: str, value: Any, *, validity: str = "VALID", errors: int = 0, **more: Any) -> Path:
    values = {"effective_scenario": scenario, "result_validity": validity, KEYS[scenario]: value, **more}
    lines = [(key, value, False) for key, value in values.items() if value is not None]
    lines += [("error_runtime", "something broke", True)] * errors + [("power_end", "now", False)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DETAIL).write_text(
        "".join(
            ":::MLLOG " + json.dumps({"key": key, "value": value, "metadata": {"is_error": bad}}) + "\n"
            for key, value, bad in lines
        )
    )
    return folder


def near(tmp_path: Path, scenario: str, before: Any, after: Any, *, test: dict[str, Any] | None = None) -> Any:
    reference = detail(tmp_path / "performance", scenario, before)
    logs = detail(tmp_path / "test", **({"scenario": scenario, "value": after} | (test or {})))
    return performance.near(Logs(logs, scenario, performance=reference), parameters("TEST01"))


@pytest.mark.parametrize(
    ("scenario", "before", "ratio", "passed"),
    [
        ("Offline", 1000.0, 1.0, True),
        ("Offline", 1000.0, 0.9, True),
        ("Offline", 1000.0, 0.899, False),
        ("Offline", 1000.0, 1.1, True),
        ("Offline", 1000.0, 1.101, False),
        ("Server", 50.0, 1.101, False),
        ("SingleStream", 200_000, 1.2, True),
        ("SingleStream", 200_000, 1.21, False),
        ("SingleStream", 200_001, 1.15, False),
        ("MultiStream", 1_600_000, 0.8, True),
        ("MultiStream", 1_600_001, 0.85, False),
    ],
)
def test_near(tmp_path: Path, scenario: str, before: float, ratio: float, passed: bool) -> None:
    finding = near(tmp_path, scenario, before, before * ratio)
    assert finding.passed is passed
    assert finding.text().splitlines()[-1] == ("TEST PASS" if passed else "TEST FAIL")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({"validity": "INVALID"}, "the test is INVALID"),
        ({"validity": None}, "the test is no performance run"),
        ({"errors": 1}, "LoadGen logged an error in the test: something broke"),
        ({"scenario": "Server"}, "the test ran Server, the performance run Offline"),
        ({"value": None}, "result_samples_per_second is missing or zero"),
        ({"value": 0}, "result_samples_per_second is missing or zero"),
    ],
)
def test_runs_that_cannot_be_compared(tmp_path: Path, test: dict[str, Any], words: str) -> None:
    finding = near(tmp_path, "Offline", 1000.0, 1000.0, test=test)
    assert not finding.passed
    assert words in finding.words


@pytest.mark.parametrize("value", ["fast", [1], 10**400])
def test_a_result_that_is_no_number(tmp_path: Path, value: Any) -> None:
    with pytest.raises(BadResultError, match="which is no number"):
        near(tmp_path, "Offline", 1000.0, value)


def test_an_invalid_performance_run_proves_nothing(tmp_path: Path) -> None:
    reference = detail(tmp_path / "performance", "Offline", 1000.0, validity="INVALID")
    logs = Logs(detail(tmp_path / "test", "Offline", 1000.0), "Offline", performance=reference)
    assert performance.near(logs, parameters("TEST05")).words == "the performance run is INVALID"


def test_server_runs_have_the_same_target(tmp_path: Path) -> None:
    target = "effective_target_latency_ns"
    reference = detail(tmp_path / "performance", "Server", 50.0, **{target: 130})
    for value, passed in ((130, True), (131, False)):
        logs = Logs(detail(tmp_path / "test", "Server", 50.0, **{target: value}), "Server", performance=reference)
        assert performance.near(logs, parameters("TEST01")).passed is passed


def summary(folder: Path, scenario: str, value: Any, *, validity: str = "VALID") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).write_text(
        f"SUT name : PySUT\nScenario : {scenario}\nMode     : PerformanceOnly\n{LINES[scenario]}{value}\n"
        f"Result is : {validity}\n"
    )
    return folder


def not_faster(tmp_path: Path, scenario: str, before: Any, after: Any) -> Any:
    reference = summary(tmp_path / "performance", scenario, before)
    logs = Logs(summary(tmp_path / "test", scenario, after), scenario, performance=reference)
    return performance.not_faster(logs, parameters("TEST04"))


@pytest.mark.parametrize(
    ("scenario", "before", "after", "passed"),
    [
        ("Offline", 1000, 1099, True),
        ("Offline", 1000, 1100, False),
        ("Offline", 1000, 1, True),
        ("Server", 1000, 1101, False),
        # the reference compares rates with a bound meant for latencies, so that 20 % are allowed nearly always
        ("SingleStream", 4_000_000, 3_400_000, True),
        ("SingleStream", 4_000_000, 3_300_000, False),
        ("SingleStream", 4_000, 3_500, False),
        ("MultiStream", 4_000_000, 3_400_000, True),
    ],
)
def test_not_faster(tmp_path: Path, scenario: str, before: float, after: float, passed: bool) -> None:
    assert not_faster(tmp_path, scenario, before, after).passed is passed


def test_not_faster_wants_two_valid_runs_of_one_scenario(tmp_path: Path) -> None:
    reference = summary(tmp_path / "performance", "Offline", 1000)
    for test, words in (
        (summary(tmp_path / "a", "Offline", 1000, validity="INVALID"), "the test is INVALID"),
        (summary(tmp_path / "b", "Server", 1000), "the test ran Server"),
        (summary(tmp_path / "c", "Offline", ""), "cannot be read"),
    ):
        logs = Logs(test, "Offline", performance=reference)
        if words == "cannot be read":
            with pytest.raises(BadResultError, match=words):
                performance.not_faster(logs, parameters("TEST04"))
        else:
            assert words in performance.not_faster(logs, parameters("TEST04")).words
