"""What uses the entries of a store: runs that read them, entries that were made of them, and when that was."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadfleet import files
from loadfleet.store.entry import ENTRY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from loadfleet.store.entry import StoreEntry

_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Removable:
    """An entry that may go, or all that runs made.

    Attributes:
        label: What `loadfleet cache rm` calls it: kind and name, or an option.
        size: Bytes that its removal frees.
        words: When it was last used, or what it is.
    """

    label: str
    size: int
    words: str


@dataclass
class Use:
    """Who uses an entry.

    Attributes:
        runs: Ids of the runs on this host that read it, oldest first.
        entries: Kind and name of the entries that were made of it.
        last: When it was last asked for or read.
    """

    last: datetime.datetime
    runs: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)


def of(store: Path, entries: Iterable[StoreEntry]) -> dict[Path, Use]:
    """The use of every entry, by its folder; one file is read for each run."""
    found = {entry.path: Use(_asked(entry)) for entry in entries}
    everything = {(entry.kind, entry.name, entry.digest): found[entry.path] for entry in entries}
    for entry in entries:
        for source in entry.requires:
            if use := everything.get((source["kind"], source["name"], source["digest"])):
                use.entries.append(f"{entry.kind} {entry.name}")
    for path in sorted((store / "runs").glob("*/plan.json")):
        run, begun = path.parent.name, _begun(path)
        for each in _read_by(path):
            if (use := everything.get(each)) and begun:
                use.runs.append(run)
                use.last = max(use.last, begun)
    return found


def running(store: Path, use: Use) -> list[str]:
    """Those of an entry's runs that go on now."""
    if not use.runs:
        return []
    from loadfleet.processes import alive  # noqa: PLC0415  psutil is slow to import

    return [run for run in use.runs if alive(store / "runs" / run / "agent.pid")]


def _asked(entry: StoreEntry) -> datetime.datetime:
    """When an entry was made or last ensured: `ensure` touches its `entry.json`."""
    return datetime.datetime.fromtimestamp((entry.path / ENTRY_FILE).stat().st_mtime, datetime.UTC)


def _begun(plan: Path) -> datetime.datetime | None:
    """When a run began, by its id."""
    try:
        begun = datetime.datetime.strptime(plan.parent.name.partition("-")[0], _STAMP)
    except ValueError:
        return None
    return begun.replace(tzinfo=datetime.UTC)


def _read_by(plan: Path) -> set[tuple[str, str, str]]:
    """Kind, name and digest of what the cells of a run read; nothing of a plan that cannot be read."""
    try:
        cells = files.read_json(plan)["cells"]
        return {(kind, cell[kind]["name"], cell[kind]["digest"]) for cell in cells for kind in ("model", "dataset")}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
