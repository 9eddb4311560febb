"""Latencies of single samples as the harness sees them: LoadGen's logs of a timed run hold percentiles only.

Recording takes a few hundred nanoseconds a batch, whatever its size, and eight bytes a sample on either side.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadfleet.loadgen.engine import Engine
    from loadfleet.loadgen.run import Callbacks

_MOST = 5_000_000  # samples: 160 MB while the run is judged


class _Side:
    """What happened to which samples when: ids, and for each event its time (ns) and number of samples."""

    def __init__(self) -> None:
        self.ids = array("Q")
        self.counts = array("q")
        self.times = array("q")

    def add(self, ids: Sequence[int]) -> None:
        self.times.append(time.perf_counter_ns())
        self.counts.append(len(ids))
        self.ids.extend(ids)


class Latencies:
    """When samples were handed out and when answered. Answers of several threads need a lock of the caller."""

    def __init__(self) -> None:
        self._issued = _Side()
        self._answered = _Side()
        self._full = False

    def issued(self, ids: Sequence[int]) -> None:
        """Samples were handed out now."""
        if len(self._issued.ids) + len(ids) > _MOST:
            self._full = True
        if not self._full:
            self._issued.add(ids)

    def answered(self, ids: Sequence[int]) -> None:
        """Samples were answered now."""
        if not self._full:
            self._answered.add(ids)

    def milliseconds(self, *, per_query: bool = False) -> NDArray[np.float64]:
        """A latency for each sample, in the order they were handed out; for each query that of its last sample.

        Empty when a sample was not answered, or when there were too many to keep.
        """
        issued, answered = self._issued, self._answered
        if self._full or not len(issued.ids) or len(issued.ids) != len(answered.ids):
            return np.empty(0)
        # LoadGen may use an id again after its answer: the n-th time it is handed out goes with its n-th answer.
        first, second = (np.argsort(np.frombuffer(side.ids, np.uint64), kind="stable") for side in (issued, answered))
        if (np.frombuffer(issued.ids, np.uint64)[first] != np.frombuffer(answered.ids, np.uint64)[second]).any():
            return np.empty(0)
        latencies = np.empty(len(first))
        latencies[first] = (_each(answered)[second] - _each(issued)[first]) / 1e6
        if not per_query:
            return latencies
        starts = np.cumsum(issued.counts) - np.asarray(issued.counts)
        return np.maximum.reduceat(latencies, starts)


def _each(side: _Side) -> NDArray[np.int64]:
    """The time of each sample's event."""
    return np.repeat(np.frombuffer(side.times, np.int64), np.asarray(side.counts))


class Recorded:
    """A scheduler and its engine, with a note of every sample from now on: `engine.latencies`."""

    def __init__(self, scheduler: Callbacks, engine: Engine) -> None:
        engine.latencies = Latencies()
        self._note = engine.latencies.issued
        self._scheduler = scheduler
        self.flush = scheduler.flush
        self.close = scheduler.close

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> Any:
        """LoadGen's issue callback."""
        self._note(ids)
        return self._scheduler.issue(ids, indices)
