"""The agent: runs the cells of one run on this host, one process each, detached from whoever started it.

It owns the run directory; `lease` there says how long ago the controller last looked. A dead controller, a lost
connection or a killed agent lose nothing: the next agent of the same run waits for a cell that is still running, keeps
finished ones and runs what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from loadfleet import files, hidden, processes
from loadfleet.cell import plan, replay, spec
from loadfleet.cell.standing import STOPPED, Standing
from loadfleet.cell.wanted import FIND
from loadfleet.choosing import record as choice
from loadfleet.choosing import trial
from loadfleet.errors import InterruptedRunError, LoadfleetError, NotReadyError
from loadfleet.results import failure
from loadfleet.tuning import found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEASE_S = 900.0
GRACE_S = 10.0
"""For a process to end by itself."""
_LOOK_S = 0.5
_ATTEMPT_S = 600.0  # of a trial


class Agent:
    """One run's cells, in order.

    Args:
        run_dir: Holds plan.json, made by `control.start`.
        secrets: Environment variables of the cells that are kept in memory only.
    """

    def __init__(self, run_dir: Path, secrets: Mapping[str, str] | None = None) -> None:
        self._dir = run_dir
        self._secrets = dict(secrets or {})
        self._hidden = hidden.texts(self._secrets)
        self._run = spec.read(run_dir / "run.json", "run")
        self._plan: list[dict[str, Any]] = files.read_json(run_dir / "plan.json")["cells"]
        lease = self._run.get("lease_s")
        self._lease = LEASE_S if lease is None else lease
        self._stopping = False
        self._lock: IO[str] | None = None
        self._standing = Standing(run_dir, self._run["run_id"], self._plan)

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock:
            self._lock.close()

    def serve(self) -> int:
        """Run what is missing. Returns the exit code of the run."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        processes.record(self._dir / "agent.pid", os.getpid())
        if not self._acquire():
            return NotReadyError.exit_code
        self._standing.say("running")
        self._standing.note("agent_started", pid=os.getpid())
        if (code := self._choose()) is not None:
            return code
        for cell, entry in zip(self._plan, self._standing.cells, strict=True):
            if entry["state"] == "done":
                continue
            if self._stopping:
                return self._standing.finish("stopped", InterruptedRunError.exit_code, STOPPED)
            if self._lease_expired():
                message = f"nobody looked at this run for {self._lease:g} s; start again to continue"
                return self._standing.finish("interrupted", InterruptedRunError.exit_code, message)
            self._run_cell(cell, entry)
        if self._stopping and any(entry["state"] != "done" for entry in self._standing.cells):
            return self._standing.finish("stopped", InterruptedRunError.exit_code, STOPPED)
        code = max((entry["exit_code"] or 0) for entry in self._standing.cells)
        return self._standing.finish("finished", code, "")

    def _choose(self) -> int | None:
        """Where a trial is to choose: try what could run, and plan the cells with the choice.

        Returns:
            The run's exit code when it ends here: nothing runs or keeps the accuracy, or the agent is to stop.
        """
        if not files.read_json(self._dir / "plan.json").get("undecided"):
            return None
        shutil.rmtree(self._dir / "trial", ignore_errors=True)  # of an interrupted trial
        try:
            found = trial.run(self._run, self._dir, self._attempt)
            self._plan = plan.with_found(plan.make(choice.applied(self._run, found)))
        except InterruptedRunError:
            self._standing.look(self._plan)
            return self._standing.finish("stopped", InterruptedRunError.exit_code, STOPPED)
        except LoadfleetError as error:
            return self._without_choice(error)
        value = {"schema_version": 1, "run_id": self._run["run_id"], "cells": self._plan}
        files.write_json(self._dir / "plan.json", value)
        self._standing.look(self._plan)
        self._standing.note("chosen", **found["chosen"])
        self._standing.say("running")
        return None

    def _attempt(self, words: str, command: list[str], folder: Path, cell: Mapping[str, Any]) -> int:
        """A process of a trial; its output is in stdout.log of the folder."""
        if self._stopping:
            raise InterruptedRunError(STOPPED)
        self._standing.cells[0].update(state="running", detail=f"trial: {words}")
        self._standing.say("running", None, f"choosing what runs the model: {words}")
        asked = cell.get("command", {})
        lock = [self._lock.fileno()] if self._lock else []
        with (folder / "stdout.log").open("wb") as log:
            child = subprocess.Popen(
                [*asked.get("prefix", []), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                env={**os.environ, **asked.get("environment", {}), **self._secrets}, start_new_session=True,
                pass_fds=lock,
            )  # fmt: skip
        deadline = time.monotonic() + _ATTEMPT_S
        while child.poll() is None:
            if self._stopping or time.monotonic() > deadline:
                processes.end_group(child.pid, GRACE_S)
                child.wait()
                if self._stopping:
                    raise InterruptedRunError(STOPPED)
            time.sleep(0.05)
        hidden.blot_file(folder / "stdout.log", self._hidden)
        return child.returncode

    def _without_choice(self, error: LoadfleetError) -> int:
        """The run ends: its first cell says why."""
        folder = self._dir / self._plan[0]["cell"]
        folder.mkdir(parents=True, exist_ok=True)
        kind, message, fix = failure.of_error(error, "")
        files.write_json(folder / "error.json", {"schema_version": 1, "class": kind, "error": message, "fix": fix})
        self._standing.look(self._plan)
        self._standing.cells[0].update(state="failed", exit_code=error.exit_code)
        return self._standing.finish("finished", error.exit_code, message)

    def _acquire(self) -> bool:
        """Take this host for the run. The lock is inherited by the cell, so it holds as long as either lives."""
        path = Path(self._run["store_path"]).expanduser() / "locks" / "sut.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.open("a+", encoding="utf-8")
        os.set_inheritable(self._lock.fileno(), True)
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = path.read_text(encoding="utf-8").strip()
                if holder != self._run["run_id"]:
                    self._standing.say("refused", NotReadyError.exit_code, f"this host is busy with the run {holder}")
                    return False
                # An orphaned cell of this very run: its end is worth waiting for.
                if self._stopping:
                    return False
                self._standing.say("running", None, "waiting for a cell that is still running")
                time.sleep(_LOOK_S)
            else:
                self._lock.truncate(0)
                self._lock.write(self._run["run_id"] + "\n")
                self._lock.flush()
                # No cell of this run can be alive: it would hold the lock.
                for left in self._dir.glob("*/*/*/cell.pid"):
                    left.unlink()
                self._standing.look(self._plan)
                return True

    def _run_cell(self, cell: Mapping[str, Any], entry: dict[str, Any]) -> None:
        folder = self._dir / cell["cell"]
        if self._set_aside(folder):
            # The others are long under way: an attempt that is made again starts when it is ready.
            cell = {key: value for key, value in cell.items() if key != "start_at"}
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / "cell.json", cell)
        command = [*cell["command"]["prefix"], sys.executable, "-m", "loadfleet", "cell", "run"]
        extra = {**cell["command"]["environment"], **self._secrets}
        replay.write(folder, command, replay.environment(extra, os.environ))
        self._standing.note("cell_started", cell=cell["cell"])
        if cell.get("found"):
            self._standing.note("settings_found", cell=cell["cell"], words=found.words(cell["found"]))
        lock = [self._lock.fileno()] if self._lock else []
        with (folder / "stdout.log").open("ab") as log:
            child = subprocess.Popen(
                [*command, "cell.json"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                env={**os.environ, **extra}, start_new_session=True, pass_fds=lock,
            )  # fmt: skip
        with contextlib.suppress(ProcessLookupError):
            processes.record(folder / "cell.pid", child.pid)
        entry.update(state="running", reasons=[], failure=None)
        waiting = max(0.0, cell.get("start_at", 0.0) - time.time())
        code = self._watch(child, folder, entry, cell["timeout_s"] + waiting)
        (folder / "cell.pid").unlink(missing_ok=True)
        self._blot(folder)
        late = entry["reasons"]
        entry.update(self._standing.entry(cell))
        if entry["state"] != "done":
            entry.update(state="pending" if self._stopping else "failed", exit_code=code or NotReadyError.exit_code)
            if not self._stopping:
                self._explain(cell, folder, [*command, "cell.json"], code, late)
                entry.update({key: self._standing.entry(cell)[key] for key in ("reasons", "failure")})
        self._standing.note("cell_finished", cell=cell["cell"], exit_code=entry["exit_code"], state=entry["state"])
        self._standing.say("running")

    def _watch(self, child: subprocess.Popen[bytes], folder: Path, entry: dict[str, Any], limit_s: float) -> int:
        deadline = time.monotonic() + limit_s
        while True:
            try:
                return child.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                pass
            try:
                seen = files.read_json(folder / "status.json")
                entry.update(progress=seen["progress"], detail=seen["detail"])
            except (OSError, ValueError, KeyError):
                pass  # not written yet
            self._standing.say("running")
            late = time.monotonic() > deadline
            if late:
                entry["reasons"] = [f"ended after {limit_s:g} s, the limit of benchmark_cell_timeout_s"]
            if late or self._stopping:
                processes.end_group(child.pid, GRACE_S)
                return child.wait()

    def _set_aside(self, folder: Path) -> bool:
        """Keep what an interrupted attempt left beside the run, never mixed with the next attempt's logs.

        Returns:
            Whether there was such an attempt.
        """
        if not folder.exists():
            return False
        if folder.name == FIND and not (folder / "error.json").exists():
            return False  # an interrupted search takes its probes up again; one that failed begins anew
        number = 1
        while (kept := self._dir / "interrupted" / f"{'-'.join(folder.parts[-3:])}-{number}").exists():
            number += 1
        kept.parent.mkdir(exist_ok=True)
        self._blot(folder)
        folder.rename(kept)
        self._standing.note("set_aside", folder=str(kept.relative_to(self._dir)))
        return True

    def _blot(self, folder: Path) -> None:
        """Take secrets out of what the cell, or the probes of a search, said."""
        for log in (folder / "stdout.log", *folder.glob("*/stdout.log")):
            hidden.blot_file(log, self._hidden)

    def _explain(
        self, cell: Mapping[str, Any], folder: Path, command: list[str], code: int, late: Sequence[str]
    ) -> None:
        """Complete what the cell left in error.json, or write it for a cell that could not."""
        try:
            known = files.read_json(folder / "error.json")
        except (OSError, ValueError):
            known = {}
        lines = failure.tail(folder / "stdout.log")
        if late:
            kind, error, fix = "timeout", late[0], failure.fix_of("timeout")
        elif known:
            kind, error, fix = str(known.get("class") or "unknown"), str(known["error"]), str(known.get("fix") or "")
        else:
            kind, error, fix = failure.of_exit(code, lines)
        explained = failure.Failure(
            kind, str(cell["host"]), cell["cell"], error, fix, shlex.join(command), lines, str(folder / "replay.sh")
        )
        value = hidden.blot_value({"schema_version": 1, **explained.as_dict()}, self._hidden)
        files.write_json(folder / "error.json", value)

    def _lease_expired(self) -> bool:
        if not self._lease:
            return False
        try:
            return time.time() - (self._dir / "lease").stat().st_mtime > self._lease
        except OSError:
            return True

    def _on_stop(self, *_: object) -> None:
        self._stopping = True
