"""In a process of its own: SingleStream queries answered at once; prints resident memory (bytes) after parts of them.

`python many_queries.py harness|plain COUNT FOLDER`: the harness' scheduler, or LoadGen answered in one line of Python.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg
import numpy as np

from loadfleet.backends.base import Session
from loadfleet.loadgen import run as loadgen
from loadfleet.loadgen.engine import Engine, Layout
from loadfleet.loadgen.schedule import scheduler

_PARTS = 10
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Data:
    """A hundred samples and one answer."""

    count = 100
    lengths = np.ones(100, np.int32)
    answer = np.zeros((1, 16), np.float32)

    def batch(self, indices: np.ndarray, width: int | None = None) -> dict[str, np.ndarray]:
        return {"x": indices}

    def respond(self, indices: np.ndarray, outputs: Any) -> np.ndarray:
        return self.answer


class Nothing(Session):
    """Answers at once."""

    def run(self, inputs: Any) -> Any:
        return inputs

    def describe(self) -> dict[str, Any]:
        return {}


class Plain:
    """The smallest SUT."""

    def issue(self, ids: list[int], indices: list[int]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(ids[0], 0, 0)])

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing to end."""


class Watched:
    """A SUT, and the memory of the process now and then."""

    def __init__(self, sut: Any, count: int) -> None:
        self._sut, self._every = sut, count // _PARTS
        self._seen, self.resident = 0, []
        self.flush, self.close = sut.flush, sut.close

    def issue(self, ids: list[int], indices: list[int]) -> None:
        self._sut.issue(ids, indices)
        self._seen += 1
        if self._seen % self._every == 0:
            pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
            self.resident.append(int(pages) * _PAGE)


def main() -> None:
    """Run as the command line says."""
    which, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    sut: Any = Plain()
    if which == "harness":
        engine = Engine(Data(), lambda _: Nothing(), Layout(1, 1, 1, 1), lg, print)  # type: ignore[arg-type]
        sut = scheduler("SingleStream", engine, 100.0)
        sut.load()
        sut.warm_up(0.01)
    settings = lg.TestSettings()
    settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = count
    settings.min_duration_ms = 1
    settings.single_stream_expected_latency_ns = 10**6
    watched = Watched(sut, count)
    loadgen.run(lg, settings, watched, 100, 100, folder)
    print(json.dumps(watched.resident))


if __name__ == "__main__":
    main()
