"""Latencies of single samples, summarised: a log of gigabytes becomes a histogram of at most 60 numbers."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from loadfleet.files import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_BINS = 60
# LoadGen's trace log (one event a line): the end of a sample after the instant it was scheduled for.
_TRACE = "mlperf_log_trace.json"
_SAMPLE = re.compile(rb'"name":"Sample".*"complete_ns":(\d+)')
HISTOGRAM = "latency_histogram.json"


@dataclass(frozen=True)
class Distribution:
    """`counts[i]` of `count` latencies lie between `edges[i]` and `edges[i + 1]` (ms)."""

    edges: Sequence[float]
    counts: Sequence[int]
    logarithmic: bool

    @property
    def count(self) -> int:
        return sum(self.counts)

    def as_dict(self) -> dict[str, Any]:
        """The object of `latency_histogram.json`."""
        return {
            "schema_version": 1,
            "unit": "ms",
            "logarithmic": self.logarithmic,
            "edges": list(self.edges),
            "counts": list(self.counts),
        }


def distribution(latencies_ms: NDArray[Any], times: NDArray[Any] | None = None) -> Distribution | None:
    """Summarise latencies (ms), each once or so many `times`; None without any.

    Edges are spaced by their logarithm when the longest is 20 times the shortest or more.
    """
    import numpy as np  # noqa: PLC0415

    if not len(latencies_ms):
        return None
    low, high = float(latencies_ms.min()), float(latencies_ms.max())
    logarithmic = low > 0 and high / low >= 20
    if high <= low:
        low, high = low * 0.95, high * 1.05 or 1.0
    bins = int(min(_BINS, max(8, np.sqrt(len(latencies_ms) if times is None else times.sum()))))
    edges = np.geomspace(low, high, bins + 1) if logarithmic else np.linspace(low, high, bins + 1)
    # Rounding must not leave the extremes outside.
    edges[0], edges[-1] = low, high
    counts, _ = np.histogram(latencies_ms, edges, weights=times)
    return Distribution([float(f"{edge:.6g}") for edge in edges], [int(count) for count in counts], logarithmic)


def read(folder: Path) -> Distribution | None:
    """The distribution of a cell: its histogram, else LoadGen's trace log; None where neither says anything."""
    written = _written(folder / HISTOGRAM)
    return written or _traced(folder / _TRACE)


def _written(path: Path) -> Distribution | None:
    try:
        value = read_json(path)
        edges = [float(edge) for edge in value["edges"]]
        counts = [int(count) for count in value["counts"]]
        rising = all(low < high for low, high in pairwise(edges))
        if len(edges) != len(counts) + 1 or not counts or min(counts) < 0 or not rising or edges[0] < 0:
            return None
        return Distribution(edges, counts, bool(value["logarithmic"]) and edges[0] > 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _traced(path: Path) -> Distribution | None:
    if not path.is_file() or path.stat().st_size == 0:
        return None
    import numpy as np  # noqa: PLC0415 - 0.2 s

    # An array of machine numbers: a list of Python's would take four times the memory.
    found = array("d")
    with path.open("rb") as stream:
        for line in stream:
            if match := _SAMPLE.search(line):
                found.append(int(match[1]) / 1e6)
    return distribution(np.frombuffer(found, np.float64)) if found else None
