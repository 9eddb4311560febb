"""Mean power of a measured run, from the analyzer's log (spl.txt) and the instants of the load (detail log).

Rule: the mean of positive watts strictly between power_begin and power_end (MLCommons' submission checker, power).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadfleet.submission.place import Place

_SAMPLE = re.compile(rb"Time,(?P<time>[0-9 :.-]{23}),Watts,(?P<watts>[0-9.]{1,20}),")
_FORMAT = "%m-%d-%Y %H:%M:%S.%f"


@dataclass(frozen=True)
class Power:
    """Mean in W over `seconds` of load."""

    mean: float
    seconds: float


def mean_power_w(path: Place, begin: str, end: str) -> Power | None:
    """Mean power between two instants as LoadGen writes them; None when there is no sample of it or no instants.

    The file is read line by line; lines of another form are left out.
    """
    first, last = instant(begin), instant(end)
    if first is None or last is None or last <= first or not path.is_file():
        return None
    total, count = 0.0, 0
    with suppress(OSError), open(path.path, "rb") as stream:  # noqa: PTH123 - a Place is no pathlib.Path
        while line := stream.readline(1 << 16):
            found = _SAMPLE.match(line)
            when = instant(found["time"].decode()) if found else None
            if found and when is not None and first < when < last:
                with suppress(ValueError):
                    watts = float(found["watts"])
                    if watts > 0:
                        total, count = total + watts, count + 1
    return Power(total / count, last - first) if count else None


def instant(text: str) -> float | None:
    """Epoch seconds of `MM-DD-YYYY HH:MM:SS.mmm` in UTC, None when it is none."""
    try:
        return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
