"""The plain walk: the same checks on a file system that is asked each time, and logs that are read whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.submission.checks import base
from loadfleet.submission.reading.mllog import MARKER, DetailLog
from loadfleet.submission.reading.place import Disk

if TYPE_CHECKING:
    from loadfleet.submission.reading.place import Kind, Place


class PlainDisk(Disk):
    """Nothing is remembered."""

    @property
    def values(self) -> dict[str, Any]:
        return {}

    @values.setter
    def values(self, _: dict[str, Any]) -> None:
        pass

    def kind(self, path: str) -> Kind:
        found = Path(path)
        return "file" if found.is_file() else "folder" if found.is_dir() else "missing"

    def is_link(self, path: str) -> bool:
        return Path(path).is_symlink()

    def entries(self, folder: str) -> list[tuple[str, Kind]]:
        return [(name, self.kind(f"{folder}/{name}")) for name in self.names(folder)]

    def look(self, folder: str, *, remember: bool) -> dict[str, Kind]:
        found: dict[str, Kind] = {}
        for path in Path(folder).iterdir():
            link, kind = path.is_symlink(), self.kind(str(path))
            found[path.name] = "link" if link else "special" if kind == "missing" else kind
        return found

    def names(self, folder: str) -> list[str]:
        found = Path(folder)
        return sorted(path.name for path in found.iterdir()) if found.is_dir() else []

    def read(self, path: str, limit: int = 1 << 62) -> bytes | None:
        found = Path(path)
        return found.read_bytes()[:limit] if found.is_file() else None


def read_detail(path: Path | Place) -> DetailLog:
    """A log as a dictionary of all its values."""
    values: dict[str, Any] = {}
    errors, problem = [], ""
    found = Path(path)
    if not found.is_file():
        return DetailLog({}, problem="cannot be read: No such file or directory")
    for number, line in enumerate(found.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith(MARKER):
            problem = problem or f"line {number} does not begin with {MARKER}"
            continue
        try:
            entry = json.loads(line[len(MARKER) :])
        except ValueError:
            problem = problem or f"line {number} is not a LoadGen entry"
            continue
        values.setdefault(entry["key"], entry["value"])
        if entry["metadata"]["is_error"]:
            errors.append(f"{entry['key']}: {entry['value']}")
    return DetailLog(values, tuple(errors), problem or ("" if values else "is empty"))


def use() -> None:
    """Make checks of this process plain."""
    base.Disk = PlainDisk  # type: ignore[attr-defined]
    base.read_detail = read_detail  # type: ignore[attr-defined]
