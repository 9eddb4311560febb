"""What a bundle holds: `manifest.json`, read by whoever applies it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
BOOTSTRAP = "apply.py"
# Folders of an archive: wheels, the clone, and files of the store by kind and entry.
WHEELHOUSE, PROJECT, ARTIFACTS = "wheelhouse", "project", "artifacts"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TARGET = re.compile(r"(\.\./)*[^/.][^/]*(/[^/.][^/]*)*")


@dataclass(frozen=True)
class FileItem:
    """A file of the archive.

    Attributes:
        path: Its path in the archive, relative, with slashes.
        size: Bytes.
        sha256: Hexadecimal.
        executable: Whether it may be run.
    """

    path: str
    size: int
    sha256: str
    executable: bool = False


@dataclass(frozen=True)
class LinkItem:
    """A link of the clone. The archive has none: it is made from this record, and leads to something in the clone."""

    path: str
    target: str


@dataclass(frozen=True)
class ArtifactItem:
    """An entry of the store.

    Attributes:
        kind: As in the catalogue.
        name: As in the catalogue.
        digest: `sha256:...` that names the entry.
        source: Where its files came from, in words.
    """

    kind: str
    name: str
    digest: str
    source: str

    @property
    def folder(self) -> str:
        """Where its files lie in the archive."""
        return f"{ARTIFACTS}/{self.kind}/{self.name}"


@dataclass(frozen=True)
class Manifest:
    """A bundle.

    Attributes:
        created: UTC, ISO 8601 with Z.
        version: Of the harness that made it and that it holds.
        commit: Of the clone, with a word when files differed from it; empty when it is not known.
        workload: Whose models and data sets are in it.
        backend: Whose wheels are in it.
        pythons: Versions the wheels are for.
        platforms: Platform tags the wheels are for; empty for those of the machine that made it.
        artifacts: Entries of the store, inputs before what is built from them.
        files: Every file, by path.
        links: Links of the clone, by path.
    """

    created: str
    version: str
    commit: str
    workload: str
    backend: str
    pythons: tuple[str, ...]
    platforms: tuple[str, ...]
    artifacts: tuple[ArtifactItem, ...]
    files: tuple[FileItem, ...]
    links: tuple[LinkItem, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def below(self, folder: str) -> list[FileItem]:
        """The files in one of the archive's folders."""
        return [file for file in self.files if file.path.startswith(f"{folder}/")]

    def encode(self) -> bytes:
        """The manifest as it stands in the archive."""
        value = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """A manifest that is safe to unpack: every path stays in its folder, and none is there twice.

        Raises:
            InputError: It is not a manifest, of another schema, or has a path that leads out.
        """
        try:
            value = json.loads(data)
            if value["schema_version"] != SCHEMA_VERSION:
                raise InputError(
                    f"the bundle's manifest has schema_version {value['schema_version']!r}, this is {SCHEMA_VERSION}",
                    fix=f"use the bundle's own command: tar -xf BUNDLE {BOOTSTRAP} && python3 {BOOTSTRAP} BUNDLE",
                )
            words = ("created", "version", "commit", "workload", "backend")
            manifest = cls(
                **{name: str(value[name]) for name in words},
                pythons=tuple(map(str, value["pythons"])),
                platforms=tuple(map(str, value["platforms"])),
                artifacts=tuple(ArtifactItem(**item) for item in value["artifacts"]),
                files=tuple(_file(item) for item in value["files"]),
                links=tuple(LinkItem(**item) for item in value["links"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"the bundle's {MANIFEST} cannot be understood: {type(error).__name__}: {error}", fix=_FETCH_AGAIN
            ) from error
        manifest._refuse_unsafe()
        return manifest

    def _refuse_unsafe(self) -> None:
        seen: set[str] = set()
        folders = {f"{WHEELHOUSE}/", f"{PROJECT}/", *(f"{item.folder}/" for item in self.artifacts)}
        for path in [*(file.path for file in self.files), *(link.path for link in self.links)]:
            if not is_inside(path) or (path != BOOTSTRAP and not any(path.startswith(each) for each in folders)):
                raise InputError(
                    f"the bundle's manifest has the path {path!r}, which leads out of it", fix=_FETCH_AGAIN
                )
            if path in seen:
                raise InputError(f"the bundle's manifest has {path} twice", fix=_FETCH_AGAIN)
            seen.add(path)
        for link in self.links:
            through = next((path for path in seen if path.startswith(f"{link.path}/")), None)
            if through is not None:
                raise InputError(f"the bundle's {through} would go through the link {link.path}", fix=_FETCH_AGAIN)
            ups = link.target.count("../")
            depth = len(PurePosixPath(link.path).parts) - 2  # folders between the clone and the link
            if not _TARGET.fullmatch(link.target) or ups > depth or not link.path.startswith(f"{PROJECT}/"):
                raise InputError(f"the bundle's link {link.path} leads out of it, to {link.target}", fix=_FETCH_AGAIN)


_FETCH_AGAIN = "copy the bundle again from where it was made, and compare its sha256sum"


def is_inside(path: str) -> bool:
    """Whether a relative path with slashes is in its plainest form and stays below the folder it is joined to."""
    parts = PurePosixPath(path).parts
    plain = bool(parts) and "/".join(parts) == path and not path.startswith("/")
    return plain and ".." not in parts and "." not in parts and "\0" not in path and "\\" not in path


def _file(item: Mapping[str, Any]) -> FileItem:
    file = FileItem(**item)
    sound = isinstance(file.path, str) and isinstance(file.size, int) and file.size >= 0
    if not sound or not isinstance(file.executable, bool) or not _SHA256.fullmatch(file.sha256):
        raise ValueError(f"file {file.path!r} has size {file.size!r}, sha256 {file.sha256!r}")
    return file
