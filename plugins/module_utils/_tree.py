# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Brings a tree of logs from one place to another, verified file by file. Private to this collection.

A manifest maps a file's path, relative and with slashes, to {"sha256": ..., "bytes": ...}. Files are read and
written in pieces: accuracy logs have hundreds of megabytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
from typing import IO, Any, Dict, Iterable, List

from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import CHUNK, sha256, sync_folder

Manifest = Dict[str, Dict[str, Any]]

# What a running agent keeps for itself.
SKIPPED = re.compile(r"^(lease|.*\.lock|.*\.pid|\..*)$")


class TreeError(Exception):
    """A tree that does not arrive as it was sent, or must not be written here."""


def names(folder: str) -> List[str]:
    """Relative paths of a tree's regular files. Links are left out: they could lead anywhere."""
    found = []
    for base, folders, entries in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not SKIPPED.match(name) and not os.path.islink(os.path.join(base, name))
        )
        for name in entries:
            path = os.path.join(base, name)
            if not SKIPPED.match(name) and os.path.isfile(path) and not os.path.islink(path):
                found.append(os.path.relpath(path, folder))
    return sorted(found)


def manifest(folder: str) -> Manifest:
    """Digest and size of every file of a tree; {} when there is no such folder."""
    return {
        name: {"sha256": sha256(os.path.join(folder, name)), "bytes": os.path.getsize(os.path.join(folder, name))}
        for name in names(folder)
    }


def differing(have: Manifest, want: Manifest) -> List[str]:
    """Files of `want` that `have` lacks or has otherwise."""
    return [name for name in sorted(want) if have.get(name, {}).get("sha256") != want[name]["sha256"]]


class _Reader(io.RawIOBase):
    """Reads a file and digests what was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self.stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self.stream.read(size)
        self.digest.update(piece)
        return piece


def pack(folder: str, chosen: Iterable[str], archive: str) -> Manifest:
    """Write files of a tree to a gzipped tar (level 1: speed counts more than size).

    Returns:
        The manifest of what was packed. A log that grows meanwhile is packed up to the length it had at first, and its
        digest is that of the packed part.
    """
    packed: Manifest = {}
    with tarfile.open(archive, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar:
        for name in chosen:
            with open(os.path.join(folder, name), "rb") as stream:
                info = tarfile.TarInfo(name)
                info.size, info.mtime = os.fstat(stream.fileno()).st_size, int(os.fstat(stream.fileno()).st_mtime)
                reader = _Reader(stream)
                tar.addfile(info, reader)  # type: ignore[arg-type]
            packed[name] = {"sha256": reader.digest.hexdigest(), "bytes": info.size}
    return packed


def unpack(archive: str, expected: Manifest, folder: str) -> None:
    """Unpack an archive made by `pack` and verify every file.

    Raises:
        TreeError: A member is not a plain file of the manifest, leads out of the folder, or differs from its digest.
    """
    arrived = set()
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            if not member.isfile() or member.name not in expected or not is_inside(member.name):
                raise TreeError("the archive holds %r, which is not in its manifest" % member.name)
            stream = tar.extractfile(member)
            if stream is None:
                raise TreeError("the archive's %r cannot be read" % member.name)
            write(stream, os.path.join(folder, member.name), expected[member.name], member.mtime)
            arrived.add(member.name)
    if arrived != set(expected):
        raise TreeError("the archive lacks %s" % ", ".join(sorted(set(expected) - arrived)))


def copy(source: str, chosen: Iterable[str], folder: str) -> Manifest:
    """Copy files of a tree on one machine, verified on the way."""
    copied: Manifest = {}
    for name in chosen:
        with open(os.path.join(source, name), "rb") as stream:
            size, mtime = os.fstat(stream.fileno()).st_size, os.fstat(stream.fileno()).st_mtime
            reader = _Reader(stream)
            write(reader, os.path.join(folder, name), {"bytes": size}, mtime)
        copied[name] = {"sha256": reader.digest.hexdigest(), "bytes": size}
    return copied


def is_inside(name: str) -> bool:
    """Whether a relative path stays below the folder it is joined to."""
    return not os.path.isabs(name) and os.path.normpath(name) == name and not re.match(r"\.\.?(/|$)", name)


def write(stream: Any, path: str, expected: Dict[str, Any], mtime: float) -> None:
    """Write a stream to a new file up to the expected size, fsync it, and compare its digest where one is expected.

    Raises:
        TreeError: It is shorter, or differs.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    digest, left = hashlib.sha256(), expected["bytes"]
    with open(path, "xb") as out:
        while left > 0:
            piece = stream.read(min(CHUNK, left))
            if not piece:
                raise TreeError("%s ended %d bytes early" % (path, left))
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
        out.flush()
        os.fsync(out.fileno())
    os.utime(path, (mtime, mtime))
    if expected.get("sha256", digest.hexdigest()) != digest.hexdigest():
        raise TreeError("%s arrived damaged: its digest is not that of the host" % path)


def keep(folder: str, chosen: Iterable[str], into: str) -> None:
    """Link (or copy, where links do not work) files of a tree into another."""
    for name in chosen:
        target = os.path.join(into, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.link(os.path.join(folder, name), target)
        except OSError:
            shutil.copy2(os.path.join(folder, name), target)


def is_continued(old: str, new: str) -> bool:
    """Whether the new file begins with the whole content of the old one, as a log does that has grown."""
    if os.path.getsize(new) < os.path.getsize(old):
        return False
    with open(old, "rb") as first, open(new, "rb") as second:
        for piece in iter(lambda: first.read(CHUNK), b""):
            if second.read(len(piece)) != piece:
                return False
    return True


def superseded(old: str, new: str) -> List[str]:
    """Files of the old tree that the new one would lose: gone or different, apart from grown logs and status.json."""
    lost = []
    for name in names(old):
        path = os.path.join(new, name)
        if os.path.basename(name) == "status.json" and os.path.exists(path):
            continue
        if not os.path.exists(path) or not is_continued(os.path.join(old, name), path):
            lost.append(name)
    return lost


def sync(folder: str) -> None:
    """Flush the entries of a tree's folders."""
    for base, _folders, _names in os.walk(folder):
        sync_folder(base)
