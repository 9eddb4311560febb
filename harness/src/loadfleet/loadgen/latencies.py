"""Latencies as the harness sees them, in fixed memory: LoadGen's logs of a timed run hold percentiles only.

Counts in buckets whose width grows with the latency, so that a value is known to 0.05 % whatever its size and however
many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BITS = 10  # an octave has 2**10 buckets; below 2**11 ns every nanosecond has its own
_OCTAVES = 36  # up to 2**47 ns, 39 hours
_SIZE = (_OCTAVES + 1) << _BITS


class Latencies:
    """How many samples (or queries) took how long. Additions of several threads need a lock of the caller."""

    def __init__(self) -> None:
        self._counts = [0] * _SIZE
        self._shortest = 1 << 63
        self._longest = 0

    def add(self, nanoseconds: int, count: int = 1) -> None:
        """`count` samples took this long."""
        octave = max(0, nanoseconds.bit_length() - _BITS - 1)
        bucket = (octave << _BITS) + (nanoseconds >> octave)
        self._counts[min(bucket, _SIZE - 1)] += count
        self._shortest = min(self._shortest, nanoseconds)
        self._longest = max(self._longest, nanoseconds)

    def milliseconds(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Latencies that occurred, rising, and how often; the shortest and the longest are exact."""
        counts = np.asarray(self._counts, np.int64)
        buckets = np.flatnonzero(counts)
        octaves = np.maximum(0, (buckets >> _BITS) - 1)
        low = (buckets - (octaves << _BITS)) << octaves
        middle = low + ((1 << octaves) - 1) / 2
        if len(buckets) > 1:
            middle[0], middle[-1] = self._shortest, self._longest
        return np.clip(middle, self._shortest, self._longest) / 1e6, counts[buckets]
