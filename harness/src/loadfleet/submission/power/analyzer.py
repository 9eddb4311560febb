"""spl.txt, one reading of the power analyzer a second: mean power between two instants of LoadGen's clock."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loadfleet.submission.reading.place import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.submission.reading.place import Place

_TIME = r"(\d\d)-(\d\d)-(\d{4}) (\d\d:\d\d:\d\d\.\d{3})"
_INSTANT = re.compile(_TIME)
_READING = re.compile(
    (_TIME.join(["Time,", ""]) + r",Watts,([\d.]+),Volts,[^,]*,Amps,[^,]*,PF,[^,]*(?:,Mark,(.*))?").encode()
)
_LINE_LIMIT = 1 << 20  # bytes; real lines have a hundred


@dataclass(frozen=True)
class Power:
    """What was read strictly between two instants.

    Attributes:
        watts: Mean of the positive readings; None when there is none.
        seconds: Between the instants.
        readings: How many went into the mean.
        longest_gap: Seconds, at most, between two readings, or between a reading and an instant.
        problem: The first line that is no reading, in words; empty when there is none.
    """

    watts: float | None
    seconds: float
    readings: int = 0
    longest_gap: float = 0.0
    problem: str = ""


def instant(text: str) -> float | None:
    """Epoch seconds of LoadGen's and PTDaemon's `MM-DD-YYYY HH:MM:SS.mmm`, in UTC; None when it is something else."""
    found = _INSTANT.match(text)
    return None if found is None else _epoch(*found.groups())


def _epoch(month: str, day: str, year: str, clock: str) -> float | None:
    try:
        return datetime.fromisoformat(f"{year}-{month}-{day}T{clock}").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def between(path: Place, begin: float, end: float) -> Power:
    """Power between two instants in epoch seconds.

    A file that cannot be read is one without readings.
    """
    total, count, gap, last, problem = 0.0, 0, 0.0, begin, ""
    for number, line in enumerate(lines(path), start=1):
        found = _READING.fullmatch(line)
        when = None if found is None else _epoch(*(part.decode("ascii") for part in found.groups()[:4]))
        watts = _number(found[5]) if found is not None else None
        if when is None or watts is None:
            problem = problem or f"line {number} is no reading"
            continue
        if begin < when < end:
            gap, last = max(gap, when - last), when
            if watts > 0:
                total, count = total + watts, count + 1
    return Power(total / count if count else None, end - begin, count, max(gap, end - last), problem)


def _number(text: bytes) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def lines(path: Place) -> Iterator[bytes]:
    """Lines that are not blank, without their ends; none when the file is missing or cannot be read."""
    if not path.is_file():
        return
    try:
        with os.fdopen(open_regular(path.path)[0], "rb") as stream:
            while line := stream.readline(_LINE_LIMIT):
                if stripped := line.strip():
                    yield stripped
    except OSError:
        return
