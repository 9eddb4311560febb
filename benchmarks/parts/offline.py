"""Offline: the harness between its limit and the reference manner; and its cell's start and memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import manners
from benchmarks.part import Part, Reading, difference, ratio, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench, Cell

MB = 1e6


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Samples a second of each; seconds and MB of the harness' cell."""
    cell = bench.cell(query_count=bench.samples)

    def harness() -> Iterator[Reading]:
        run = bench.run(cell)
        yield Reading("harness", run.metric)
        yield Reading("start", run.start_s, "s")
        # Little beside the start, and no more than a few processes agree on: three rounds of it suffice.
        if number < 3:
            yield Reading("model load", bench.child("benchmarks.sut:model_load", cell=cell), "s")
        yield Reading("memory", (run.peak_bytes - on_disk(cell)) / MB, "MB")

    def bare() -> Iterator[Reading]:
        yield manners.bare(bench, cell)

    def reference() -> Iterator[Reading]:
        yield manners.reference(bench)

    for turn in manners.in_turn(number, harness, bare, reference):
        yield from turn()


def on_disk(cell: Cell) -> int:
    """Bytes of the cell's model and of its prepared arrays."""
    data = sum(path.stat().st_size for path in Path(cell["dataset"]["path"]).glob("*.npy"))
    return Path(cell["model"]["path"]).stat().st_size + data


PART = Part(
    name="offline",
    title="Offline, fp32 onnxruntime, embedded model: harness, bare runtime, reference-style SUT",
    run=readings,
    figures=(
        ratio("Offline: share of the bare runtime's limit", "harness", "bare", at_least=0.98),
        ratio("Offline: against the reference-style SUT", "harness", "reference", at_least=3.0),
        difference("Start of a warm cell, besides loading the model", "start", "model load", "s", at_most=2.0),
        value("Peak memory beyond model and data", "memory", "MB", at_most=300.0),
    ),
    rounds=5,
    seconds=60,
    rank=10,
)
