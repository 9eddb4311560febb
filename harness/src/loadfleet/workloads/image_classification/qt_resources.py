"""Files inside a binary resource of Qt (`.rcc`): a tree of names over plain or zlib-compressed contents.

The layout is that of Qt's resource system (qtbase, src/corelib/io/qresource.cpp): numbers are big-endian, a node has
14 bytes up to version 1 and 22 from version 2 on, names are UTF-16.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPRESSED, _FOLDER, _ZSTANDARD = 1, 2, 4
_LARGEST = 256 << 20  # bytes of one file, uncompressed
_DEEPEST = 64


def files(data: bytes, label: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file.

    Args:
        data: The resource.
        label: What it is called in an error.

    Raises:
        NotReadyError: It is none, or damaged.
    """
    try:
        yield from _Resource(data).below(0, "", 0)
    except (ValueError, struct.error, UnicodeDecodeError, zlib.error) as error:
        raise NotReadyError(f"{label} is no Qt resource that can be read: {error}", fix="get the file again") from error


class _Resource:
    def __init__(self, data: bytes) -> None:
        if data[:4] != b"qres":
            raise ValueError("it does not begin with qres")
        version, self._tree, self._contents, self._names = struct.unpack_from(">IIII", data, 4)
        self._data, self._node_size = data, 22 if version >= 2 else 14

    def below(self, number: int, path: str, depth: int) -> Iterator[tuple[str, bytes]]:
        """The files of a node, which is one itself or a folder."""
        if depth > _DEEPEST:
            raise ValueError("its folders lead into each other")
        _, flags, first, second = self._node(number)
        if not flags & _FOLDER:
            yield path, self._content(second, flags)
            return
        for child in range(second, second + first):
            yield from self.below(child, f"{path}/{self._name(child)}", depth + 1)

    def _node(self, number: int) -> tuple[int, int, int, int]:
        name, flags, first, second = struct.unpack_from(">IHII", self._data, self._tree + number * self._node_size)
        return name, flags, first, second

    def _name(self, number: int) -> str:
        offset = self._names + self._node(number)[0]
        (length,) = struct.unpack_from(">H", self._data, offset)
        return self._slice(offset + 6, 2 * length).decode("utf-16-be")

    def _content(self, offset: int, flags: int) -> bytes:
        (size,) = struct.unpack_from(">I", self._data, self._contents + offset)
        content = self._slice(self._contents + offset + 4, size)
        if flags & _ZSTANDARD:
            raise ValueError("a file is compressed with Zstandard")
        if not flags & _COMPRESSED:
            return content
        unpacked = zlib.decompressobj().decompress(content[4:], _LARGEST)  # the first four bytes are the size
        if len(unpacked) != struct.unpack_from(">I", content)[0]:
            raise ValueError("a compressed file is damaged")
        return unpacked

    def _slice(self, offset: int, size: int) -> bytes:
        found = self._data[offset : offset + size]
        if len(found) != size:
            raise ValueError("it is cut off")
        return found
