"""A small site: catalogue, clone and wheels of a few kilobytes, and bundles changed on purpose."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from loadfleet.airgap.archive import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

RAW = bytes(range(256)) * 40
Member = tuple[tarfile.TarInfo, bytes]


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, str]) -> None:
    """Makes the data set "prepared"; counts how often."""
    (output / "prepared.bin").write_bytes((inputs["raw"] / "raw.bin").read_bytes()[::-1])
    (output / "words.txt").write_text(parameters["words"])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tree(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def members(bundle: Path) -> list[Member]:
    with tarfile.open(bundle) as tar:
        found = [(each, (tar.extractfile(each) or io.BytesIO()).read()) for each in tar]
    return found[1:]  # without the seal


def resealed(bundle: Path, into: Path, change: Callable[[list[Member]], Any]) -> Path:
    """The bundle with other members and a seal that fits them: what whoever can write the whole file could make."""
    content = members(bundle)
    change(content)
    with into.open("wb") as stream, Writer(stream) as writer:
        for header, data in content:
            writer._tar.addfile(header, io.BytesIO(data))
    return into


def edit_manifest(edit: Callable[[dict[str, Any]], Any]) -> Callable[[list[Member]], None]:
    """A change for `resealed`: the manifest's JSON as `edit` leaves it."""

    def change(content: list[Member]) -> None:
        value = json.loads(content[0][1])
        edit(value)
        data = json.dumps(value).encode()
        content[0][0].size = len(data)
        content[0] = (content[0][0], data)

    return change


def plain(name: str, data: bytes = b"x") -> Member:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    return header, data


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header, b""
