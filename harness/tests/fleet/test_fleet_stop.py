"""The playbook that a cancel ends with, against a store whose `loadfleet` writes down how it was called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadfleet.fleet import RunRequest, RunResult, run_playbook

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).parents[3]
RUN_ID = "20261122T003500Z-bert-3f9a"


def stop(folder: Path, **changes: object) -> RunResult:
    inventory = folder / "hosts"
    inventory.write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    values: dict[str, object] = {
        "playbook": "stop.yml",
        "inventory": inventory,
        "project_dir": PROJECT,
        "extra_vars": {"store_path": str(folder / "store")},
        "run_id": RUN_ID,
        **changes,
    }
    return run_playbook(RunRequest(**values))  # type: ignore[arg-type]


def store(folder: Path, status: int = 0) -> Path:
    command = folder / "store/venvs/onnxruntime/bin/loadfleet"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\necho "$@" > {folder}/called\necho \'{{"stopped": true}}\'\nexit {status}\n')
    command.chmod(0o755)
    run = folder / "store/runs" / RUN_ID
    run.mkdir(parents=True)
    return run


def test_the_agent_of_the_run_is_told_to_stop(tmp_path: Path) -> None:
    run = store(tmp_path)
    done = stop(tmp_path)
    assert (done.status, done.exit_code) == ("successful", 0)
    assert (tmp_path / "called").read_text() == f"agent stop {run}\n"


def test_a_host_without_the_run_has_nothing_to_stop(tmp_path: Path) -> None:
    assert stop(tmp_path).status == "successful"


def test_an_agent_that_cannot_be_stopped_fails_the_playbook(tmp_path: Path) -> None:
    store(tmp_path, status=3)
    done = stop(tmp_path)
    assert (done.status, done.exit_code) == ("failed", 3)
    assert done.failures[0].task == "End the agent and the cell that runs"


def test_without_a_run_id_it_says_what_is_missing(tmp_path: Path) -> None:
    done = stop(tmp_path, extra_vars={}, run_id="nonsense")
    assert done.status == "failed"
    assert "nonsense" in done.failures[0].message
