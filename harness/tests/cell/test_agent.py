"""The agent with real LoadGen and onnxruntime on a toy workload: runs, adopts, resumes, stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent_helpers import LONG, ended, running, wait
from loadfleet import processes
from loadfleet.cell import control, standing
from loadfleet.errors import InputError, NotReadyError
from loadfleet.results import model as results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_runs_every_cell_and_leaves_what_the_contract_names(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    answer = control.start(folder)
    assert answer["adopted"] is False
    status = wait(folder, ended)
    assert (status["phase"], status["exit_code"]) == ("finished", 0)
    assert [cell["state"] for cell in status["cells"]] == ["done", "done"]
    for mode in ("accuracy", "performance"):
        cell = folder / "toy/Offline" / mode
        result = results.load(cell / "result.json")
        assert result.validity.submittable is False
        for name in ("cell.json", "user.conf", "mlperf_log_detail.txt", "replay.sh", "stdout.log", "telemetry.jsonl"):
            assert (cell / name).exists(), name
    accuracy = json.loads((folder / "toy/Offline/accuracy/result.json").read_text())["accuracy"]
    assert (accuracy["value"], accuracy["met"], accuracy["samples"]) == (100.0, True, 40)
    performance = json.loads((folder / "toy/Offline/performance/result.json").read_text())
    assert performance["metric"]["unit"] == "Samples/s"
    assert performance["metric"]["value"] > 0
    assert performance["loadgen"]["effective"]["effective_samples_per_query"] == 64


def test_a_finished_run_is_adopted_and_runs_nothing_again(make_run: Callable[..., Path]) -> None:
    folder = make_run(modes=["accuracy"])
    control.start(folder)
    wait(folder, ended)
    before = (folder / "journal.jsonl").read_text()
    assert control.start(folder) == {"run_id": folder.name, "pid": None, "adopted": True, "phase": "finished"}
    assert (folder / "journal.jsonl").read_text() == before


@pytest.mark.parametrize("scenario", ["Server", "SingleStream", "MultiStream"])
def test_the_other_scenarios_run(make_run: Callable[..., Path], scenario: str) -> None:
    folder = make_run(scenarios=[scenario], target_qps={"Server": 400} if scenario == "Server" else {})
    control.start(folder)
    status = wait(folder, ended)
    assert status["exit_code"] == 0, status
    accuracy = json.loads((folder / "toy" / scenario / "accuracy/result.json").read_text())
    assert accuracy["accuracy"]["value"] == 100.0


def test_a_killed_agent_loses_nothing(make_run: Callable[..., Path]) -> None:
    folder = make_run(**LONG)
    first = control.start(folder)
    wait(folder, running)
    os.kill(first["pid"], signal.SIGKILL)
    while processes.alive(folder / "agent.pid"):
        time.sleep(0.01)
    cell = folder / "toy/SingleStream/performance"
    orphan = processes.alive(cell / "cell.pid")
    assert orphan, "the cell outlives its agent"
    second = control.start(folder)
    assert second["adopted"] is False
    status = wait(folder, ended)
    assert status["exit_code"] == 0
    assert events(folder).count("cell_started") == 1, "the running cell was waited for, not started again"


def test_a_run_whose_agent_was_killed_at_the_very_end_is_finished_by_the_next(make_run: Callable[..., Path]) -> None:
    folder = make_run(**LONG)
    first = control.start(folder)
    wait(folder, running)
    os.kill(first["pid"], signal.SIGKILL)
    while not (folder / "toy/SingleStream/performance/result.json").exists():
        time.sleep(0.05)
    assert standing.read_status(folder)["phase"] == "running", "nobody was left to write the last status"
    assert control.start(folder)["adopted"] is False
    status = wait(folder, ended)
    assert (status["phase"], status["exit_code"]) == ("finished", 0)
    assert events(folder).count("cell_started") == 1, "nothing was measured again"
    assert control.start(folder) == {"run_id": folder.name, "pid": None, "adopted": True, "phase": "finished"}


def test_a_second_start_adopts_the_running_agent(make_run: Callable[..., Path]) -> None:
    folder = make_run(**LONG)
    first = control.start(folder)
    wait(folder, running)
    second = control.start(folder)
    assert (second["pid"], second["adopted"]) == (first["pid"], True)


def test_stop_ends_the_cell_and_start_continues(make_run: Callable[..., Path]) -> None:
    folder = make_run(**LONG)
    control.start(folder)
    wait(folder, running)
    pid = processes.alive(folder / "toy/SingleStream/performance/cell.pid")
    assert pid
    assert control.stop(folder, 2) is True
    status = standing.read_status(folder)
    assert (status["phase"], status["exit_code"]) == ("stopped", 4)
    assert not (folder / "toy/SingleStream/performance/result.json").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    control.start(folder)
    assert wait(folder, ended)["exit_code"] == 0
    kept = list((folder / "interrupted").iterdir())
    assert [path.name for path in kept] == ["toy-SingleStream-performance-1"], "the broken attempt is kept apart"


def test_two_runs_never_share_a_host(make_run: Callable[..., Path]) -> None:
    first = make_run(**LONG)
    control.start(first)
    wait(first, running)
    second = make_run(run_id="20260102T030405Z-toy-00bb")
    with pytest.raises(NotReadyError, match="busy with the run 20260102T030405Z-toy-00aa"):
        control.start(second)


def test_an_expired_lease_finishes_the_cell_and_no_more(make_run: Callable[..., Path]) -> None:
    folder = make_run(lease_s=0.01)
    control.start(folder)
    status = wait(folder, ended)
    assert (status["phase"], status["exit_code"]) == ("interrupted", 4)
    agent_starts = make_run(lease_s=0)
    control.start(agent_starts)
    assert wait(folder, lambda status: status["phase"] == "finished")["exit_code"] == 0


def test_other_settings_under_the_same_run_id_are_refused(make_run: Callable[..., Path]) -> None:
    folder = make_run(modes=["accuracy"])
    control.start(folder)
    wait(folder, ended)
    make_run(modes=["accuracy"], query_count=8)
    with pytest.raises(InputError, match="planned with other settings"):
        control.start(folder)


def test_a_failing_model_ends_the_cell_with_its_error(make_run: Callable[..., Path], store: Any) -> None:
    entry = store.find("model", "toy-square")
    model = entry.path / "model.onnx"
    before = model.stat()
    model.chmod(0o644)
    model.write_bytes(b"x" * before.st_size)
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))  # damage that only reading the file can show
    folder = make_run(modes=["performance"])
    control.start(folder)
    status = wait(folder, ended)
    assert status["exit_code"] == 2
    assert status["cells"][0]["state"] == "failed"
    assert "cannot load" in status["cells"][0]["reasons"][0]
    explained = status["cells"][0]["failure"]
    assert (explained["class"], explained["host"], explained["cell"]) == ("model", "here", "toy/Offline/performance")
    assert explained["command"].endswith("-m loadfleet cell run cell.json")
    assert any("cannot load" in line for line in explained["lines"])
    assert explained["fix"]
    cell = folder / "toy/Offline/performance"
    assert explained["replay"] == str(cell / "replay.sh")
    assert json.loads((cell / "error.json").read_text()) == {"schema_version": 1, **explained}


@pytest.mark.parametrize(
    ("prefix", "kind", "words"),
    [
        ("sh -c 'kill -9 $$'", "environment", "killed (SIGKILL)"),
        ("sh -c 'kill -11 $$'", "unknown", "crashed (SIGSEGV)"),
        ("sh -c 'kill -15 $$'", "interrupted", "ended from outside (SIGTERM)"),
        ("sh -c 'echo cp: No space left on device >&2; exit 7'", "environment", "No space left on device"),
        ("sh -c 'echo what; exit 7'", "unknown", "ended with status 7"),
    ],
)
def test_a_cell_that_could_not_say_why_is_explained_by_how_it_ended(
    make_run: Callable[..., Path], prefix: str, kind: str, words: str
) -> None:
    folder = make_run(modes=["performance"], run_prefix=prefix)
    control.start(folder)
    (cell,) = wait(folder, ended)["cells"]
    assert (cell["state"], cell["failure"]["class"]) == ("failed", kind)
    assert words in cell["failure"]["error"]
    assert cell["failure"]["command"].startswith(prefix[:8])


def test_a_cell_that_takes_too_long_says_which_limit_it_met(make_run: Callable[..., Path]) -> None:
    folder = make_run(modes=["performance"], run_prefix="sh -c 'sleep 60' --", timeout_s=0.5)
    control.start(folder)
    (cell,) = wait(folder, ended)["cells"]
    assert cell["failure"]["class"] == "timeout"
    assert cell["reasons"] == ["ended after 0.5 s, the limit of benchmark_cell_timeout_s"]


def test_a_cell_that_fails_and_then_runs_forgets_its_failure(make_run: Callable[..., Path], tmp_path: Path) -> None:
    switch = tmp_path / "broken"
    switch.touch()
    prefix = f"sh -c 'test ! -e {switch} && exec \"$@\"' --"
    folder = make_run(modes=["accuracy"], run_prefix=prefix)
    control.start(folder)
    assert wait(folder, ended)["cells"][0]["failure"]["class"] == "unknown"
    switch.unlink()
    control.start(folder)
    (cell,) = wait(folder, lambda status: ended(status) and status["exit_code"] == 0)["cells"]
    assert (cell["state"], cell["failure"]) == ("done", None)


SECRET = "swordfish-4711"


def test_the_value_of_a_secret_reaches_the_cell_and_no_file(make_run: Callable[..., Path]) -> None:
    prefix = 'sh -c \'echo token is $API_TOKEN; test "$API_TOKEN" = swordfish-"4711" && exec "$@"\' --'
    folder = make_run(modes=["accuracy"], run_prefix=prefix, environment={"TOY": "1"}, secret_environment=["API_TOKEN"])
    with pytest.raises(InputError, match="needs API_TOKEN in its environment"):
        control.start(folder)
    control.start(folder, {"API_TOKEN": SECRET, "NOT_ASKED_FOR": "x"})
    assert wait(folder, ended)["exit_code"] == 0, (folder / "toy/Offline/accuracy/stdout.log").read_text()
    texts = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if SECRET.encode() in text]
    assert b"token is ********" in texts[folder / "toy/Offline/accuracy/stdout.log"]
    assert control.start(folder)["adopted"] is True, "a finished run needs no secret"


def test_a_run_file_with_a_secret_is_written_anew_without_it(make_run: Callable[..., Path]) -> None:
    folder = make_run(modes=["performance"], environment={"API_TOKEN": SECRET, "TOY": "1"}, run_prefix="sh -c 'exit 1'")
    control.start(folder)
    wait(folder, ended)
    assert not [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    run = json.loads((folder / "run.json").read_text())
    assert (run["environment"], run["secret_environment"]) == ({"TOY": "1"}, ["API_TOKEN"])


def test_the_replay_script_repeats_the_cell_without_touching_it(make_run: Callable[..., Path]) -> None:
    folder = make_run(
        modes=["accuracy"], run_prefix="env TOY=1", environment={"API_TOKEN": "hush", "OMP_NUM_THREADS": "1"}
    )
    control.start(folder)
    wait(folder, ended)
    cell = folder / "toy/Offline/accuracy"
    script = (cell / "replay.sh").read_text()
    assert "hush" not in script
    assert "OMP_NUM_THREADS=1" in script
    assert "env TOY=1" in script
    before = (cell / "result.json").read_bytes()
    subprocess.run(["sh", str(cell / "replay.sh")], check=True, capture_output=True, timeout=60)
    assert (cell / "result.json").read_bytes() == before
    again = list(cell.parent.glob("accuracy.replay.*"))
    assert [(path / "result.json").exists() for path in again] == [True]
