"""Processes that outlive their parent: who is alive, and how a whole group is ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil

from loadfleet import files

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Identifies this boot: a process id from another boot means nothing."""
    return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from a later one with the same id."""
    return {"pid": pid, "created": psutil.Process(pid).create_time(), "boot_id": boot_id()}


def record(path: Path, pid: int) -> None:
    """Write a process's identity to a file."""
    files.write_json(path, identity(pid))


def alive(path: Path) -> int | None:
    """The id of the recorded process when it still runs, else None (also when the file is missing or damaged)."""
    try:
        known = files.read_json(path)
        process = psutil.Process(known["pid"])
        same = known["boot_id"] == boot_id() and abs(process.create_time() - known["created"]) < 1.0
        return int(known["pid"]) if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def end_group(pid: int, grace_s: float) -> None:
    """TERM to the process group led by `pid`, KILL to what is left after the grace."""
    for number, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not _group_alive(pid):
                return
            time.sleep(0.05)


def _group_alive(group: int) -> bool:
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
        except (ProcessLookupError, PermissionError):
            continue
    return False
