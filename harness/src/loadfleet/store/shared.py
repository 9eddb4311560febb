"""Entries of a store that many hosts share and nobody here writes: used in place, by links in the own store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.store.entry import FileRecord

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.store.entry import Report, StoreEntry


def usable(entry: StoreEntry, report: Report, *, distrust: bool) -> bool:
    """Whether a shared entry's files are what was recorded; hashed only when size or time say that they may not be.

    Args:
        entry: Of the shared store.
        report: Told what is found.
        distrust: Hash in any case.

    Raises:
        OSError: A file cannot be read.
    """
    if entry.untouched():
        if not distrust:
            return True
    else:
        report(f"{entry.kind} {entry.name}: files of {entry.path} look changed since they were verified; hashing them")
    if problems := entry.problems():
        report(f"{entry.kind} {entry.name}: {entry.path}: {'; '.join(problems)}; not used")
        return False
    return True


def link(entry: StoreEntry, folder: Path) -> tuple[FileRecord, ...]:
    """Make links to the files of a shared entry; their records, with the times that they have here."""
    for record in entry.files:
        place = folder / record.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(entry.path / record.name)
    return tuple(FileRecord.of(folder, record.name, record.sha256) for record in entry.files)
