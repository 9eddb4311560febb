"""What a call of each shape takes on this machine, from calls timed at warm-up and corrected while the run goes on."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLASSES = 512  # widths are told apart to 1/512 of their range
_LEARNING = 0.02  # weight of the newest call: the correction follows minutes, not single calls
_DRIFT = (0.5, 4.0)  # how far calls may be from what was timed at warm-up before it is noise


@dataclass(frozen=True)
class Timed:
    """One call: its width, its number of samples, its nanoseconds."""

    width: int
    size: int
    ns: int


class Costs:
    """Nanoseconds of a call with samples of some width.

    Between the widths that were timed costs are interpolated; more samples than were timed cost in proportion.

    Args:
        timed: At least one call.
        most: Samples of the largest call that will be asked for.

    Attributes:
        batches: Whether any call of several samples takes less than the same samples alone.
        deviation: Mean share by which calls of the run differ from what was said.
    """

    def __init__(self, timed: Iterable[Timed], most: int) -> None:
        calls: dict[tuple[int, int], list[int]] = {}
        for call in timed:
            calls.setdefault((call.width, call.size), []).append(call.ns)
        widths = sorted({width for width, _ in calls})
        self._low, span = widths[0], widths[-1] - widths[0]
        self._step = max(1, -(-span // _CLASSES))
        classes = np.arange(self._low, widths[-1] + self._step, self._step)
        columns = np.zeros((len(widths), most + 1))
        for row, width in enumerate(widths):
            sizes = [0, *sorted(size for other, size in calls if other == width)]
            values = [0.0, *(statistics.median(calls[width, size]) for size in sizes[1:])]
            alone = values[-1] / sizes[-1]
            if sizes[-1] < most:
                sizes.append(most)
                values.append(alone * most)
            columns[row] = np.interp(np.arange(most + 1), sizes, values)
        table = np.stack([np.interp(classes, widths, columns[:, size]) for size in range(most + 1)], axis=1)
        # Noise must not make a larger call seem the shorter one.
        table = np.maximum.accumulate(np.maximum.accumulate(table, axis=0), axis=1)
        self._table: list[list[float]] = table.tolist()
        self._last = len(self._table) - 1
        self._drift = 1.0
        self.deviation = 0.08
        self.batches = bool((table[:, 2:] < 0.97 * table[:, 1:2] * np.arange(2, most + 1)).any())

    def of(self, width: int, size: int) -> float:
        """Nanoseconds of a call of `size` samples padded to `width`."""
        row = (width - self._low + self._step - 1) // self._step
        return self._table[max(0, min(row, self._last))][size] * self._drift

    def learn(self, width: int, size: int, ns: int) -> None:
        """A call of the run took so long."""
        low, high = _DRIFT
        ratio = min(high, max(low, ns / max(1.0, self.of(width, size))))
        self.deviation += _LEARNING * (abs(ratio - 1) - self.deviation)
        self._drift = min(high, max(low, self._drift * (1 + _LEARNING * (ratio - 1))))
