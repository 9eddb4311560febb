"""The agent: runs the cells of one run on this host, one process each, detached from whoever started it.

It owns the run directory. `status.json` says where it stands, `journal.jsonl` what happened, `lease` how long ago the
controller last looked. A dead controller, a lost connection or a killed agent lose nothing: the next `start` of the
same run waits for a cell that is still running, keeps finished ones and runs what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from loadfleet import backends, choosing, files, hidden, processes
from loadfleet.cell import plan, replay, spec
from loadfleet.cell.wanted import FIND
from loadfleet.choosing import record as choice
from loadfleet.choosing import trial
from loadfleet.errors import InputError, InterruptedRunError, LoadfleetError, NotReadyError
from loadfleet.loadgen import run as loadgen
from loadfleet.results import failure
from loadfleet.tuning import found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEASE_S = 900.0
_GRACE_S = 10.0
_LOOK_S = 0.5
_ATTEMPT_S = 600.0  # of a trial
_START_S = 30.0
FINAL = ("finished", "stopped", "interrupted", "refused")
_STOPPED = "stopped by request; start again to continue"


def start(run_dir: Path, secrets: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Plan the run and see to it that an agent works on it; returns at once.

    Args:
        run_dir: Holds run.json.
        secrets: Environment variables of the cells that are never written down. The agent keeps them in memory, so they
            are needed again by whoever continues the run after its agent has ended.

    Returns:
        `run_id`, `pid` (None when everything is done), `adopted` (True when nothing new was started), `phase`.

    Raises:
        InputError: The run file is wrong; nothing was started.
        NotReadyError: Artefacts are missing, the disk is nearly full, or another run holds this host.
    """
    run, secrets = _without_secrets(run_dir / "run.json", spec.read(run_dir / "run.json", "run"), secrets or {})
    status = read_status(run_dir)
    if pid := working(run_dir):
        _touch(run_dir / "lease")
        return {"run_id": run["run_id"], "pid": pid, "adopted": True, "phase": status.get("phase", "starting")}
    settled = (choice.settled(run, run_dir) or choosing.first(run)) if choosing.wanted(run) else run
    cells = plan.make(settled)
    planned = run_dir / "plan.json"
    if planned.exists() and not files.read_json(planned).get("undecided"):
        before = files.read_json(planned)["cells"]
        if plan.without_found(before) != cells:
            raise InputError(
                f"the run {run['run_id']} was planned with other settings ({planned})",
                fix="give the changed run a benchmark_run_id of its own, or remove it to have one made",
            )
        cells = before  # also what searches had found by then
    else:
        cells = plan.with_found(cells)
    measured = all((run_dir / cell["cell"] / "result.json").exists() for cell in cells)
    if measured and status.get("phase") == "finished":
        return {"run_id": run["run_id"], "pid": None, "adopted": True, "phase": "finished"}
    # An agent that was killed while the last cell ended left no last status: another one has to write it.
    if not measured:
        _check_ready(run, cells, secrets)
    undecided = {"undecided": True} if choosing.wanted(settled) else {}
    files.write_json(planned, {"schema_version": 1, "run_id": run["run_id"], **undecided, "cells": cells})
    if run.get("system"):
        files.write_json(run_dir / "system.json", run["system"])
    _touch(run_dir / "lease")
    (run_dir / "status.json").unlink(missing_ok=True)
    with (run_dir / "agent.log").open("ab") as log:
        agent = subprocess.Popen(
            [sys.executable, "-m", "loadfleet", "agent", "serve", str(run_dir)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, cwd="/", start_new_session=True,
        )  # fmt: skip
    with contextlib.suppress(BrokenPipeError):
        agent.stdin.write(json.dumps(secrets).encode())  # type: ignore[union-attr]
        agent.stdin.close()  # type: ignore[union-attr]
    phase = _await_first_word(run_dir, agent)
    return {"run_id": run["run_id"], "pid": agent.pid, "adopted": False, "phase": phase}


def _check_ready(run: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], secrets: Mapping[str, str]) -> None:
    """Whether all is there that cells need.

    Raises:
        InputError: A secret of their environment is missing.
        NotReadyError: LoadGen, a backend or a device is.
    """
    if lacking := sorted(set(run.get("secret_environment") or []) - set(secrets)):
        raise InputError(
            f"the run {run['run_id']} needs {', '.join(lacking)} in its environment; values of secrets are not kept",
            fix="give benchmark_environment again, or `loadfleet resume RUN --secret NAME=VARIABLE`",
        )
    for name, device in sorted({(cell["backend"]["name"], cell["backend"]["device"]) for cell in cells}):
        backends.load(name).check_device(device)
    loadgen.module()


