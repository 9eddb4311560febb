"""Whose turn it is: rounds of all parts in turn, the first of every part before the second of any, within a budget."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Protocol

from benchmarks.errors import UnavailableError
from benchmarks.part import Part, Reading, Record
from loadfleet.errors import InputError, LoadfleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROOM = 1.1  # a round may take a little longer than the last one
_MOST_FAILURES = 2  # of rounds of a part that read nothing, one after another


class Show(Protocol):
    """Told how the rounds go."""

    def turn(self, part: Part, number: int, of: int) -> None:
        """A round begins."""

    def reading(self, reading: Reading) -> None:
        """Something was read, or could not be."""

    def note(self, words: str) -> None:
        """Something worth a line."""


class Turns:
    """Runs rounds until each part had all of its own or the time is over.

    Args:
        parts: In any order.
        budget_s: Seconds for everything, from now.
        rounds: Most rounds of a part; None for its own number.
        show: Told what happens.
        clock: Seconds; tests have one of their own.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        budget_s: float,
        rounds: int | None,
        show: Show,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = sorted(parts, key=lambda part: (part.rank, part.name))
        self._clock, self._show = clock, show
        self._end = clock() + budget_s
        self._most = {part.name: min(part.rounds, rounds) if rounds else part.rounds for part in parts}
        self._cost = {part.name: part.seconds for part in parts}
        self._failed = dict.fromkeys(self._most, 0)
        self.records = {part.name: Record() for part in self._parts}

    def left(self) -> float:
        """Seconds of the budget that are left; below 0 when it is over."""
        return self._end - self._clock()

    def ahead(self) -> float:
        """Seconds that all rounds still to come will take, as far as known, and no more than are left."""
        wanted = sum(
            self._cost[part.name] * (self._most[part.name] - len(self.records[part.name].rounds))
            for part in self._parts
            if self._failed[part.name] < _MOST_FAILURES
        )
        return max(0.0, min(wanted, self.left()))

    def play(self, run: Callable[[Part, int], Iterator[Reading]]) -> dict[str, Record]:
        """Run rounds; what fails is recorded and the others go on.

        Args:
            run: Starts a round of a part, told its number from 0.
        """
        while part := self._next():
            self._round(part, run)
        for part in self._parts:
            if not self.records[part.name].rounds and not self.records[part.name].problems:
                words = f"no time was left: a round takes up to {self._cost[part.name]:.0f} s"
                self.records[part.name].problems[""] = words
                self._show.note(f"{part.name}: {words}")
        return self.records

    def _next(self) -> Part | None:
        waiting = [
            part
            for part in self._parts
            if len(self.records[part.name].rounds) < self._most[part.name]
            and self._failed[part.name] < _MOST_FAILURES
            and self._cost[part.name] <= self.left()
        ]
        return min(waiting, key=lambda part: len(self.records[part.name].rounds), default=None)

    def _round(self, part: Part, run: Callable[[Part, int], Iterator[Reading]]) -> None:
        record = self.records[part.name]
        self._show.turn(part, len(record.rounds) + 1, self._most[part.name])
        began, read = self._clock(), {}
        problem = ""
        try:
            for reading in run(part, len(record.rounds)):
                if reading.value is None:
                    record.problems[reading.name] = reading.reason
                else:
                    read[reading.name] = reading
                self._show.reading(reading)
        except UnavailableError as error:
            problem = str(error)
        except LoadfleetError as error:
            problem = str(error)
        if problem:
            record.problems[""] = problem
            self._show.note(f"{part.name}: {problem}")
        self._cost[part.name] = (self._clock() - began) * _ROOM
        record.rounds.append(read)
        self._failed[part.name] = 0 if read else self._failed[part.name] + 1


def seconds(text: str) -> float:
    """A duration: `90`, `90s`, `15m`, `1h`.

    Raises:
        InputError: It is none, or not above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not found or not float(found[1]):
        raise InputError(f"--budget is {text!r}, which is no duration", fix="write 90s, 15m or 1h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]
