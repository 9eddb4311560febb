"""Where a run stands, in its directory: `status.json` for those who look, `journal.jsonl` of what happened."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from loadfleet import files, processes
from loadfleet.results import failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FINAL = ("finished", "stopped", "interrupted", "refused")
"""Phases after which no agent works on a run."""
STOPPED = "stopped by request; start again to continue"


def read_status(run_dir: Path) -> dict[str, Any]:
    """status.json, or an empty mapping while there is none."""
    try:
        status: dict[str, Any] = files.read_json(run_dir / "status.json")
    except (OSError, ValueError):
        return {}
    return status


class Standing:
    """What is said of a run while it goes on.

    Args:
        run_dir: The run's directory.
        cells: Its cells, as planned.

    Attributes:
        cells: A line of status.json for each cell.
    """

    def __init__(self, run_dir: Path, run_id: str, cells: Iterable[Mapping[str, Any]]) -> None:
        self._dir = run_dir
        self._run_id = run_id
        self.look(cells)

    def look(self, cells: Iterable[Mapping[str, Any]]) -> None:
        """Take every cell's line from what is on disk."""
        self.cells = [self.entry(cell) for cell in cells]

    def entry(self, cell: Mapping[str, Any]) -> dict[str, Any]:
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

    def say(self, phase: str, code: int | None = None, message: str = "") -> None:
        """Write status.json."""
        status = {
            "schema_version": 1,
            "run_id": self._run_id,
            "phase": phase,
            "pid": os.getpid(),
            "boot_id": processes.boot_id(),
            "updated": round(time.time(), 3),
            "exit_code": code,
            "message": message,
            "cells": self.cells,
        }
        temporary = self._dir / ".status.json.tmp"
        temporary.write_text(json.dumps(status), encoding="utf-8")
        temporary.replace(self._dir / "status.json")

    def note(self, event: str, **values: Any) -> None:
        """Add a line to the journal."""
        entry = {"t": round(time.time(), 3), "event": event, "boot_id": processes.boot_id(), **values}
        files.append_line(self._dir / "journal.jsonl", json.dumps(entry))

    def finish(self, phase: str, code: int, message: str) -> int:
        """Write the last status and the journal's last line."""
        self.note("agent_finished", phase=phase, exit_code=code)
        self.say(phase, code, message)
        return code
