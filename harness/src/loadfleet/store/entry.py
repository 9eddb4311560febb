"""What the store knows about an artefact on disk: `entry.json` beside its files."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from loadfleet import files

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
ENTRY_FILE = "entry.json"
Report = Callable[[str], None]


@dataclass(frozen=True)
class FileRecord:
    """A file as it was when it was verified.

    Attributes:
        name: Path below the entry's folder.
        sha256: Hexadecimal.
        size: Bytes.
        mtime_ns: Modification time; together with the size it tells, without hashing, that nobody touched the file.
    """

    name: str
    sha256: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, folder: Path, name: str, sha256: str | None = None) -> FileRecord:
        """Record a file that is there; hashes it unless its digest is known."""
        path = folder / name
        status = path.stat()
        return cls(name, sha256 or files.sha256(path), status.st_size, status.st_mtime_ns)

    def untouched(self, folder: Path) -> bool:
        """Whether size and modification time are as recorded."""
        try:
            status = (folder / self.name).stat()
        except FileNotFoundError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True)
class StoreEntry:
    """An artefact of the store.

    Attributes:
        kind: `model` or `dataset`.
        name: Its name in the catalogue.
        path: The folder that holds its files.
        digest: `sha256:...` of its only file, or of the recipe that makes it.
        files: Its files; empty in the answer of a dry run.
        source: Where it came from, in words; in the answer of a dry run where it would be looked for first.
        created: UTC, ISO 8601 with Z.
        recipe: Entry point, version and parameters of the build; None for files taken as they are.
        requires: The entries it was built from: kind, name and digest.
        shared: Folder of the store that its files belong to, where that is another one; they are links then.
        changed: Whether `ensure` had to do something (or, in a dry run, would have to).
    """

    kind: str
    name: str
    path: Path
    digest: str
    files: tuple[FileRecord, ...] = ()
    source: str = ""
    created: str = ""
    recipe: Mapping[str, Any] | None = None
    requires: tuple[Mapping[str, str], ...] = field(default=())
    shared: str | None = None
    changed: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(record.size for record in self.files)

    @property
    def takes(self) -> int:
        """Bytes that its removal frees here."""
        return 0 if self.shared else self.size

    def file(self, name: str | None = None) -> Path:
        """The path of a file; without a name of the only one.

        Raises:
            KeyError: There is no such file, or no name was given and there are several.
        """
        names = [record.name for record in self.files]
        if name is None and len(names) == 1:
            return self.path / names[0]
        if name not in names:
            raise KeyError(f"{self.kind} {self.name} holds {', '.join(names)}, not {name}")
        return self.path / str(name)

    def untouched(self) -> bool:
        """Whether all files are as recorded, by size and modification time."""
        return all(record.untouched(self.path) for record in self.files)

    def problems(self) -> list[str]:
        """Hash every file; what is wrong, in words."""
        found = []
        for record in self.files:
            path = self.path / record.name
            if not path.is_file():
                found.append(f"{record.name} is missing")
            elif (actual := files.sha256(path)) != record.sha256:
                found.append(f"{record.name} has sha256 {actual}, not {record.sha256}")
        return found

    def restamped(self) -> StoreEntry:
        """The same entry with the sizes and times that its files have now; their content was verified by the caller."""
        return replace(self, files=tuple(FileRecord.of(self.path, each.name, each.sha256) for each in self.files))

    def distrusted(self) -> StoreEntry:
        """The same entry with times that no file has, so that it counts as touched."""
        return replace(self, files=tuple(replace(each, mtime_ns=-1) for each in self.files))

    def write(self, folder: Path) -> None:
        """Write `entry.json` into a folder."""
        files.write_json(
            folder / ENTRY_FILE,
            {
                "schema_version": SCHEMA_VERSION,
                "kind": self.kind,
                "name": self.name,
                "digest": self.digest,
                "files": [asdict(record) for record in self.files],
                "source": self.source,
                "created": self.created,
                "recipe": self.recipe,
                "requires": [dict(each) for each in self.requires],
                **({"shared": self.shared} if self.shared else {}),
            },
        )

    @classmethod
    def read(cls, folder: Path) -> StoreEntry | None:
        """The entry of a folder; None when it has none or one that cannot be understood.

        Raises:
            OSError: The folder or its `entry.json` may not be read.
        """
        try:
            data = json.loads((folder / ENTRY_FILE).read_bytes())
            if data["schema_version"] != SCHEMA_VERSION:
                return None
            datetime.datetime.fromisoformat(data["created"])
            return cls(
                kind=str(data["kind"]),
                name=str(data["name"]),
                path=folder,
                digest=str(data["digest"]),
                files=tuple(FileRecord(**record) for record in data["files"]),
                source=str(data["source"]),
                created=str(data["created"]),
                recipe=data["recipe"],
                requires=tuple(data["requires"]),
                shared=data.get("shared"),
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
