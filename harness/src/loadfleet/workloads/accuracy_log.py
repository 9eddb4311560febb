"""LoadGen's accuracy log (`mlperf_log_accuracy.json`) as a stream: one entry a line, never the whole file in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from loadfleet.errors import BadResultError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def entries(log: Path, count: int) -> Iterator[tuple[int, bytes]]:
    """The first response to each sample, in the order of the log.

    LoadGen writes `[`, then one object a line, then `]`; a log without its last line was cut short.

    Args:
        log: The accuracy log.
        count: Number of samples of the data set.

    Yields:
        Sample index and the bytes the SUT answered.

    Raises:
        InputError: The log cannot be read.
        BadResultError: It is empty, truncated, holds a line that is no entry, or a sample that does not exist.
    """
    seen = bytearray(count)
    found = closed = False
    try:
        with log.open(encoding="utf-8") as stream:
            for number, raw in enumerate(stream, 1):
                line = raw.strip().rstrip(",")
                if not line or line == "[":
                    continue
                if closed:
                    raise _bad(log, number, "text after the closing bracket")
                if line == "]":
                    closed = True
                    continue
                index, data = _entry(log, number, line)
                if not 0 <= index < count:
                    raise _bad(log, number, f"sample {index} does not exist, the data set has {count}")
                found = True
                if not seen[index]:
                    seen[index] = 1
                    yield index, data
    except OSError as error:
        raise InputError(
            f"{log}: the accuracy log cannot be read: {error.strerror}",
            fix="run the scenario in accuracy mode; LoadGen writes the log at the end of the run",
        ) from error
    except UnicodeDecodeError as error:
        raise BadResultError(f"{log}: not a text file: {error}", fix="repeat the accuracy run") from error
    if not closed:
        what = "truncated, the closing bracket is missing" if found else "empty"
        raise BadResultError(f"{log}: the accuracy log is {what}", fix="repeat the accuracy run")
    if not found:
        raise BadResultError(
            f"{log}: the accuracy log holds no response", fix="run in accuracy mode; a performance run logs none"
        )


def _entry(log: Path, number: int, line: str) -> tuple[int, bytes]:
    try:
        entry = json.loads(line)
        return int(entry["qsl_idx"]), bytes.fromhex(entry["data"])
    except (ValueError, KeyError, TypeError) as error:
        raise _bad(log, number, f"not an entry of LoadGen ({error}): {line[:60]!r}") from error


def _bad(log: Path, number: int, what: str) -> BadResultError:
    return BadResultError(f"{log} line {number}: {what}", fix="repeat the accuracy run; the log must not be edited")
