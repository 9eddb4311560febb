# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Files written whole or not at all, and digests in constant memory. Private to this collection."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from typing import Any, Iterator

CHUNK = 1 << 20


def expand(path: str) -> str:
    """An absolute path, with ~ and environment variables of the account that runs this resolved."""
    return os.path.abspath(os.path.expanduser(os.path.expandvars(path)))


def existing_parent(path: str) -> str:
    """The path itself or the nearest folder above it that exists."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def sha256(path: str) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for piece in iter(lambda: stream.read(CHUNK), b""):
            digest.update(piece)
    return digest.hexdigest()


def write_json(path: str, value: Any, mode: int = 0o644) -> None:
    """Replace a file by JSON text: temporary name in the same folder, fsync, rename."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix="." + os.path.basename(path) + ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(value, stream, indent=2, ensure_ascii=False)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def read_json(path: str) -> Any:
    """The JSON value of a file, or None when it is missing or not JSON."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def sync_folder(folder: str) -> None:
    """Flush one folder's entries, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def point(link: str, target: str) -> None:
    """Make a relative symbolic link, replacing an older one at once."""
    if os.path.islink(link) and os.readlink(link) == target:
        return
    temporary = "%s.%d.tmp" % (link, os.getpid())
    os.symlink(target, temporary)
    os.replace(temporary, link)


@contextlib.contextmanager
def locked(path: str, patience: float) -> Iterator[None]:
    """Hold an exclusive lock on a file; it is let go when the process ends, however it ends.

    Raises:
        TimeoutError: Another process kept it longer than `patience` seconds.
    """
    deadline = time.monotonic() + patience
    with open(path, "a", encoding="utf-8") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise TimeoutError("another process holds %s for more than %d seconds" % (path, patience)) from None
                time.sleep(0.2)
        yield
