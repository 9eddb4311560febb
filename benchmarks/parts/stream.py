"""SingleStream: what a query takes, against nothing but the call of the runtime for the very same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.manners import in_turn
from benchmarks.part import Figure, Part, Reading, difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench

QUERIES = 256
SHARE, ADDED_MS = 1.05, 0.1


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """p90 of each, ms."""
    cell = bench.cell("SingleStream", query_count=QUERIES)
    indices = bench.issued(cell)

    def harness() -> Reading:
        # Not the metric: that is LoadGen's estimate, which is above the percentile of so few queries.
        return Reading("harness", bench.run(cell).detail["result_90.00_percentile_latency_ns"] / 1e6, "ms")

    def bare() -> Reading:
        times = bench.child("benchmarks.sut:bare_calls", cell=cell, indices=indices)
        return Reading("bare", float(np.percentile(times, 90)), "ms")

    for turn in in_turn(number, harness, bare):
        yield turn()


PART = Part(
    name="stream",
    title="SingleStream: p90 of a query against one bare call for the same samples",
    run=readings,
    figures=(
        Figure(
            "SingleStream: p90 against what is allowed",
            f"harness / ({SHARE} x bare + {ADDED_MS} ms)",
            ("harness", "bare"),
            lambda harness, bare: harness / (SHARE * bare + ADDED_MS),
            at_most=1.0,
        ),
        difference("SingleStream: p90 beyond one bare call", "harness", "bare", "ms"),
    ),
    rounds=3,
    seconds=25,
    rank=25,
)
