"""Looking on at an agent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from loadfleet.cell import standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG = {"modes": ["performance"], "scenarios": ["SingleStream"], "query_count": 150_000}  # some seconds


def wait(folder: Path, wanted: Callable[[dict[str, Any]], bool], limit_s: float = 90) -> dict[str, Any]:
    """The first status that is as wanted."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        status = standing.read_status(folder)
        if status and wanted(status):
            return status
        time.sleep(0.05)
    log = (folder / "agent.log").read_text()
    raise AssertionError(f"still {standing.read_status(folder)}\n{log}")


def ended(status: dict[str, Any]) -> bool:
    return status["phase"] in {"finished", "stopped", "interrupted"}


def running(status: dict[str, Any]) -> bool:
    return any(cell["state"] == "running" and "left" in cell["detail"] for cell in status["cells"])
