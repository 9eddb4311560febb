"""Reading archives as streams: zip and wheels, tar with any compression, npm's tarballs, Debian's packages.

Nothing here writes to a disk, and the format is told by content, never by a name. Whoever takes members decides by
`Member.plain` and `Member.safe` what may become a file.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from loadfleet.store.part import Readable

_AR, _AR_HEADER = b"!<arch>\n", 60
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_OPENERS: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
# What reading a damaged archive raises, whoever reads.
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


class ArchiveError(Exception):
    """An archive is damaged, cut off, encrypted or none; the message is the reason, without the archive's name."""


@dataclass(frozen=True)
class Member:
    """What an archive holds at one place.

    Attributes:
        name: Path in the archive, without a leading `./`.
        size: Bytes, as the archive announces them.
        plain: Whether it is a file: no folder, link, device or pipe.
        what: What it is, in words.
        stream: Its bytes, to be read before the next member is asked for.
    """

    name: str
    size: int
    plain: bool
    what: str
    stream: Readable

    @property
    def safe(self) -> bool:
        """Whether its path stays below the folder that it would be unpacked into."""
        path = PurePosixPath(self.name)
        bad = path.is_absolute() or ".." in path.parts or "\\" in self.name or "\0" in self.name
        return bool(path.parts) and not bad

    def read(self) -> bytes:
        """The whole content; for members that fit into memory.

        Raises:
            ArchiveError: The archive is damaged there.
        """
        pieces = []
        with in_words():
            while piece := self.stream.read(1 << 20):
                pieces.append(piece)
        return b"".join(pieces)


def members(path: Path) -> Iterator[Member]:
    """Everything that an archive holds, in its order; of a Debian package its files.

    Raises:
        ArchiveError: It cannot be read to its end.
        OSError: The file cannot be opened.
    """
    with path.open("rb") as stream, ExitStack() as stack:
        start = stream.read(8)
        stream.seek(0)
        with in_words():
            if start.startswith(_ZIPS):
                yield from _zip(stream)
            elif start == _AR:
                yield from _tar(stack.enter_context(_unpacked(_data_of_debian(stream))))
            else:
                yield from _tar(stack.enter_context(_unpacked(stream)))


def _zip(stream: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            link = stat.S_ISLNK(mode)
            what = "a folder" if info.is_dir() else "a link" if link else "a file"
            with archive.open(info) as content:
                yield Member(_plain_name(info.filename), info.file_size, what == "a file", what, content)


def _tar(stream: IO[bytes]) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as archive:
        for info in archive:
            what = next((words for kind, words in _KINDS.items() if getattr(info, kind)()), "a special file")
            content = archive.extractfile(info) if info.isreg() else None
            yield Member(_plain_name(info.name), info.size, info.isreg(), what, content or _Nothing())


_KINDS = {"isreg": "a file", "isdir": "a folder", "issym": "a link", "islnk": "a link", "isdev": "a device"}


class _Nothing:
    """The content of what has none."""

    def read(self, _amount: int, /) -> bytes:
        return b""


class _Window:
    """A part of a file as a stream of its own.

    Args:
        stream: At the first byte.
        size: Bytes.
    """

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._start = stream.tell()
        self._size = size

    def read(self, amount: int = -1) -> bytes:
        left = self._start + self._size - self._stream.tell()
        return self._stream.read(left if amount < 0 else min(amount, left))

    def tell(self) -> int:
        return self._stream.tell() - self._start

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self.tell(), 2: self._size}[whence]
        return self._stream.seek(self._start + base + offset) - self._start


def _data_of_debian(stream: IO[bytes]) -> IO[bytes]:
    """The tar of files inside a Debian package (deb(5)): the member data.tar of an ar archive."""
    stream.read(len(_AR))
    while len(header := stream.read(_AR_HEADER)) == _AR_HEADER:
        name, size = header[:16].decode("ascii", errors="replace").rstrip(" /"), header[48:58].strip()
        if not size.isdigit():
            break
        if name.startswith("data.tar"):
            return _Window(stream, int(size))  # type: ignore[return-value]
        stream.seek(int(size) + int(size) % 2, 1)
    raise ArchiveError("it is no Debian package: it has no data.tar")


@contextmanager
def _unpacked(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """A stream without its compression, told by its first bytes."""
    start = stream.read(6)
    stream.seek(-len(start), 1)
    if start.startswith(_ZSTANDARD):
        with _zstandard(stream) as plain:
            yield plain
        return
    opener = next((one for magic, one in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None:
        yield stream
        return
    with opener(stream) as plain:
        yield plain


@contextmanager
def _zstandard(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Through the command zstd: Python has had no module for it before 3.14."""
    command = shutil.which("zstd")
    if command is None:
        raise ArchiveError("it is compressed with Zstandard; install the command zstd")
    with subprocess.Popen([command, "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        import threading  # noqa: PLC0415  no other archive needs it

        feeder = threading.Thread(target=_feed, args=(stream, process), daemon=True)
        feeder.start()
        try:
            yield cast("IO[bytes]", process.stdout)
        finally:
            process.kill()
            feeder.join()


def _feed(stream: IO[bytes], process: subprocess.Popen[bytes]) -> None:
    with suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as pipe:  # broken when nobody reads on
        shutil.copyfileobj(stream, pipe, 1 << 20)


def _plain_name(name: str) -> str:
    return name.removeprefix("./")


@contextmanager
def in_words() -> Iterator[None]:
    """Raise ArchiveError for what reading a damaged archive raises."""
    try:
        yield
    except DAMAGE as error:
        raise ArchiveError(f"it is damaged, cut off or no archive: {error or type(error).__name__}") from error
    except gzip.BadGzipFile as error:
        raise ArchiveError(f"it is damaged: {error}") from error
