from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator
from result_builder import RUN_ID, TOTAL, result, run_folder, write_cell, write_host

from loadfleet.errors import InputError
from loadfleet.results import RunResults, load, problems, validate
from loadfleet.results.model import schema

if TYPE_CHECKING:
    from pathlib import Path


def test_the_schema_is_itself_a_draft_2020_12_schema() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["additionalProperties"] is False


@pytest.mark.parametrize("mode", ["performance", "accuracy", "TEST01"])
def test_a_good_result_has_no_problems(mode: str) -> None:
    assert problems(result(mode=mode)) == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"surprise": 1}, "surprise"),
        ({"run_id": "yesterday"}, "run_id"),
        ({"scenario": "offline"}, "scenario"),
        ({"metric": {"unit": "samples"}}, "metric.unit"),
        ({"metric": None}, "metric"),
        ({"model": {"digest": "abc"}}, "model.digest"),
        ({"validity": {"reasons": ["but"]}}, "validity.reasons"),
        ({"validity": {"submittable": False}}, "validity.reasons"),
        ({"validity": {"execution": "test", "submittable": False, "reasons": ["x"]}}, "validity.execution"),
        ({"cell": "bert/Server/performance"}, "cell"),
        ({"time": {"started": "2026-11-22 00:35"}}, "time.started"),
        ({"exit_code": 7}, "exit_code"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(changes: dict[str, object], place: str) -> None:
    found = problems(result(**changes))
    assert len(found) == 1
    assert place in found[0]


def test_a_subset_must_not_be_judged_and_a_whole_set_must() -> None:
    subset = result(mode="accuracy", accuracy={"samples": 1000})
    assert "accuracy.met" in problems(subset)[0]
    subset["accuracy"]["met"] = None
    assert problems(subset) == []
    whole = result(mode="accuracy", accuracy={"met": None})
    assert f"{TOTAL} of {TOTAL}" in problems(whole)[0]


def test_validate_lists_every_place_in_one_error() -> None:
    with pytest.raises(InputError, match=r"run_id.*scenario"):
        validate(result(run_id="x", scenario="y"))


def test_load_types_the_parts(tmp_path: Path) -> None:
    folder = write_cell(tmp_path, result())
    loaded = load(folder / "result.json")
    assert loaded.metric is not None
    assert (loaded.metric.value, loaded.metric.unit, loaded.metric.lower_is_better) == (1234.5, "Samples/s", False)
    assert loaded.latency is not None
    assert loaded.latency["p99.9"] == 44.0
    assert loaded.files["mlperf_log_summary.txt"].bytes == 2345
    assert loaded.model.official_name == "bert-99"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 1}', "\ufffe"])
def test_load_names_the_file_that_is_bad(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(text.encode("utf-16") if text == "\ufffe" else text.encode())
    with pytest.raises(InputError, match=r"result\.json"):
        load(path)


def test_a_run_gathers_hosts_and_cells(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"), result(host="second"))
    loaded = RunResults.load(run)
    assert loaded.run_id == RUN_ID
    assert [host.name for host in loaded.hosts] == ["localhost", "second"]
    assert [(cell.cell, cell.state) for cell in loaded.hosts[0].cells] == [
        ("bert/Offline/performance", "done"),
        ("bert/Offline/accuracy", "done"),
    ]
    assert loaded.findings == ()


def test_failed_missing_and_unfinished_cells_are_told_apart(tmp_path: Path) -> None:
    run = tmp_path / RUN_ID
    write_cell(run, result())
    cells = {"bert/Offline/performance": "done", "bert/Server/performance": "failed", "bert/Offline/accuracy": "done"}
    folder = write_host(run, "localhost", cells)
    status = json.loads((folder / "status.json").read_text())
    status["cells"][1]["reasons"] = ["out of memory"]
    (folder / "status.json").write_text(json.dumps(status))
    write_host(
        run, "late", {"bert/Offline/performance": "running", "bert/Offline/accuracy": "pending"}, phase="interrupted"
    )
    states = {(cell.host, cell.cell): (cell.state, cell.note) for cell in RunResults.load(run).cells}
    assert states["localhost", "bert/Server/performance"] == ("failed", "out of memory")
    assert states["localhost", "bert/Offline/accuracy"][0] == "missing"
    assert states["late", "bert/Offline/performance"][0] == "running"
    assert states["late", "bert/Offline/accuracy"][0] == "pending"


def test_a_host_that_sent_nothing_is_a_finding(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result())
    spec = {
        "run_id": RUN_ID,
        "workload": "bert",
        "hosts": ["localhost", "lost"],
        "scenarios": ["Offline"],
        "modes": ["accuracy"],
    }
    (run / "run.json").write_text(json.dumps(spec))
    loaded = RunResults.load(run)
    assert loaded.findings == ("lost: nothing came back from this host",)
    assert [(cell.host, cell.state) for cell in loaded.cells] == [("localhost", "done"), ("lost", "missing")]


def test_bad_json_is_a_finding_of_its_cell_and_hides_nothing(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"))
    (run / "localhost/bert/Offline/accuracy/result.json").write_text('{"half":')
    (run / "localhost/system.json").write_text("[1]")
    loaded = RunResults.load(run)
    assert [cell.state for cell in loaded.cells] == ["done", "unreadable"]
    assert "not JSON" in loaded.cells[1].note
    assert any("system.json: a JSON object is expected" in finding for finding in loaded.findings)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        RunResults.load(tmp_path)
    with pytest.raises(InputError, match="no run folder"):
        RunResults.load(tmp_path / "absent")