def _without_secrets(
    path: Path, run: dict[str, Any], given: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The run without the values of secrets, and those values. A run file that holds some is written anew."""
    public, found = hidden.split(run.get("environment") or {})
    secrets = {**found, **given}
    names = sorted({*(run.get("secret_environment") or []), *found})
    if found:
        run = {**run, "environment": public, "secret_environment": names}
        files.write_json(path, run)
    return run, {name: value for name, value in secrets.items() if name in names}


def working(run_dir: Path) -> int | None:
    """The agent's process id while it works; one that has written its last status is waited for."""
    deadline = time.monotonic() + _GRACE_S
    while pid := processes.alive(run_dir / "agent.pid"):
        if read_status(run_dir).get("phase") not in FINAL or time.monotonic() > deadline:
            return pid
        time.sleep(0.05)
    return None


def read_status(run_dir: Path) -> dict[str, Any]:
    """status.json, or an empty mapping while there is none."""
    try:
        status: dict[str, Any] = files.read_json(run_dir / "status.json")
    except (OSError, ValueError):
        return {}
    return status


def stop(run_dir: Path, grace_s: float = _GRACE_S) -> bool:
    """End the agent and the cell that is running; finished cells stay. Returns False when nothing was running.

    Raises:
        InputError: There is no such run directory.
    """
    if not (run_dir / "run.json").exists():
        raise InputError(f"{run_dir} is not a run directory: it has no run.json", fix="name <store>/runs/<run id>")
    agent = processes.alive(run_dir / "agent.pid")
    if agent:
        os.kill(agent, signal.SIGTERM)
        deadline = time.monotonic() + grace_s + 10
        while processes.alive(run_dir / "agent.pid") and time.monotonic() < deadline:
            time.sleep(0.1)
        if pid := processes.alive(run_dir / "agent.pid"):
            processes.end_group(pid, 1.0)
    orphans = [pid for path in run_dir.glob("*/*/*/cell.pid") if (pid := processes.alive(path))]
    for pid in orphans:
        processes.end_group(pid, grace_s)
    if orphans:
        with Agent(run_dir) as late:
            late.finish("stopped", InterruptedRunError.exit_code, _STOPPED)
    return bool(agent or orphans)


def _await_first_word(run_dir: Path, agent: subprocess.Popen[bytes]) -> str:
    """Until the agent has the host or says why it cannot have it."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        status = read_status(run_dir)
        if status.get("phase", "starting") != "starting":
            if status["phase"] == "refused":
                raise NotReadyError(status["message"], fix="wait for that run to end, or stop it")
            return str(status["phase"])
        if agent.poll() is not None:
            tail = (run_dir / "agent.log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            raise NotReadyError(f"the agent ended at once with status {agent.returncode}: {' | '.join(tail)}")
        time.sleep(0.05)
    return "starting"


class Agent:
    """One run's cells, in order.

    Args:
        run_dir: Holds plan.json, made by `start`.
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
        self._cells = [self._entry(cell) for cell in self._plan]

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
        self._status("running", None, "")
        self._journal("agent_started", pid=os.getpid())
        if (code := self._choose()) is not None:
            return code
        for cell, entry in zip(self._plan, self._cells, strict=True):
            if entry["state"] == "done":
                continue
            if self._stopping:
                return self.finish("stopped", InterruptedRunError.exit_code, _STOPPED)
            if self._lease_expired():
                message = f"nobody looked at this run for {self._lease:g} s; start again to continue"
                return self.finish("interrupted", InterruptedRunError.exit_code, message)
            self._run_cell(cell, entry)
        if self._stopping and any(entry["state"] != "done" for entry in self._cells):
            return self.finish("stopped", InterruptedRunError.exit_code, _STOPPED)
        code = max((entry["exit_code"] or 0) for entry in self._cells)
        return self.finish("finished", code, "")

    def finish(self, phase: str, code: int, message: str) -> int:
        """Write the last status and the journal's last line."""
        self._journal("agent_finished", phase=phase, exit_code=code)
        self._status(phase, code, message)
        return code

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
            self._cells = [self._entry(cell) for cell in self._plan]
            return self.finish("stopped", InterruptedRunError.exit_code, _STOPPED)
        except LoadfleetError as error:
            return self._without_choice(error)
        value = {"schema_version": 1, "run_id": self._run["run_id"], "cells": self._plan}
        files.write_json(self._dir / "plan.json", value)
        self._cells = [self._entry(cell) for cell in self._plan]
        self._journal("chosen", **found["chosen"])
        self._status("running", None, "")
        return None

    def _attempt(self, words: str, command: list[str], folder: Path, cell: Mapping[str, Any]) -> int:
        """A process of a trial; its output is in stdout.log of the folder."""
        if self._stopping:
            raise InterruptedRunError(_STOPPED)
        self._cells[0].update(state="running", detail=f"trial: {words}")
        self._status("running", None, f"choosing what runs the model: {words}")
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
                processes.end_group(child.pid, _GRACE_S)
                child.wait()
                if self._stopping:
                    raise InterruptedRunError(_STOPPED)
            time.sleep(0.05)
        hidden.blot_file(folder / "stdout.log", self._hidden)
        return child.returncode

    def _without_choice(self, error: LoadfleetError) -> int:
        """The run ends: its first cell says why."""
        folder = self._dir / self._plan[0]["cell"]
        folder.mkdir(parents=True, exist_ok=True)
        kind, message, fix = failure.of_error(error, "")
        files.write_json(folder / "error.json", {"schema_version": 1, "class": kind, "error": message, "fix": fix})
        self._cells = [self._entry(cell) for cell in self._plan]
        self._cells[0].update(state="failed", exit_code=error.exit_code)
        return self.finish("finished", error.exit_code, message)

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
                    self._status("refused", NotReadyError.exit_code, f"this host is busy with the run {holder}")
                    return False
                # An orphaned cell of this very run: its end is worth waiting for.
                if self._stopping:
                    return False
                self._status("running", None, "waiting for a cell that is still running")
                time.sleep(_LOOK_S)
            else:
                self._lock.truncate(0)
                self._lock.write(self._run["run_id"] + "\n")
                self._lock.flush()
                # No cell of this run can be alive: it would hold the lock.
                for left in self._dir.glob("*/*/*/cell.pid"):
                    left.unlink()
                self._cells = [self._entry(cell) for cell in self._plan]
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
        self._journal("cell_started", cell=cell["cell"])
        if cell.get("found"):
            self._journal("settings_found", cell=cell["cell"], words=found.words(cell["found"]))
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
        entry.update(self._entry(cell))
        if entry["state"] != "done":
            entry.update(state="pending" if self._stopping else "failed", exit_code=code or NotReadyError.exit_code)
            if not self._stopping:
                self._explain(cell, folder, [*command, "cell.json"], code, late)
                entry.update({key: self._entry(cell)[key] for key in ("reasons", "failure")})
        self._journal("cell_finished", cell=cell["cell"], exit_code=entry["exit_code"], state=entry["state"])
        self._status("running", None, "")

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
            self._status("running", None, "")
            late = time.monotonic() > deadline
            if late:
                entry["reasons"] = [f"ended after {limit_s:g} s, the limit of benchmark_cell_timeout_s"]
            if late or self._stopping:
                processes.end_group(child.pid, _GRACE_S)
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
        self._journal("set_aside", folder=str(kept.relative_to(self._dir)))
        return True

    def _blot(self, folder: Path) -> None:
        """Take secrets out of what the cell, or the probes of a search, said."""
        for log in (folder / "stdout.log", *folder.glob("*/stdout.log")):
            hidden.blot_file(log, self._hidden)

    def _entry(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        """A cell's line in status.json, from what is on disk."""
        folder = self._dir / cell["cell"]
        entry: dict[str, Any] = {
            "id": cell["cell"], "state": "pending", "exit_code": None, "progress": 0.0, "detail": "", "verdict": None,
            "reasons": [], "failure": None,
        }  # fmt: skip
        with contextlib.suppress(OSError, ValueError):
            error = files.read_json(folder / "error.json")
            entry.update(
                reasons=[error["error"]],
                failure=failure.Failure.from_dict(error, str(cell["host"]), cell["cell"]).as_dict(),
            )
        try:
            result = files.read_json(folder / "result.json")
        except (OSError, ValueError):
            return entry
        number = result["metric"] or result["accuracy"]
        name = str(number.get("name") or number.get("metric"))
        test = result.get("compliance")
        entry.update(
            state="done",
            exit_code=result["exit_code"],
            progress=1.0,
            detail=f"{name.replace('_', ' ')} {number['value']:,.3f} {number['unit']}"
            + (f", {test['test']} {test['verdict']}" if test else ""),
            verdict=result["validity"]["loadgen"],
            reasons=result["validity"]["reasons"],
            failure=None,
        )
        return entry

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

    def _status(self, phase: str, code: int | None, message: str) -> None:
        status = {
            "schema_version": 1,
            "run_id": self._run["run_id"],
            "phase": phase,
            "pid": os.getpid(),
            "boot_id": processes.boot_id(),
            "updated": round(time.time(), 3),
            "exit_code": code,
            "message": message,
            "cells": self._cells,
        }
        temporary = self._dir / ".status.json.tmp"
        temporary.write_text(json.dumps(status), encoding="utf-8")
        temporary.replace(self._dir / "status.json")

    def _journal(self, event: str, **values: Any) -> None:
        entry = {"t": round(time.time(), 3), "event": event, "boot_id": processes.boot_id(), **values}
        files.append_line(self._dir / "journal.jsonl", json.dumps(entry))

    def _on_stop(self, *_: object) -> None:
        self._stopping = True


def _touch(path: Path) -> None:
    path.touch()
    os.utime(path)
