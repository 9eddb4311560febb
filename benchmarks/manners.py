"""What parts measure Offline against each other: the harness, the bare runtime, the reference manner."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from benchmarks.part import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bench import Bench, Cell

Turn = TypeVar("Turn")
REFERENCE_SAMPLES = 200  # each costs the same, being padded: fewer say as much


def in_turn(number: int, *turns: Turn) -> Sequence[Turn]:
    """The turns of a round; in every second one the other way round, so that a drifting machine favours nobody."""
    return turns if number % 2 == 0 else turns[::-1]


def harness(bench: Bench, cell: Cell) -> Reading:
    """Samples a second of the harness."""
    return Reading("harness", bench.run(cell).metric)


def bare(bench: Bench, cell: Cell) -> Reading:
    """Samples a second of nothing but the runtime, for the samples that LoadGen issues in the cell."""
    return Reading("bare", bench.child("benchmarks.sut:bare_offline", cell=cell, indices=bench.issued(cell)))


def reference(bench: Bench, cell: Cell | None = None) -> Reading:
    """Samples a second of the reference manner; without a cell those of the embedded model."""
    cell = cell or bench.cell(query_count=REFERENCE_SAMPLES)
    return Reading("reference", bench.child("benchmarks.sut:reference_offline", cell=cell))
