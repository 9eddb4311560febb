"""Compliance tests in the table, the report, the summary and JUnit files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from result_builder import result

from loadfleet.errors import InputError
from loadfleet.results import model
from loadfleet.results.judge import judge
from loadfleet.results.report import sweep, throughput, validity
from loadfleet.results.summary import row


def of_test(passed: bool | None, **changes: Any) -> model.Result:
    verdict = {True: "passed", False: "failed", None: "not judged"}[passed]
    checks = [
        {"about": "accuracy", "passed": True, "words": "40 answers are alike", "file": "verify_accuracy.txt"},
        {"about": "performance", "passed": passed, "words": "12 % slower", "file": "verify_performance.txt"},
    ]
    compliance = {"test": "TEST01", "title": "Accuracy in performance mode", "passed": passed, "verdict": verdict}
    found = result(mode="TEST01", compliance={**compliance, "checks": checks}, **changes)
    if passed is False:
        reasons = ["TEST01 failed: performance: 12 % slower"]
        found |= {"exit_code": 1, "validity": found["validity"] | {"submittable": False, "reasons": reasons}}
    return model.Result.from_dict(found)


def outcome(found: model.Result) -> model.CellOutcome:
    return model.CellOutcome(found.host, found.cell, "done", Path(), found)


def entry(found: model.Result) -> tuple[str, ...]:
    judged = judge(outcome(found))
    cell = {"host": found.host, "scenario": found.scenario, "mode": found.mode, "loadgen": found.validity.loadgen}
    entry = cell | {"submittable": True, "why_not": judged.short or None, "reason_numbers": [1]}
    return row(outcome(found), entry, models=False)


def test_the_table_says_what_a_test_came_to() -> None:
    assert entry(of_test(passed=True))[2] == "TEST01 passed"
    assert entry(of_test(passed=True))[-1] == "yes"
    failed = entry(of_test(passed=False))
    assert (failed[2], failed[-1]) == ("TEST01 failed", "no: TEST01 failed [1]")


def test_a_failed_test_is_a_bad_result() -> None:
    assert judge(outcome(of_test(passed=True))).outcome == "good"
    judged = judge(outcome(of_test(passed=False)))
    assert (judged.outcome, judged.short) == ("bad", "TEST01 failed")
    assert judged.reasons == ("TEST01 failed: performance: 12 % slower",)
    assert judge(outcome(of_test(passed=None, execution="test"))).outcome == "good"


def test_the_report_says_it_in_a_sentence_and_by_check() -> None:
    found = of_test(passed=False)
    assert validity.sentences(found)[0] == "The compliance test TEST01 (accuracy in performance mode): failed."
    checks = [(check.text, check.met) for check in validity.checks(found)]
    assert checks[:2] == [("Accuracy: 40 answers are alike", True), ("Performance: 12 % slower", False)]


def test_a_test_is_no_measurement_of_its_own() -> None:
    found = of_test(passed=True)
    other = replace(found, loadgen=replace(found.loadgen, requested={"target_qps": 7.0}))
    assert throughput.by_scenario([("one", found), ("two", other)]) == []
    assert sweep.sweeps([found, other]) == []


@pytest.mark.parametrize("change", [{"verdict": "fine"}, {"passed": "yes"}, {"test": "TEST1"}, {"checks": []}])
def test_a_verdict_of_another_form_is_refused(change: dict[str, Any]) -> None:
    raw = dict(of_test(passed=True).raw)
    with pytest.raises(InputError, match="compliance"):
        model.validate(raw | {"compliance": raw["compliance"] | change})
