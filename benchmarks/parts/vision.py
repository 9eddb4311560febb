"""Offline, images: the harness against the bare runtime for a small image classifier; decoding is done beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.manners import bare, harness, in_turn
from benchmarks.part import Part, Reading, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench

WORKLOAD, MODEL = "resnet50", "efficientnet-lite0"
SAMPLES = 2_000  # six seconds: what LoadGen takes to begin and to end is no part of the ratio


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Samples a second."""
    cell = bench.cell(workload=WORKLOAD, model=MODEL, query_count=SAMPLES)
    for turn in in_turn(number, harness, bare):
        yield turn(bench, cell)


PART = Part(
    name="vision",
    title="Offline, EfficientNet-Lite0: harness and bare runtime",
    run=readings,
    figures=(
        ratio("Offline, EfficientNet-Lite0: share of the bare runtime's limit", "harness", "bare", at_least=0.97),
    ),
    rounds=7,
    seconds=80,
    rank=45,
)
