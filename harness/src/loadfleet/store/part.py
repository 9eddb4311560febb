"""A file on its way into the store: `downloads/<checksum>.part`, verified while it is written."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store.entry import Report

CHUNK = 1 << 20
PROGRESS_S = 5.0


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, amount: int, /) -> bytes: ...


class SourceError(Exception):
    """A source did not give the file; the message is the reason, without the source's name.

    Args:
        unreachable: The source could not be talked to, so that asking it for another name is futile.
    """

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


class BrokenTransferError(SourceError):
    """The source stopped in the middle; what came is kept and the transfer can go on."""


class WrongContentError(SourceError):
    """The source has another file; what came of it was removed."""


class Part:
    """The partial file of one checksum. Only its lock's holder may use it.

    Args:
        path: Where it lies; may exist from an earlier attempt.
        checksum: Algorithm and hexadecimal value that the whole file must have.
        size: Bytes of the whole file, where known.
        report: Told how far it is.
        room: Told how many bytes will be written, as soon as that is known; raises when there is no room for them.
    """

    def __init__(
        self,
        path: Path,
        checksum: tuple[str, str],
        size: int | None,
        report: Report,
        room: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.path = path
        self.algorithm, self.expected = checksum
        self.size = size
        self._report = report
        self._room = room

    @property
    def offset(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def finished(self) -> bool:
        """Whether an earlier attempt brought the whole file and ended before it was moved; hashes only if it may be."""
        if self.size is None or self.offset != self.size:
            return False
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, self._digest).hexdigest() == self.expected

    def _digest(self) -> hashlib._Hash:
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    @property
    def _origin(self) -> Path:
        return self.path.with_suffix(".origin")

    def origin(self, url: str) -> str | None:
        """The version of what is there, as the server of `url` named it; None when it came from elsewhere."""
        try:
            kept = self._origin.read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return kept[1] if len(kept) == 2 and kept[0] == url else None

    def note_origin(self, url: str, version: str | None) -> None:
        """Remember which version comes from where, so that no other one is appended to it."""
        if version:
            self._origin.write_text(f"{url}\n{version}\n", encoding="utf-8")
        else:
            self._origin.unlink(missing_ok=True)

    def move(self, place: Path) -> None:
        """Put the finished file where it belongs."""
        shutil.move(self.path, place)
        self._origin.unlink(missing_ok=True)

    def write(self, stream: Readable, *, resume: bool = False, total: int | None = None) -> None:
        """Take a stream to its end, then verify the whole file.

        Args:
            stream: The bytes; read in pieces.
            resume: The stream continues the file at `offset`; otherwise the file starts anew.
            total: Bytes of the whole file as the source announces them; used when `size` is unknown.

        Raises:
            NotReadyError: There is no room for it.
            BrokenTransferError: The stream ended early or failed.
            WrongContentError: Size or digest are wrong.
            OSError: The disk is full or not writable.
        """
        if None not in {self.size, total} and total != self.size:
            raise WrongContentError(f"another file: {total:,} bytes instead of {self.size:,}")
        expected = self.size if self.size is not None else total
        if expected is not None:
            self._room(expected - (self.offset if resume else 0))
        digest = self._digest()
        with self.path.open("ab" if resume else "wb") as output:
            if resume:
                self._hash_what_is_there(digest)
            count, begun, spoke = output.tell(), time.monotonic(), time.monotonic()
            before = count
            while chunk := _read(stream):
                count += len(chunk)
                if expected is not None and count > expected:
                    break
                digest.update(chunk)
                output.write(chunk)
                if time.monotonic() - spoke > PROGRESS_S:
                    spoke = time.monotonic()
                    rate = (count - before) / (spoke - begun) / 1e6
                    share = f" ({100 * count / expected:.0f} %)" if expected else ""
                    self._report(f"  {count / 1e6:,.0f} MB{share}, {rate:.1f} MB/s")
            output.flush()
            os.fsync(output.fileno())
        if expected is not None and count < expected and digest.hexdigest() != self.expected:
            raise BrokenTransferError(f"ended after {count:,} of {expected:,} bytes")
        if expected is not None and count > expected:
            self.drop()
            raise WrongContentError(f"more than the {expected:,} bytes that were expected")
        if digest.hexdigest() != self.expected:
            self.drop()
            raise WrongContentError(f"another file: {self.algorithm} {digest.hexdigest()} instead of {self.expected}")

    def _hash_what_is_there(self, digest: hashlib._Hash) -> None:
        with self.path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)


def _read(stream: Readable) -> bytes:
    """Read on; a source's error is told apart from one of the disk that is written."""
    import http.client  # noqa: PLC0415  only transfers need it
    import zlib  # noqa: PLC0415

    try:
        return stream.read(CHUNK)
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise BrokenTransferError(f"stopped: {error or type(error).__name__}") from error
