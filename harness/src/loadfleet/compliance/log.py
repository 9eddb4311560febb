"""Answers in a LoadGen accuracy log, one at a time: whatever its size, no more than one answer is in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loadfleet.errors import BadResultError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CHUNK = 1 << 20
_LONGEST = 256 << 20  # bytes of one answer; an image of SDXL has 6 MB


def entries(log: Path, *, lines: bool = False) -> Iterator[Mapping[str, Any]]:
    """Every entry of the log's list, repeated samples included, in its order.

    Args:
        log: A list of objects without objects inside, laid out in any way.
        lines: Take objects one after the other as well, without brackets and commas (JSON lines).

    Raises:
        BadResultError: The log is missing, empty, cut short, or holds something else.
    """
    number, opened = 0, False
    buffer = bytearray()
    try:
        with log.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                start, searched = 0, len(buffer)
                buffer += chunk
                while (end := buffer.find(b"}", searched)) >= 0:
                    between, brace, content = bytes(buffer[start:end]).partition(b"{")
                    if not brace or between.strip() not in _between(number, lines=lines):
                        raise _bad(log, number, "text between the answers")
                    opened = opened or between.strip() == b"["
                    number += 1
                    yield _entry(log, number, content)
                    start = searched = end + 1
                del buffer[:start]
                if len(buffer) > _LONGEST:
                    raise _bad(log, number, f"an answer of more than {_LONGEST >> 20} MiB")
    except OSError as error:
        raise BadResultError(f"{log}: cannot be read: {error.strerror}") from error
    rest = b"".join(bytes(buffer).split())
    if rest != (b"" if lines and not opened else b"]" if number else b"[]"):
        raise _bad(log, number, "the log does not end with a closing bracket")


def _between(number: int, *, lines: bool) -> tuple[bytes, ...]:
    expected = b"," if number else b"["
    return (expected, b"") if lines else (expected,)


def _entry(log: Path, number: int, content: bytes) -> Mapping[str, Any]:
    try:
        entry: Mapping[str, Any] = json.loads(b"{" + content + b"}")
    except ValueError as error:
        raise _bad(log, number, f"answer {number} is not JSON: {error}") from error
    return entry


def _bad(log: Path, number: int, what: str) -> BadResultError:
    return BadResultError(f"{log.name}: {what} (after {number} answers)")


def index(entry: Mapping[str, Any]) -> int:
    """The sample an entry answers.

    Raises:
        BadResultError: It names none.
    """
    found = entry.get("qsl_idx")
    if not isinstance(found, int):
        raise BadResultError(f"an answer has qsl_idx {found!r}, which is no sample")
    return found


def data(entry: Mapping[str, Any], key: str = "data") -> bytes:
    """The bytes of an entry.

    Raises:
        BadResultError: They are missing, or not hexadecimal.
    """
    try:
        return bytes.fromhex(entry[key])
    except (KeyError, TypeError, ValueError) as error:
        raise BadResultError(f"the answer to sample {entry.get('qsl_idx')} has no readable {key}: {error}") from error
