"""The archive itself: an uncompressed tar, written and read as a stream, in which no byte can change unnoticed.

Its first member `seal.txt` holds the SHA-256 of everything that follows that member, up to the end of the file. The
member occupies exactly the first 1,024 bytes: a header that is the same in every bundle, 64 digits, zeros.
"""

from __future__ import annotations

import hashlib
import tarfile
from typing import IO, TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

SEAL = "seal.txt"
CHUNK = 1 << 20
_TIME = 315532800  # 1980-01-01, the earliest that every archive tool can show
_BLOCK = tarfile.BLOCKSIZE
_FETCH_AGAIN = "copy the bundle again from where it was made, and compare its sha256sum"


class _Tee:
    """Passes bytes through and digests them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._stream.write(data)

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        return data


class Writer:
    """Writes a bundle; a context manager that seals it when its block ends well.

    Args:
        stream: A file open for writing at its beginning; must be able to seek.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        stream.write(bytes(2 * _BLOCK))
        self._tee = _Tee(stream)
        self._tar = tarfile.open(fileobj=self._tee, mode="w|", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload]  # noqa: SIM115
        self.seal = ""

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        self._tar.close()
        self.seal = self._tee.digest.hexdigest()
        self._stream.seek(0)
        self._stream.write(_first_member(self.seal))

    def add(self, path: str, size: int, content: Any, *, executable: bool = False) -> str:
        """Append a file; the SHA-256 of what was written.

        Raises:
            OSError: `content` is shorter than `size`, or the disk is full.
        """
        reader = _Tee(content)
        self._tar.addfile(_header(path, size, executable=executable), reader)
        return reader.digest.hexdigest()


class Reader:
    """Reads a bundle from its beginning to its end, once.

    Args:
        stream: The file, at its beginning.

    Raises:
        InputError: It is no bundle.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        first = stream.read(2 * _BLOCK)
        self.seal = first[_BLOCK : _BLOCK + 64].decode("ascii", errors="replace")
        if len(self.seal) != 64 or first != _first_member(self.seal):
            raise InputError("this is no bundle of Loadfleet, or its beginning is damaged", fix=_FETCH_AGAIN)
        self._tee = _Tee(stream)

    def __iter__(self) -> Iterator[tuple[tarfile.TarInfo, Any]]:
        """Every member with its content, which must be read before the next is asked for.

        Raises:
            TarError: The archive is cut off or damaged; reading a member's content raises it too.
        """
        with tarfile.open(fileobj=self._tee, mode="r|", bufsize=CHUNK) as tar:  # type: ignore[call-overload]
            for member in tar:
                yield member, tar.extractfile(member) if member.isreg() else None

    def verify(self) -> None:
        """Read what is left and compare the seal.

        Raises:
            InputError: Some byte of the file is not what was sealed.
        """
        while self._tee.read(CHUNK):
            pass
        if self._tee.digest.hexdigest() != self.seal:
            raise InputError("the bundle's bytes are not those that were sealed", fix=_FETCH_AGAIN)


def _header(path: str, size: int, *, executable: bool = False) -> tarfile.TarInfo:
    """The same header for the same file, wherever and whenever it is packed."""
    header = tarfile.TarInfo(path)
    header.size, header.mtime, header.mode = size, _TIME, 0o755 if executable else 0o644
    return header


def _first_member(seal: str) -> bytes:
    content = seal.encode("ascii", errors="replace") + b"\n"
    header = _header(SEAL, len(content)).tobuf(tarfile.PAX_FORMAT)
    return header + content.ljust(_BLOCK, b"\0")
