"""The cells of results folders: what a submission is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.files import read_json
from loadfleet.submission.reading.mllog import read_detail
from loadfleet.submission.reading.place import Disk, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from loadfleet.submission.reading.mllog import DetailLog

# <run>/<host>/<workload>/<Scenario>/<mode>/result.json, seen from a run folder and from a host folder
_PATTERNS = ("*/*/*/*/result.json", "*/*/*/result.json")
_REQUIRED = ("run_id", "host", "cell", "workload", "scenario", "mode", "model", "validity")


@dataclass(frozen=True)
class Cell:
    """One LoadGen run that came home: its folder, its result.json, its host's system.json and its run.json."""

    folder: Path
    result: Mapping[str, Any]
    system: Mapping[str, Any]
    run: Mapping[str, Any]

    @property
    def run_id(self) -> str:
        return str(self.result["run_id"])

    @property
    def host(self) -> str:
        return str(self.result["host"])

    @property
    def name(self) -> str:
        """`bert/Offline/performance`."""
        return str(self.result["cell"])

    @property
    def scenario(self) -> str:
        return str(self.result["scenario"])

    @property
    def mode(self) -> str:
        return str(self.result["mode"])

    @property
    def model(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.result["model"]
        return found

    @property
    def system_digest(self) -> str:
        """What tells systems apart; a host that was not measured is like no other."""
        digest = str(self.system.get("digest") or "")
        return digest if digest.strip("0") not in {"", "sha256:"} else f"host:{self.host}"

    def detail(self) -> DetailLog:
        """LoadGen's detail log, read anew."""
        folder = Place(Disk(self.folder), os.path.realpath(self.folder))
        return read_detail(folder / "mlperf_log_detail.txt")

    @property
    def finished(self) -> str:
        return str((self.result.get("time") or {}).get("finished", ""))

    def reasons(self, round_name: str) -> list[str]:
        """Why this cell cannot be submitted to a round, in words; empty when it can."""
        validity = self.result["validity"]
        reasons = [str(reason) for reason in validity.get("reasons") or []]
        if not reasons and validity.get("loadgen") == "INVALID":
            reasons.append("LoadGen says INVALID")
        if not reasons and validity.get("execution") != "valid":
            reasons.append(f"execution is {validity.get('execution')}: the round's minimums were lowered")
        if not reasons and not validity.get("submittable"):
            reasons.append("marked not submittable")
        if self.result.get("exit_code"):
            reasons.append(f"the run ended with exit code {self.result['exit_code']}")
        if self.result.get("round") not in (None, round_name):
            reasons.append(f"measured with the seeds of {self.result['round']}, not {round_name}")
        return list(dict.fromkeys(reasons))


@dataclass
class Found:
    """Cells of some results folders, and what could not be read: (path below the results, reason)."""

    cells: list[Cell] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def find(folders: Iterable[Path]) -> Found:
    """All cells below run folders (or host folders), sorted by run, host and cell.

    Raises:
        InputError: A folder does not exist, or holds no result at all.
    """
    found = Found()
    folders, roots = list(folders), []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"there is no results folder {folder}", fix="name the folder of a run: results/<run id>")
        if folder.resolve() not in roots:
            roots.append(folder.resolve())
    for root in roots:
        paths = {path for pattern in _PATTERNS for path in root.glob(pattern)}
        if not paths and len(roots) > 1:
            # Left out without a word, a run whose logs are not home yet would be missed after the deadline only.
            raise InputError(
                f"nothing to submit of {root}: no result.json below it",
                fix=f"bring its logs home (playbooks/collect.yml -e benchmark_run_id={root.name}), or do not name it",
            )
        for path in sorted(paths):
            # What replay.sh made beside a cell is no part of the run.
            if ".replay." not in path.parent.name:
                _add(found, root, path)
    found.cells.sort(key=lambda cell: (cell.run_id, cell.host, cell.name))
    if not found.cells:
        why = "".join(f"; {path}: {reason}" for path, reason in found.unreadable[:3])
        raise InputError(
            f"nothing to submit: no result.json below {', '.join(str(folder) for folder in folders)}{why}",
            fix="run a benchmark first, and name its folder: results/<run id>",
        )
    return found


def _add(found: Found, root: Path, path: Path) -> None:
    relative = str(path.relative_to(root.parent))
    try:
        result = read_json(path)
    except (OSError, ValueError) as error:
        found.unreadable.append((relative, f"not JSON: {error}"))
        return
    missing = [key for key in _REQUIRED if not isinstance(result, dict) or key not in result]
    if missing:
        found.unreadable.append((relative, f"lacks {', '.join(missing)}"))
        return
    if not isinstance(result["model"], dict) or not isinstance(result["validity"], dict):
        found.unreadable.append((relative, "model and validity must be objects"))
        return
    host = path.parents[3]
    run = _optional(host / "run.json") or _optional(host.parent / "run.json")
    system = _optional(host / "system.json") or run.get("system") or {}
    if not isinstance(system, dict) or not isinstance(system.get("description"), dict):
        found.unreadable.append((relative, f"{host.name}/system.json is missing or has no description"))
        return
    found.cells.append(Cell(path.parent, result, system, run))


def _optional(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
