"""Files that other tools have downloaded on this host, told by name and size first and by their checksum then."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadfleet.store.recipe import WantedFile

# Where CM, MLC and CK keep what their scripts fetched, below a home folder or below what a variable names.
_CACHES = ("CM/repos/local/cache", "MLC/repos/local/cache", "CK-TOOLS")
_VARIABLES = {"CM_REPOS": ("repos/local/cache", "local/cache"), "MLC_REPOS": ("local/cache",), "CK_TOOLS": ("",)}


def caches() -> list[Path]:
    """The caches of CM, MLC and CK that this user has."""
    places = [Path.home() / name for name in _CACHES]
    for variable, below in _VARIABLES.items():
        if value := os.environ.get(variable):
            places += [Path(value).expanduser() / name for name in below]
    return [place for place in dict.fromkeys(places) if place.is_dir()]


class Elsewhere:
    """Folders whose files may be wanted ones; walked once, when the first file is asked for."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._sizes: dict[int, list[Path]] | None = None
        self._names: dict[str, list[Path]] = {}

    def candidates(self, file: WantedFile) -> list[Path]:
        """Files that may be the wanted one: of its size where that is known, else of its name."""
        if self._sizes is None:
            self._sizes = {}
            for size, path in self._walk():
                self._sizes.setdefault(size, []).append(path)
                self._names.setdefault(path.name, []).append(path)
        found = self._names.get(file.name, []) if file.size is None else self._sizes.get(file.size, [])
        return sorted(found, key=lambda path: (path.name != file.name, str(path)))

    def _walk(self) -> Iterator[tuple[int, Path]]:
        for top in self._folders:
            for folder, _, names in os.walk(top):
                for name in names:
                    path = Path(folder, name)
                    with suppress(OSError):  # a broken link, or nothing for us
                        if path.is_file():
                            yield path.stat().st_size, path
