"""Failures explained and JUnit files: what people and CI servers read of a run that went wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from result_builder import RUN_ID, result, run_folder, write_cell, write_host

from loadfleet.cli.results import command
from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.results import RunResults, failure, junit
from loadfleet.results.explain import all_of

if TYPE_CHECKING:
    from pathlib import Path

LATENCY = "LoadGen: the latency bound was not held"
INVALID = {"loadgen": "INVALID", "submittable": False, "reasons": [LATENCY]}
BELOW = {"met": False, "value": 70.0}


def load(path: Path) -> RunResults:
    return RunResults.load(path)


@pytest.mark.parametrize(
    ("error", "stage", "kind"),
    [
        (InputError("device 'tpu' is not one"), "loading", "input"),
        (InputError("onnxruntime cannot load /m: bad"), "loading", "model"),
        (NotReadyError("no LoadGen"), "", "environment"),
        (BadResultError("no log"), "running", "loadgen"),
        (OSError(28, "No space left on device"), "running", "environment"),
        (MemoryError(), "running", "environment"),
        (RuntimeError("graph"), "running", "model"),
        (ValueError("odd"), "judging", "accuracy"),
        (ValueError("odd"), "", "unknown"),
    ],
)
def test_errors_have_their_class(error: BaseException, stage: str, kind: str) -> None:
    found, message, fix = failure.of_error(error, stage)
    assert found == kind
    assert message
    assert fix


def test_a_log_s_tail_is_short_plain_and_cut(tmp_path: Path) -> None:
    log = tmp_path / "stdout.log"
    log.write_bytes(b"".join(b"line %d\n\n" % number for number in range(50)) + b"\x1b[31m" + b"x" * 1000 + b"\xff\n")
    lines = failure.tail(log)
    assert len(lines) == failure.LINES
    assert lines[-2] == "line 49"
    assert lines[-1] == "x" * 300
    assert failure.tail(tmp_path / "none") == ()


def test_bad_results_have_class_fix_and_replay(tmp_path: Path) -> None:
    run = run_folder(
        tmp_path, result(validity=INVALID, exit_code=1), result(mode="accuracy", accuracy=BELOW, exit_code=1)
    )
    spec = run / "localhost/run.json"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "store_path": "/srv/store"}))
    for mode in ("accuracy", "performance"):
        (run / "localhost/bert/Offline" / mode / "replay.sh").touch()
    found = {entry.cell: entry for entry in all_of(load(run))}
    performance, accuracy = found["bert/Offline/performance"], found["bert/Offline/accuracy"]
    assert (performance.kind, performance.error) == ("loadgen", LATENCY)
    assert "benchmark_target_qps" in performance.fix
    assert performance.replay == f"/srv/store/runs/{RUN_ID}/bert/Offline/performance/replay.sh"
    assert performance.command == "loadfleet cell run cell.json"
    assert accuracy.kind == "accuracy"


def broken(tmp_path: Path) -> Path:
    """A good cell, a failed one, a host that was refused, one that was stopped, one that never came back."""
    run = run_folder(tmp_path, result())
    cells = {"bert/Offline/accuracy": "failed", "bert/Offline/performance": "done"}
    write_host(run, "localhost", cells)
    said: dict[str, Any] = {
        "schema_version": 1, "class": "model", "error": "cannot load <model> & co", "fix": "bring another",
        "command": "python -m loadfleet cell run cell.json", "lines": ["first\x00", "last"], "replay": "/r/replay.sh",
    }  # fmt: skip
    folder = run / "localhost/bert/Offline/accuracy"
    folder.mkdir(parents=True)
    (folder / "error.json").write_text(json.dumps(said))
    write_host(run, "stopped", {"bert/Offline/performance": "pending"}, phase="stopped", message="stopped by request")
    (run / ".failures").mkdir()
    refused = {"class": "input", "host": "refused", "error": "'tpu' is not known", "fix": "use cpu"}
    (run / ".failures/refused.json").write_text(json.dumps(refused))
    spec = {
        "schema_version": 1, "run_id": RUN_ID, "workload": "bert", "scenarios": ["Offline"], "modes": ["performance"],
        "hosts": ["localhost", "stopped", "refused", "gone"],
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(spec))
    return run


def test_every_failure_is_explained_once(tmp_path: Path) -> None:
    found = [(entry.kind, entry.host, entry.cell, entry.error) for entry in all_of(load(broken(tmp_path)))]
    assert sorted(found) == [
        ("connection", "gone", "", "nothing came back from this host"),
        ("input", "refused", "", "'tpu' is not known"),
        ("interrupted", "stopped", "", "stopped by request"),
        ("model", "localhost", "bert/Offline/accuracy", "cannot load <model> & co"),
    ]


def test_the_summary_and_the_report_show_them(tmp_path: Path) -> None:
    run = broken(tmp_path)
    done = CliRunner().invoke(command, ["summary", str(run)])
    assert done.exit_code == 1
    flat = " ".join(done.output.split())
    for words in (
        "Failed: bert/Offline/accuracy on localhost (class model)", "error cannot load <model> & co",
        "command python -m loadfleet cell run cell.json", "said first", "last", "fix bring another",
        "replay on localhost: sh /r/replay.sh", "Failed: host gone (class connection)", f"loadfleet resume {RUN_ID}",
    ):  # fmt: skip
        assert words in flat
    assert CliRunner().invoke(command, ["report", str(run)]).exit_code == 0
    page = (run / "report.html").read_text()
    assert "cannot load &lt;model&gt; &amp; co" in page
    assert "<code>sh /r/replay.sh</code>" in page
    classes = [entry["class"] for entry in json.loads((run / "summary.json").read_text())["failures"]]
    assert sorted(classes) == ["connection", "input", "interrupted", "model"]


def test_a_good_run_has_no_failures(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"))
    assert all_of(load(run)) == []
    assert "Failed" not in CliRunner().invoke(command, ["summary", str(run)]).output


def test_what_replay_made_is_no_cell(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result())
    folder = write_cell(run, result(mode="accuracy"))
    folder.rename(folder.with_name("performance.replay.aB3xyz"))
    assert [cell.cell for cell in load(run).cells] == ["bert/Offline/performance"]


@dataclass
class Task:
    host: str
    task: str
    message: str


def check_junit(root: ET.Element) -> None:
    """The rules of the JUnit format as servers read it (suites, cases, outcomes, counts)."""
    assert root.tag == "testsuites"
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for suite in root:
        assert suite.tag == "testsuite"
        assert suite.get("name")
        cases = suite.findall("testcase")
        assert len(cases) == len(suite)
        counts = {"tests": len(cases), "failures": 0, "errors": 0}
        for case in cases:
            assert case.get("name")
            assert case.get("classname")
            assert float(case.get("time", "")) >= 0
            assert {child.tag for child in case} <= {"failure", "error", "system-out"}
            outcomes = [child for child in case if child.tag in {"failure", "error"}]
            assert len(outcomes) <= 1
            for outcome in outcomes:
                assert outcome.get("message")
                assert outcome.get("type")
                counts[f"{outcome.tag}s"] += 1
        for name, count in counts.items():
            assert int(suite.get(name, "-1")) == count
            totals[name] += count
    for name, count in totals.items():
        assert int(root.get(name, "-1")) == count


def test_a_junit_file_has_one_case_for_each_cell(tmp_path: Path) -> None:
    run = broken(tmp_path)
    path = tmp_path / "ci" / "junit.xml"
    tasks = [Task("gone", "Run the cells", "unreachable: no route\nto host"), Task("", "", "syntax\x1b error")]
    junit.write(path, load(run), seconds=12.5, failures=tasks)
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    check_junit(root)
    cases = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert set(cases) == {
        ("localhost", "bert/Offline/accuracy"), ("localhost", "bert/Offline/performance"),
        ("stopped", "bert/Offline/performance"), ("refused", "bert/Offline/performance"),
        ("gone", "bert/Offline/performance"), ("gone", "Run the cells"), ("ansible", "start"),
    }  # fmt: skip
    good = cases["localhost", "bert/Offline/performance"]
    assert [child.tag for child in good] == ["system-out"]
    assert "Samples/s" in (good.findtext("system-out") or "")
    error = cases["localhost", "bert/Offline/accuracy"].find("error")
    assert error is not None
    assert error.get("type") == "model"
    for words in ("cannot load <model> & co", "bring another", "replay.sh", "last"):
        assert words in (error.text or "")
    assert cases["ansible", "start"].findtext("error") == "syntax error"
    assert (root.get("name"), root.get("time")) == (RUN_ID, "12.500")


def test_a_bad_result_is_a_failure_with_its_reasons(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(validity=INVALID, exit_code=1))
    path = tmp_path / "junit.xml"
    done = CliRunner().invoke(command, ["report", str(run), "--junit", str(path)])
    assert done.exit_code == 0, done.output
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    check_junit(root)
    (bad,) = root.iter("failure")
    assert (bad.get("type"), bad.get("message")) == ("loadgen", LATENCY)


def test_a_run_of_which_nothing_came_home_is_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    junit.write(path, None, run_id=RUN_ID, failures=[Task("", "", "broken")])
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    check_junit(root)
    assert root.get("errors") == "1"
    with pytest.raises(InputError, match="is a folder"):
        junit.write(tmp_path, None, run_id=RUN_ID)
