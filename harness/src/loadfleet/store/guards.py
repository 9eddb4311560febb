"""Locks between processes, disk space, and the operating system's errors in words."""

from __future__ import annotations

import errno
import fcntl
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MARGIN = 64 * 10**6  # bytes left for everybody else
_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
_ADVICE = {
    errno.EACCES: "make the folder writable for this user, or choose another store_path",
    errno.EPERM: "make the folder writable for this user, or choose another store_path",
    errno.EROFS: "mount it writable, or choose another store_path",
    errno.ENOSPC: "free space (`loadfleet cache rm`), or choose another store_path",
    errno.EDQUOT: "free space (`loadfleet cache rm`), or choose another store_path",
    errno.ENOTDIR: "choose another store_path",
    errno.EEXIST: "choose another store_path",
}


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None] | None) -> Iterator[bool]:
    """Hold a lock file against other processes and threads; `waiting` is called once when somebody else has it.

    Without `waiting` nobody waits: the block is told whether it has the lock.

    The kernel frees the lock when its holder dies, so there is no stale lock; the file stays, since removing it would
    let two processes lock two files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                yield False
                return
            waiting()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield True


def require_space(folder: Path, needed: int) -> None:
    """Refuse early what cannot end well.

    Raises:
        NotReadyError: The file system of `folder` has fewer free bytes than needed, with a margin.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN:
        raise NotReadyError(
            f"{folder} has {megabytes(free)} free, {megabytes(needed + MARGIN)} are needed",
            fix=_ADVICE[errno.ENOSPC],
        )


@contextmanager
def words_for_errors(store: Path) -> Iterator[None]:
    """Turn the operating system's errors about the store into NotReadyError."""
    try:
        yield
    except OSError as error:
        where = error.filename or store
        raise NotReadyError(
            f"the store {store} cannot be used: {where}: {error.strerror or error}",
            fix=_ADVICE.get(error.errno or 0, "see the store's folder"),
        ) from error


def megabytes(count: int) -> str:
    """Bytes as people compare them: in megabytes, unless that is far too small or large a unit."""
    for unit, least in (("GB", 10**10), ("MB", 10**5), ("kB", 10**3)):
        if count >= least:
            return f"{count / _UNITS[unit]:,.1f} {unit}"
    return f"{count} B"
