from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from result_builder import RUN_ID, TEST_REASON, result, run_folder, write_host

from loadfleet.cli.results import command
from loadfleet.results import RunResults, model
from loadfleet.results.judge import judge, verdict

if TYPE_CHECKING:
    from pathlib import Path

LATENCY = "LoadGen: the latency bound was not held"
DURATION = "LoadGen: the run was shorter than the minimum duration"


def invalid(execution: str, *reasons: str, **checks: bool) -> dict[str, Any]:
    validity: dict[str, Any] = {"loadgen": "INVALID", "submittable": False, "reasons": list(reasons)}
    if checks:
        validity["checks"] = checks
    return result("Server", execution=execution, validity=validity)


def unjudged() -> dict[str, Any]:
    return result(mode="accuracy", execution="test", accuracy={"samples": 1000, "met": None})


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (result(), 0),
        (result(mode="accuracy"), 0),
        (result(execution="test"), 0),
        (unjudged(), 0),
        (invalid("test", TEST_REASON, DURATION), 0),
        (invalid("test", TEST_REASON, DURATION, LATENCY), 1),
        (invalid("test", TEST_REASON, LATENCY), 1),
        (invalid("test", TEST_REASON), 1),
        (invalid("test", TEST_REASON, result_min_duration_met=False, result_perf_constraints_met=True), 0),
        (invalid("test", TEST_REASON, result_min_duration_met=False, result_perf_constraints_met=False), 1),
        (invalid("valid", DURATION), 1),
        (result(mode="accuracy", accuracy={"value": 70.0, "met": False}), 1),
        (result(mode="accuracy", accuracy={"samples": 5, "met": None}), 1),
        (result(exit_code=1), 1),
    ],
)
def test_exit_status_of_a_cell(tmp_path: Path, value: dict[str, Any], status: int) -> None:
    run = run_folder(tmp_path, value)
    assert CliRunner().invoke(command, ["summary", str(run)]).exit_code == status


def test_a_speed_below_the_accuracy_target_is_no_result(tmp_path: Path) -> None:
    slow = result(mode="accuracy", scenario="Server")
    run = RunResults.load(
        run_folder(
            tmp_path, result(), result(mode="accuracy", accuracy={"value": 70.0, "met": False}), result("Server"), slow
        )
    )
    judged = {cell.cell.partition("/")[2]: judge(cell, run) for cell in run.cells}
    assert (judged["Offline/performance"].outcome, judged["Offline/performance"].short) == ("bad", "inaccurate")
    assert "70.000 %" in judged["Offline/performance"].reasons[0]
    assert judged["Server/performance"].outcome == "good"
    assert verdict(run).text.startswith("2 of 4 cells bad")


@pytest.mark.parametrize(
    ("states", "phase", "status"),
    [
        ({"bert/Offline/performance": "failed"}, "finished", 1),
        ({"bert/Offline/performance": "done"}, "finished", 1),
        ({"bert/Offline/performance": "pending"}, "interrupted", 4),
        ({"bert/Offline/performance": "running"}, "running", 4),
        ({"bert/Offline/performance": "failed", "bert/Offline/accuracy": "pending"}, "stopped", 1),
        ({}, "finished", 1),
    ],
)
def test_exit_status_without_results(tmp_path: Path, states: dict[str, str], phase: str, status: int) -> None:
    write_host(tmp_path / RUN_ID, "localhost", states, phase=phase)
    assert verdict(RunResults.load(tmp_path / RUN_ID)).exit_code == status


def test_wrong_input_is_exit_two(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(command, ["summary", "latest", "--results-path", str(tmp_path)])
    assert getattr(outcome.exception, "exit_code", None) == 2
    assert "no run matches 'latest'" in str(outcome.exception)


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_the_table_fits_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    values = [result(), result("SingleStream"), unjudged(), invalid("test", TEST_REASON, LATENCY)]
    run = run_folder(tmp_path, *values, result("MultiStream", host="node-002.rack-7.cluster.example"))
    output = CliRunner().invoke(command, ["summary", str(run)]).output
    lines = output.splitlines()
    assert max(len(line) for line in lines if not line.startswith("Report")) <= columns
    # Folded texts are put together again: every word must be there, numbers with their unit.
    flat = " ".join(output.split())
    for words in (
        "Samples/s",
        "1,234.5",
        "12.50 ms",
        "76.400 %,",
        "75.636 %:",
        "10,833",
        "VALID",
        "INVALID",
        f"[1] {TEST_REASON}",
        f"[2] {LATENCY}",
    ):
        assert words in flat
    if columns >= 120:
        assert "judged: 1,000" in flat
        assert "no: INVALID [1][2]" in flat


def test_json_is_the_table(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), invalid("valid", LATENCY))
    (run / "submission").mkdir()
    for attempt, accepted in ((2, False), (10, True)):
        summary = run / "submission" / f"mlperf_submission_{attempt}_summary.json"
        said = {"accepted": accepted, "round": "v6.1", "errors": 0, "warnings": 1}
        summary.write_text(json.dumps({**said, "official": [{"checker": "modular", "accepted": True}]}))
    outcome = CliRunner().invoke(command, ["summary", str(run), "--json"])
    data = json.loads(outcome.stdout)
    assert outcome.exit_code == data["exit_code"] == 1
    assert data["schema_version"] == 1
    assert [(cell["cell"], cell["outcome"], cell["why_not"]) for cell in data["cells"]] == [
        ("bert/Offline/performance", "good", None),
        ("bert/Server/performance", "bad", "INVALID"),
    ]
    assert data["cells"][0]["metric"] == {"name": "samples per second", "value": 1234.5, "unit": "Samples/s"}
    assert data["reasons"] == [LATENCY]
    assert data["cells"][1]["reason_numbers"] == [1]
    assert data["submission"]["summary"].endswith("mlperf_submission_10_summary.json")
    words = "accepted by our check for round v6.1: 0 errors, 1 warning; accepted by modular"
    assert data["submission"]["verdict"] == words


