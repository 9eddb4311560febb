"""Compliance tests as cells: real LoadGen with an audit file, compared with the runs beside them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent_helpers import ended, wait
from loadfleet.catalogue import rounds
from loadfleet.cell import control, plan, standing
from loadfleet.errors import InputError
from loadfleet.results import model as results
from loadfleet.results.judge import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODES = ["performance", "accuracy", "compliance"]


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


@pytest.fixture
def finished(make_run: Callable[..., Path]) -> Path:
    folder = make_run(modes=MODES)
    control.start(folder)
    status = wait(folder, ended)
    assert (status["phase"], status["exit_code"]) == ("finished", 0), status
    return folder


def test_a_test_runs_after_its_scenario_and_is_verified(finished: Path) -> None:
    status = standing.read_status(finished)
    assert [cell["id"] for cell in status["cells"]] == [
        "toy/Offline/performance",
        "toy/Offline/accuracy",
        "toy/Offline/TEST01",
    ]
    assert re.search(r"Samples/s, TEST01 (passed|not judged)$", status["cells"][2]["detail"])
    folder = finished / "toy/Offline/TEST01"
    result = results.load(folder / "result.json")
    assert result.compliance
    about = {check.about: check for check in result.compliance.checks}
    assert about["accuracy"].passed is True
    assert about["performance"].passed is not False, "a run of seconds is too short to fail by its speed"
    assert result.loadgen.requested == read(finished / "toy/Offline/performance/result.json")["loadgen"]["requested"]
    effective = result.loadgen.effective
    assert effective["effective_accuracy_log_sampling_target"] == 4096
    assert effective["effective_accuracy_log_rng_seed"] == 720381539243781796
    assert effective["effective_test_mode"] == "PerformanceOnly"
    assert (folder / "verify_accuracy.txt").read_text().splitlines()[-1] == "TEST PASS"
    assert (folder / "accuracy.txt").read_text().startswith("right=100.0")
    for name in ("audit.config", "verify_accuracy.txt", "verify_performance.txt", "accuracy.txt", "user.conf"):
        assert name in result.files
    assert "Audit" in (folder / "mlperf_log_detail.txt").read_text()
    assert "Audit" not in (finished / "toy/Offline/performance/mlperf_log_detail.txt").read_text()


def test_a_finished_test_is_adopted(finished: Path) -> None:
    before = (finished / "journal.jsonl").read_text()
    assert control.start(finished)["pid"] is None
    assert (finished / "journal.jsonl").read_text() == before


@pytest.mark.parametrize("scenario", ["Server", "SingleStream", "MultiStream"])
def test_every_scenario_can_be_tested(make_run: Callable[..., Path], scenario: str) -> None:
    rate = {"Server": 400} if scenario == "Server" else {}
    folder = make_run(modes=[*MODES, "TEST04"], scenarios=[scenario], target_qps=rate)
    control.start(folder)
    status = wait(folder, ended)
    assert status["exit_code"] == 0, status
    assert [cell["id"].rpartition("/")[2] for cell in status["cells"]] == [
        "performance",
        "accuracy",
        "TEST01",
        "TEST04",
    ]
    result = results.load(folder / "toy" / scenario / "TEST04/result.json")
    assert result.loadgen.effective["effective_performance_issue_same"] is True
    assert result.accuracy is None


def test_an_older_round_has_a_test_with_seeds_of_its_own(make_run: Callable[..., Path]) -> None:
    folder = make_run(modes=MODES, round="v4.1")
    control.start(folder)
    status = wait(folder, ended)
    assert status["exit_code"] == 0, status
    rules = rounds.load("v4.1")
    for mode, seeds in (("TEST01", rules.seeds), ("TEST05", rules.compliance_tests["TEST05"].seeds)):
        effective = results.load(folder / "toy/Offline" / mode / "result.json").loadgen.effective
        assert seeds
        assert {name: effective[f"effective_{name}"] for name, _ in seeds.items()} == dict(seeds.items())


def test_other_answers_than_in_the_accuracy_run_fail_the_run(finished: Path) -> None:
    shutil.rmtree(finished / "toy/Offline/TEST01")
    log = finished / "toy/Offline/accuracy/mlperf_log_accuracy.json"
    log.write_text(re.sub(r'"data" : "..', '"data" : "55', log.read_text()))
    control.start(finished)
    status = wait(finished, lambda status: status["phase"] == "finished" and status["cells"][2]["state"] == "done")
    assert status["exit_code"] == 1
    result = results.load(finished / "toy/Offline/TEST01/result.json")
    assert result.exit_code == 1
    assert result.compliance
    assert result.compliance.verdict == "failed"
    (reason,) = [reason for reason in result.validity.reasons if "failed" in reason]
    assert reason.startswith("TEST01 failed: accuracy: ")
    assert "logged answers are not those of the accuracy run; scored, the same" in reason
    outcome = results.CellOutcome("here", result.cell, "done", finished, result)
    assert judge(outcome).short == "TEST01 failed"
    folder = finished / "toy/Offline/TEST01"
    assert (folder / "verify_accuracy.txt").read_text().splitlines()[-1] == "TEST FAIL"
    assert (folder / "baseline_accuracy.txt").exists()
    assert (folder / "compliance_accuracy.txt").exists()
    assert not list(folder.glob(".baseline-*"))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "accuracy"), "toy/Offline/accuracy, which is missing"),
        (
            lambda folder: (folder / "performance/result.json").rename(folder / "performance/error.json"),
            "toy/Offline/performance, which failed",
        ),
        (lambda folder: (folder / "accuracy/result.json").write_text("{"), "which cannot be read"),
        (
            lambda folder: (folder / "accuracy/result.json").write_text(
                json.dumps({"exit_code": 1, "validity": {"reasons": ["too bad"]}})
            ),
            "which failed: too bad",
        ),
        (
            lambda folder: (folder / "accuracy/result.json").write_text(
                json.dumps({"exit_code": 0, "model": {"digest": "sha256:0"}})
            ),
            "which ran another model",
        ),
    ],
)
def test_a_test_without_what_it_is_compared_with_is_not_ready(
    finished: Path, break_it: Callable[[Path], None], words: str
) -> None:
    folder = finished / "toy/Offline"
    break_it(folder)
    cell = read(folder / "TEST01/cell.json")
    shutil.rmtree(folder / "TEST01")
    (folder / "TEST01").mkdir()
    (folder / "TEST01/cell.json").write_text(json.dumps(cell))
    done = subprocess.run(
        [sys.executable, "-m", "loadfleet", "cell", "run", str(folder / "TEST01/cell.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    error = read(folder / "TEST01/error.json")
    assert (error["class"], words in error["error"]) == ("environment", True)


def test_what_a_test_is_compared_with_must_be_in_the_run(run_file: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="TEST01 is compared with the accuracy run") as caught:
        plan.make(run_file | {"modes": ["performance", "TEST01"]})
    assert caught.value.fix == "set benchmark_modes: [accuracy, performance, compliance]"
