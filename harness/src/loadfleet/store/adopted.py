"""Files that come from elsewhere as a whole entry, compared with what the catalogue declares."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from loadfleet.errors import NotReadyError
from loadfleet.store.entry import FileRecord

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.store.recipe import Recipe


def records(recipe: Recipe, folder: Path) -> tuple[FileRecord, ...]:
    """Hash the files of a folder and compare them with a recipe.

    Raises:
        NotReadyError: A declared file is missing or has another content, or there is one that nobody declared.
    """
    found = {
        name: FileRecord.of(folder, name)
        for name in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    }
    for file in recipe.files:
        record = found.get(file.name)
        if record is None:
            raise NotReadyError(f"{recipe.label} lacks {file.name}", fix=_FIX)
        if file.size not in {None, record.size} or file.sha256 not in {None, record.sha256}:
            raise NotReadyError(
                f"{file.name} of {recipe.label} has {record.size:,} bytes and sha256 {record.sha256}, "
                "which is not what the catalogue declares",
                fix=_FIX,
            )
        if file.sha256 is None and file.md5 is not None:
            with (folder / file.name).open("rb") as stream:
                actual = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if actual != file.md5:
                raise NotReadyError(f"{file.name} of {recipe.label} has md5 {actual}, not {file.md5}", fix=_FIX)
    # A build may write more than the catalogue declares.
    undeclared = sorted(set(found) - {file.name for file in recipe.files})
    if undeclared and recipe.build is None:
        raise NotReadyError(f"{recipe.label} has files that nobody declared: {', '.join(undeclared)}", fix=_FIX)
    return tuple(found.values())


_FIX = "get the entry again from where it was made"
