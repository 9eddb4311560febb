"""Names, links, sizes and kinds of all that lies below a submitter, wherever it lies."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.base import Check, Finding, Submitter, unreadable
from loadfleet.submission.place import FOLDER_LIMIT, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 100  # folders below the submitter; the deepest sources of published submissions have about twenty


class Names(Check):
    """No empty folder, odd name, byte code, bad link, pipe, device, huge file or endless folder, anywhere."""

    family: ClassVar[str] = "names"
    over: ClassVar[type] = Submitter

    def findings(self, subject: Submitter) -> Iterator[Finding]:
        disk, waiting = subject.folder.disk, [(subject.folder.path, 0)]
        while waiting:
            folder, depth = waiting.pop()
            below: list[str] = []
            try:
                with os.scandir(folder) as entries:
                    yield from self._folder(Place(disk, folder), entries, below)
            except OSError as error:
                yield unreadable(self, Place(disk, folder), error)
            if below and depth == _DEEPEST:
                yield self.error(Place(disk, folder), f"folders are nested {_DEEPEST} deep at most", "flatten them")
            else:
                waiting += [(f"{folder}/{name}", depth + 1) for name in sorted(below, reverse=True)]

    def _folder(self, folder: Place, entries: Iterator[os.DirEntry[str]], below: list[str]) -> Iterator[Finding]:
        number, limit = 0, self.submission.rules.layout.file_max_bytes
        for number, entry in enumerate(entries, start=1):
            if number > FOLDER_LIMIT:
                yield self.error(folder, f"a folder holds {FOLDER_LIMIT:,} entries at most", "pack or remove them")
                return
            name = entry.name
            if name[0] == "." or not name.isprintable() or " " in name or name == "__pycache__":
                yield from self._name(folder / name)
            if entry.is_symlink():
                yield from self._link(folder / name)
            elif entry.is_dir(follow_symlinks=False):
                below.append(name)
            elif not entry.is_file(follow_symlinks=False):
                kind = stat.filemode(entry.stat(follow_symlinks=False).st_mode)
                yield self.error(folder / name, "a submission holds files and folders only", "remove it", kind)
            elif (size := entry.stat(follow_symlinks=False).st_size) > limit:
                yield self.error(folder / name, f"no file may exceed {limit >> 20} MiB", "remove or split it", size)
        if number == 0:
            yield self.error(folder, "no folder may be empty", "remove it or add what belongs there")

    def _name(self, path: Place) -> Iterator[Finding]:
        name = path.name
        if name.startswith("."):
            yield self.error(path, "no name may begin with a dot", "remove it", name)
        if " " in name:
            yield self.error(path, "no name may hold a blank", "rename it", name)
        if name == "__pycache__":
            yield self.error(path, "byte code is not part of a submission", "remove the folder")
        if any("\udc80" <= letter <= "\udcff" for letter in name):
            yield self.error(path, "every name is UTF-8", "rename it", ascii(name)[1:-1])
        elif not name.isprintable():
            yield self.error(path, "no name may hold line breaks or control characters", "rename it", ascii(name)[1:-1])

    def _link(self, path: Place) -> Iterator[Finding]:
        if path.exists():
            # The strict checker looks for a relative target in its own working directory and calls the link broken.
            yield self.error(path, "no link may lie in a submission", "replace it by its file", path.readlink())
            return
        target = path.readlink()
        try:
            os.stat(path.path)  # noqa: PTH116 - the target of a link, out of the submission
        except OSError as error:
            yield self.error(path, "no link may dangle", "replace it by its file", f"{target}: {error.strerror}")
        else:
            yield self.error(path, "no link may leave the submission", "replace it by its file", target)
