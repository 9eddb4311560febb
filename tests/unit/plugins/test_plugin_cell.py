"""Watching a run: what is printed, when it ends, and what is believed of a silent agent."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.loadfleet.mlperf.plugins.action import cell
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._progress import Progress, pause

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def status(phase: str = "running", state: str = "running", progress: float = 0.0, **more: Any) -> dict[str, Any]:
    entry = {"id": "bert/Offline/performance", "state": state, "progress": progress, "detail": "", "exit_code": None}
    return {"phase": phase, "exit_code": None, "cells": [dict(entry, **more)]}


def test_a_cell_speaks_when_it_starts_advances_and_ends() -> None:
    progress = Progress("sut1")
    assert progress.lines(status(state="pending"), 0) == []
    assert len(progress.lines(status(progress=0.0), 0)) == 1
    assert progress.lines(status(progress=0.04), 5) == []
    (line,) = progress.lines(status(progress=0.43, detail="2,151 of 5,000 samples, 48.1 samples/s, 2 min left"), 10)
    assert (
        re.sub(" +", " ", line)
        == "sut1 bert/Offline/performance 43 % 2,151 of 5,000 samples, 48.1 samples/s, 2 min left"
    )
    assert progress.lines(status(progress=0.44), 15) == []
    assert len(progress.lines(status(progress=0.45), 80)) == 1  # little, but silent for over a minute
    assert progress.lines(status(progress=0.45), 200) == []  # nothing new, nothing said
    (end,) = progress.lines(status(state="done", progress=1.0, verdict="INVALID", reasons=["too short"]), 210)
    assert "INVALID (too short)" in end
    assert progress.lines(status(state="done", progress=1.0, verdict="INVALID"), 215) == []


def test_pauses_grow_with_the_run_up_to_half_a_minute() -> None:
    assert pause(5, 0) == 5
    assert pause(5, 600) == 15
    assert pause(5, 36000) == 30
    assert pause(0.1, 0) == 0.1


class Clock:
    """time, without waiting."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Watched(cell.ActionModule):
    """An action that looks at a script instead of a host; the last entry repeats."""

    def __init__(self, looks: list[Any]) -> None:
        self.looks = looks
        self.resets = 0

    def _look(self, folder: str) -> tuple[dict[str, Any], bool]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def _reset(self) -> None:
        self.resets += 1


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(cell, "time", Clock())
    monkeypatch.setattr(cell.display, "display", lines.append)
    return lines


def watch(looks: list[Any], **args: Any) -> tuple[dict[str, Any], Watched]:
    action = Watched(looks)
    return action._watch({"run_dir": "/run"}, {"run_id": "20261122T003500Z-bert-3f9a", **args}, "sut1"), action


def test_a_run_is_watched_to_its_end(printed: list[str]) -> None:
    end = dict(status("finished", "done", 1.0, verdict="VALID", exit_code=0), exit_code=0)
    result, _ = watch([({}, True), (status(progress=0.2), True), (end, False)])
    assert (result["phase"], result["rc"]) == ("finished", 0)
    assert result["cells"][0]["verdict"] == "VALID"
    assert len(printed) == 2


def test_short_losses_of_the_connection_are_survived(printed: list[str]) -> None:
    lost = AnsibleConnectionFailure("gone")
    end = dict(status("finished", "done"), exit_code=0)
    result, action = watch([(status(), True), lost, lost, lost, (end, False)])
    assert result["rc"] == 0
    assert action.resets == 3
    assert sum("out of reach" in line for line in printed) == 3


def test_a_host_that_stays_away_ends_the_watch(printed: list[str]) -> None:
    result, _ = watch([(status(), True), AnsibleConnectionFailure("no route to host")], reconnect_timeout=60)
    assert result["rc"] == 4
    assert "no route to host" in result["msg"]
    assert "benchmark_run_id=20261122T003500Z-bert-3f9a" in result["msg"]
    assert printed


@pytest.mark.usefixtures("printed")
def test_an_agent_that_was_killed_is_noticed() -> None:
    result, _ = watch([(status(), True), (status(), False)])
    assert (result["phase"], result["rc"]) == ("interrupted", 4)


@pytest.mark.usefixtures("printed")
def test_one_missed_look_is_no_death() -> None:
    end = dict(status("finished", "done"), exit_code=1)
    result, _ = watch([(status(), False), (status(), True), (status(), False), (end, False)])
    assert (result["phase"], result["rc"]) == ("finished", 1)


@pytest.mark.usefixtures("printed")
def test_the_deadline_ends_the_watch() -> None:
    result, _ = watch([(status(), True)], timeout=100)
    assert (result["phase"], result["rc"]) == ("timeout", 4)
    assert "benchmark_timeout (100 s)" in result["msg"]


def look(folder: Path) -> list[str]:
    done = subprocess.run(["sh", "-c", cell.LOOK % {"folder": folder}], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()


def test_the_look_touches_the_lease_and_tells_life_from_death(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(json.dumps({"pid": os.getpid(), "boot_id": BOOT}))
    *text, boot, life = look(tmp_path)
    assert json.loads("".join(text)) == {"pid": os.getpid(), "boot_id": BOOT}
    assert (boot, life) == (BOOT, "alive")
    assert (tmp_path / "lease").exists()
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    (tmp_path / "status.json").write_text(json.dumps({"pid": zombie.pid}))
    assert look(tmp_path)[-1] == "gone"
    zombie.wait()
    (tmp_path / "status.json").unlink()
    assert look(tmp_path)[-1] == "gone"


def test_complaints_carry_message_fix_and_meaning() -> None:
    out = json.dumps({"schema_version": 1, "error": "no model named 'x'", "fix": "use minilm-squad"})
    assert complaint(2, out, "loadfleet: ...") == "no model named 'x'\n  fix: use minilm-squad (wrong input)"
    assert complaint(3, "", "loadfleet: disk full\n") == "disk full (not ready)"
    assert complaint(9, "", "") == "it said nothing (exit status 9)"


def test_verdicts_name_the_bad_cells_only() -> None:
    cells = [
        {"id": "bert/Offline/accuracy", "exit_code": 0, "verdict": "VALID"},
        {"id": "bert/Offline/performance", "exit_code": 1, "verdict": "INVALID", "reasons": ["too short"]},
    ]
    assert cell.verdicts({"cells": cells}) == "bert/Offline/performance INVALID (too short)"
    assert cell.verdicts({"message": "stopped by request"}) == "stopped by request"