def test_colours_only_when_asked_for(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result())
    assert "\x1b[" not in CliRunner().invoke(command, ["summary", str(run)]).output
    assert "\x1b[" in CliRunner().invoke(command, ["summary", str(run), "--color"]).output


def test_list_resolves_latest_and_survives_bad_files(tmp_path: Path) -> None:
    run_folder(tmp_path, result())
    newer = run_folder(tmp_path, result(), run_id="20261123T003500Z-bert-3f9b")
    (newer / "localhost/bert/Offline/performance/result.json").write_text("{")
    (tmp_path / "latest").symlink_to(newer.name)
    (tmp_path / "notes").mkdir()
    runs = json.loads(CliRunner().invoke(command, ["list", str(tmp_path), "--json"]).stdout)["runs"]
    assert [(run["run_id"], run["outcome"]) for run in runs] == [(newer.name, "bad"), (RUN_ID, "good")]
    shown = CliRunner().invoke(command, ["summary", "latest", "--results-path", str(tmp_path), "--json"])
    assert json.loads(shown.stdout)["run_id"] == newer.name
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to("gone")
    outcome = CliRunner().invoke(command, ["summary", "latest", "--results-path", str(tmp_path)])
    assert "points to gone" in str(outcome.exception)


def test_show_a_cell_a_file_and_a_run(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"))
    cell = run / "localhost/bert/Offline/performance"
    for what, count in ((cell, 1), (cell / "result.json", 1), (run, 2)):
        outcome = CliRunner().invoke(command, ["show", str(what), "--json"])
        assert len(json.loads(outcome.stdout)["results"]) == count
    text = CliRunner().invoke(command, ["show", str(cell)]).output
    assert "1,234.5 Samples/s" in text
    assert "p99.9 44.00" in text


def compared(tmp_path: Path, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    a = run_folder(tmp_path / "a", first)
    b = run_folder(tmp_path / "b", second)
    outcome = CliRunner().invoke(command, ["compare", str(a), str(b), "--json"])
    cells: list[dict[str, Any]] = json.loads(outcome.stdout)["cells"]
    assert len(cells) == 1
    return cells[0]


def test_ratio_above_one_means_better(tmp_path: Path) -> None:
    assert compared(tmp_path / "x", result(), result(metric={"value": 2469.0}))["ratio"] == pytest.approx(2)
    faster = result("SingleStream", host="other", metric={"value": 6.25})
    assert compared(tmp_path / "y", result("SingleStream"), faster)["ratio"] == pytest.approx(2)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (result(), result(execution="test"), "execution differs (valid, test)"),
        (result("Server"), invalid("valid", LATENCY), "B INVALID"),
        (result(), result(dataset={"digest": "sha256:" + "00" * 32}), "different data sets"),
        (result(), result(metric={"unit": "Tokens/s"}), "units differ (Samples/s, Tokens/s)"),
        (result(), result(metric={"value": 0.0}), "no number on one side"),
        (unjudged(), result(mode="accuracy", execution="test"), "accuracy of different numbers of samples"),
    ],
)
def test_what_cannot_be_compared_says_why(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], why: str
) -> None:
    pair = compared(tmp_path, first, second)
    assert pair["ratio"] is None
    assert pair["why"] == why


def test_cells_of_one_side_only(tmp_path: Path) -> None:
    a, b = run_folder(tmp_path / "a", result()), run_folder(tmp_path / "b", result("Server"))
    output = CliRunner().invoke(command, ["compare", str(a), str(b)]).output
    assert "not comparable: only in A" in output
    assert "not comparable: only in B" in output


def test_one_result_says_how_its_host_was_tuned(tmp_path: Path) -> None:
    platform = {"profile": "fast", "values": {"swappiness": "1", "governor": None}, "applied": ["swappiness"]}
    run = run_folder(tmp_path, result(platform=platform))
    shown = CliRunner().invoke(command, ["show", str(run / "localhost/bert/Offline/performance")])
    assert "Platform:    fast (swappiness 1; not set: governor)" in shown.output, shown.output


def test_models_of_one_run_are_rows_of_one_table(tmp_path: Path) -> None:
    cells = [
        result(cell=f"{name}/Offline/performance", model={"name": name}, metric={"value": value})
        for name, value in (("lite0", 50.0), ("lite1", 30.0))
    ]
    run = run_folder(tmp_path, *cells)
    shown = CliRunner().invoke(command, ["summary", str(run)]).output
    assert re.search(r"^Host +Model +Scenario", shown, re.MULTILINE)
    assert re.search(r"lite0 +Offline +performance +50\.00 Samples/s", shown)
    assert re.search(r"lite1 +Offline +performance +30\.00 Samples/s", shown)
    plain = run_folder(tmp_path, result(), run_id="20260102T030405Z-bert-0001")
    assert "Model" not in CliRunner().invoke(command, ["summary", str(plain)]).output


def test_a_cell_is_named_by_its_workload_or_its_model() -> None:
    assert model.problems(result(cell="lite0/Offline/performance", model={"name": "lite0"})) == []
    (problem,) = model.problems(result(cell="lite1/Offline/performance", model={"name": "lite0"}))
    assert problem == "cell: 'lite1/Offline/performance' is not 'bert/Offline/performance'"
