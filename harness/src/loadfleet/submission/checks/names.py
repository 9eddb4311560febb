"""Names, links, sizes and kinds of all that lies below a submitter, wherever it lies."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, ClassVar

from loadfleet.submission.checks.base import Check, Finding, Model, Submitter, unreadable
from loadfleet.submission.reading.place import FOLDER_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.submission.reading.place import Place

_DEEPEST = 100  # folders below the submitter; the deepest sources of published submissions have about twenty


class Names(Check):
    """No empty folder, odd name, byte code, bad link, pipe, device, huge file or endless folder, anywhere.

    What lies below the folder of a model is left to NamesOfModel, which learns it together with other checks.
    """

    family: ClassVar[str] = "names"
    over: ClassVar[type] = Submitter
    remember: ClassVar[bool] = False  # there may be any number of folders

    def findings(self, subject: Submitter | Model) -> Iterator[Finding]:
        models = self._models(subject)
        waiting = [(subject.folder, 0)]
        while waiting:
            folder, depth = waiting.pop()
            if folder.path in models:
                continue
            below: list[Place] = []
            yield from self._folder(folder, below)
            if below and depth == _DEEPEST:
                yield self.error(folder, f"folders are nested {_DEEPEST} deep at most", "flatten them")
            else:
                waiting += [(path, depth + 1) for path in reversed(below)]

    def _models(self, subject: Any) -> set[str]:
        return {model.folder.path for system in subject.systems for model in system.models}

    def _folder(self, folder: Place, below: list[Place]) -> Iterator[Finding]:
        disk, limit = folder.disk, self.submission.rules.layout.file_max_bytes
        entries = disk.look(folder.path, remember=self.remember)
        if not entries:
            reason = disk.unreadable.pop(folder.path, None)
            if reason is None:
                yield self.error(folder, "no folder may be empty", "remove it or add what belongs there")
            else:
                yield unreadable(self, folder, OSError(0, reason))
        if len(entries) > FOLDER_LIMIT:
            yield self.error(folder, f"a folder holds {FOLDER_LIMIT:,} entries at most", "pack or remove them")
        for name, kind in sorted(entries.items()):
            if name[0] == "." or not name.isprintable() or " " in name or name == "__pycache__":
                yield from self._name(folder / name)
            if kind == "folder":
                below.append(folder / name)
            elif kind == "link":
                yield from self._link(folder / name)
            else:
                found = os.lstat(f"{folder.path}/{name}")
                if kind == "special":
                    mode = stat.filemode(found.st_mode)
                    yield self.error(folder / name, "a submission holds files and folders only", "remove it", mode)
                elif found.st_size > limit:
                    size = found.st_size
                    yield self.error(folder / name, f"no file may exceed {limit >> 20} MiB", "remove or split it", size)

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


class NamesOfModel(Names):
    """The same, below the folder of a model."""

    over: ClassVar[type] = Model
    remember: ClassVar[bool] = True

    def _models(self, _: Any) -> set[str]:
        return set()
