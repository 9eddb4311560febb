"""What interrupted downloads and killed processes left in a store."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadfleet.store.entry import StoreEntry
from loadfleet.store.guards import exclusive
from loadfleet.store.layout import PACKAGES, STALE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadfleet.store.layout import Layout

_HIDDEN = re.compile(r"\.(.+)\.\d+\.(?:new|old)")


@dataclass(frozen=True)
class Leftover:
    """A file or folder that is no entry.

    Attributes:
        path: Where it lies.
        size: Bytes.
        what: What it is, in words.
        lock: Name of the lock that whoever works on it holds.
    """

    path: Path
    size: int
    what: str
    lock: str


def of(layout: Layout) -> list[Leftover]:
    """Everything that is left, or that a process is working on now.

    Raises:
        OSError: The store cannot be read.
    """
    return [*_downloads(layout), *_folders(layout)]


def drop(layout: Layout) -> list[Leftover]:
    """Remove what nobody is working on; what was removed.

    Raises:
        OSError: The store cannot be written.
    """
    removed = []
    for each in of(layout):
        with exclusive(layout.locks / f"{each.lock}.lock", None) as mine:
            if mine and each.path.exists():
                if each.path.is_dir():
                    shutil.rmtree(each.path)
                else:
                    each.path.unlink()
                    each.path.with_suffix(".origin").unlink(missing_ok=True)
                removed.append(each)
    return removed


def _downloads(layout: Layout) -> Iterator[Leftover]:
    for path in sorted(layout.downloads.glob("*.part")):
        yield Leftover(path, path.stat().st_size, "a part of a download", path.stem)
    for path in sorted(layout.downloads.glob(f"{PACKAGES}*")):
        if time.time() - path.stat().st_mtime > STALE_S:
            yield Leftover(path, size_of(path), "packages of a killed process", path.name)


def _folders(layout: Layout) -> Iterator[Leftover]:
    for path in sorted(layout.artifacts.glob("*/*/")):
        kind = path.parent.name
        if match := _HIDDEN.fullmatch(path.name):
            yield Leftover(path, size_of(path), "an entry that was not finished", f"{kind}-{match[1]}")
        elif StoreEntry.read(path) is None:
            yield Leftover(path, size_of(path), "a folder without a description", f"{kind}-{path.name}")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())
