"""Paths of a submission that is not trusted: every folder is listed once, and nothing outside of it is ever read.

A submission may hold pipes, devices, links that leave it or run in circles, folders without end and files of any size.
Here such things do not exist as files or folders; the check `Names` says what they are.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
Kind = Literal["file", "folder", "link", "special", "missing"]
"""`link`: a link that dangles, runs in a circle or leaves the submission; other links are what they lead to."""

READ_LIMIT = 16 << 20
"""Bytes that are read of a file at most; logs are streamed instead."""
FOLDER_LIMIT = 50_000
"""Entries of a folder that are looked at; nobody submits more in one folder."""
_CACHED_BYTES = 1 << 16
_KEPT_DEPTH = 3  # <division>/<submitter>/results
_REGULAR: Kind = "file"
_FOLDER: Kind = "folder"
_LINK: Kind = "link"
_SPECIAL: Kind = "special"


def open_regular(path: str) -> tuple[int, int]:
    """A descriptor of a regular file and its size in bytes; never waits for the other end of a pipe.

    Raises:
        OSError: It cannot be opened, or it is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return handle, found.st_size


class Disk:
    """What is known of the folders and small files below `root`, an absolute path without links.

    Attributes:
        unreadable: Path -> why the operating system refused to show it.
        values: Path -> what was made of a file.
    """

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.unreadable: dict[str, str] = {}
        self._folders: dict[str, dict[str, Kind]] = {}
        self._links: dict[str, Kind] = {}
        self._contents: dict[str, bytes] = {}
        self.values: dict[str, Any] = {}

    def forget(self) -> None:
        """Drop what was learnt below the folders of submitters: memory does not grow with the submission."""
        self._contents.clear()
        self.values.clear()
        self._links.clear()
        deepest = self.root.count("/") + _KEPT_DEPTH
        self._folders = {path: names for path, names in self._folders.items() if path.count("/") <= deepest}

    def kind(self, path: str) -> Kind:
        """What a path is, links inside the submission followed."""
        folder, _, name = path.rpartition("/")
        names = self._folders.get(folder)
        if names is None:
            if path == self.root:
                return "folder"
            names = self._names(folder)
        raw = names.get(name)
        if raw is None:
            return "missing"
        return self._target(path) if raw == _LINK else raw

    def is_link(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return self._names(folder).get(name) == _LINK

    def look(self, folder: str, *, remember: bool) -> dict[str, Kind]:
        """Name -> what it is itself (`link` for every link), for a path known to be a folder and no link."""
        known = self._folders.get(folder)
        if known is None:
            known = self._list(folder)
            if remember:
                self._folders[folder] = known
        return known

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted; empty when it is missing or unreadable."""
        return sorted(self._names(folder))

    def entries(self, folder: str) -> list[tuple[str, Kind]]:
        """Names in a folder and what they are, sorted; empty when it is missing or unreadable."""
        found = sorted(self._names(folder).items())
        return [(name, self._target(f"{folder}/{name}") if raw == _LINK else raw) for name, raw in found]

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """The first `limit` bytes of a regular file; None when there is none or it cannot be read."""
        known = self._contents.get(path)
        if known is not None:
            return known[:limit]
        if self.kind(path) != "file":
            return None
        try:
            handle, size = open_regular(path)
            try:
                data = _read(handle, min(size, limit))
            finally:
                os.close(handle)
        except OSError as error:
            self.unreadable[path] = str(error.strerror)
            return None
        if len(data) < min(limit, _CACHED_BYTES):
            self._contents[path] = data
        return data

    def _names(self, folder: str) -> dict[str, Kind]:
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._list(folder) if self.kind(folder) == "folder" else {}
        return known

    def _list(self, folder: str) -> dict[str, Kind]:
        found: dict[str, Kind] = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    found[entry.name] = (
                        _REGULAR
                        if entry.is_file(follow_symlinks=False)
                        else _FOLDER
                        if entry.is_dir(follow_symlinks=False)
                        else _LINK
                        if entry.is_symlink()
                        else _SPECIAL
                    )
                    if len(found) > FOLDER_LIMIT:
                        break
        except OSError as error:
            self.unreadable[folder] = str(error.strerror)
        return found

    def _target(self, path: str) -> Kind:
        known = self._links.get(path)
        if known is None:
            known = self._links[path] = self._follow(path)
        return known

    def _follow(self, path: str) -> Kind:
        target = os.path.realpath(path)
        if target != self.root and not target.startswith(self.root + "/"):
            return "link"
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - strings, and a link's target is meant
        except (OSError, ValueError):
            return "link"
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "special"


class Place:
    """A path of a submission with the part of pathlib's interface that checks need."""

    __slots__ = ("disk", "path")

    def __init__(self, disk: Disk, path: str) -> None:
        self.disk = disk
        self.path = path

    def __truediv__(self, name: str) -> Place:
        return Place(self.disk, f"{self.path}/{name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __lt__(self, other: Place) -> bool:
        return self.path < other.path

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"Place({self.path!r})"

    def __fspath__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """As in pathlib: `.json`, empty for `.hidden` and `name`."""
        name = self.name
        dot = name.rfind(".")
        return name[dot:] if 0 < dot < len(name) - 1 else ""

    @property
    def stem(self) -> str:
        suffix = self.suffix
        return self.name[: -len(suffix)] if suffix else self.name

    @property
    def parent(self) -> Place:
        return Place(self.disk, self.path.rpartition("/")[0])

    @property
    def relative(self) -> str:
        """The path below the submission's root, `.` for the root."""
        return self.path[len(self.disk.root) + 1 :] or "."

    def with_name(self, name: str) -> Place:
        return self.parent / name

    def exists(self) -> bool:
        return self.disk.kind(self.path) not in {"missing", "link"}

    def is_file(self) -> bool:
        return self.disk.kind(self.path) == "file"

    def is_dir(self) -> bool:
        return self.disk.kind(self.path) == "folder"

    def is_symlink(self) -> bool:
        return self.disk.is_link(self.path)

    def stat(self) -> os.stat_result:
        """Of what a link leads to; for files and folders that exist here.

        Raises:
            OSError: It is gone, or cannot be looked at.
        """
        return os.stat(self.path)  # noqa: PTH116

    def readlink(self) -> str:
        return os.readlink(self.path)  # noqa: PTH115

    def iterdir(self) -> Iterator[Place]:
        """Entries of a folder, sorted; none when it is missing or unreadable."""
        return (self / name for name in self.disk.names(self.path))

    def entries(self) -> list[tuple[Place, Kind]]:
        """Like `iterdir`, with what each is."""
        return [(self / name, kind) for name, kind in self.disk.entries(self.path)]

    def remembered(self, function: Callable[[Place], T]) -> T:
        """What a function of this path says, asked once; for one function of a path, and small answers."""
        values = self.disk.values
        if self.path not in values:
            values[self.path] = function(self)
        found: T = values[self.path]
        return found

    def read_bytes(self, limit: int = READ_LIMIT) -> bytes | None:
        """The beginning of a regular file; None when there is none or it cannot be read."""
        return self.disk.read(self.path, limit)


def _read(handle: int, size: int) -> bytes:
    data = os.read(handle, size)
    if len(data) == size or not data:
        return data
    pieces, left = [data], size - len(data)
    while left > 0 and (piece := os.read(handle, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
