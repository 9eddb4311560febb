"""What is done to a run from outside: start or continue it, see whether an agent works on it, stop it.

All of it returns at once and can be asked again: the agent goes on by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from loadfleet import backends, choosing, files, hidden, processes
from loadfleet.cell import plan, spec
from loadfleet.cell.agent import GRACE_S
from loadfleet.cell.standing import FINAL, STOPPED, Standing, read_status
from loadfleet.choosing import record as choice
from loadfleet.errors import InputError, InterruptedRunError, NotReadyError
from loadfleet.loadgen import run as loadgen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_START_S = 30.0


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


def working(run_dir: Path) -> int | None:
    """The agent's process id while it works; one that has written its last status is waited for."""
    deadline = time.monotonic() + GRACE_S
    while pid := processes.alive(run_dir / "agent.pid"):
        if read_status(run_dir).get("phase") not in FINAL or time.monotonic() > deadline:
            return pid
        time.sleep(0.05)
    return None


def stop(run_dir: Path, grace_s: float = GRACE_S) -> bool:
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
        planned = files.read_json(run_dir / "plan.json")
        late = Standing(run_dir, planned["run_id"], planned["cells"])
        late.finish("stopped", InterruptedRunError.exit_code, STOPPED)
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


def _touch(path: Path) -> None:
    path.touch()
    os.utime(path)
