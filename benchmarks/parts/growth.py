"""How cost grows: with the size of the data set, with instances, with the length of samples."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.part import Figure, Part, Reading, ratio, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench, Cell

SIZES = (1_000, 10_000, 100_000)
LAYOUTS = {"1 instance x 1 thread": (1, 1), "1 instance x 2 threads": (1, 2), "2 instances x 1 thread": (2, 1)}
LENGTHS = ((32, 64), (112, 128), (176, 192), (240, 256), (320, 384))
_LAYOUT_SAMPLES = 240
_TURNS = 3  # the smallest takes a hundredth of a second
_TOKENS = 24_000  # of each length's run


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Samples a second."""
    for kind, backend in (("sizes", "null"), ("lengths", "onnxruntime")):
        found = bench.child(f"benchmarks.parts.growth:{kind}", cell=bench.cell(backend=backend))
        for name, rate in found.items():
            yield Reading(name, rate)
    for name, (instances, threads) in LAYOUTS.items():
        cell = bench.cell(query_count=_LAYOUT_SAMPLES, instances=instances, threads=threads)
        yield Reading(name, bench.run(cell).metric)


def sizes(cell: Cell) -> dict[str, float]:
    """Null backend, every sample once: the embedded data set repeated, or evenly thinned out."""
    from benchmarks import sut  # noqa: PLC0415  (in the child process only)

    data = sut.dataset(cell)
    rates: dict[str, list[float]] = {}
    for _ in range(_TURNS):
        for count in SIZES:
            rates.setdefault(_size(count), []).append(_rate(cell, sut.Chosen(data, sut.evenly(data, count))))
    return {name: statistics.median(each) for name, each in rates.items()}


def lengths(cell: Cell) -> dict[str, float]:
    """The real model on samples of about the same length."""
    import numpy as np  # noqa: PLC0415

    from benchmarks import sut  # noqa: PLC0415

    data = sut.dataset(cell)
    found = {}
    for low, high in LENGTHS:
        fitting = np.flatnonzero((data.lengths >= low) & (data.lengths <= high)).astype(np.int64)
        some = fitting[: max(1, _TOKENS // high)]
        found[_length(high)] = _rate(cell, sut.Chosen(data, some))
    return found


def _rate(cell: Cell, data: Any) -> float:
    from benchmarks import direct  # noqa: PLC0415

    asked = direct.Asked("Offline", data.count)
    found = direct.measured(asked, direct.harness(cell, "Offline", data), data.count)
    return float(found["result_samples_per_second"])


def _size(count: int) -> str:
    return f"{count:,} samples"


def _length(high: int) -> str:
    return f"up to {high} tokens"


def _rows() -> Iterator[Figure]:
    first, last = _size(SIZES[0]), _size(SIZES[-1])
    for count in SIZES:
        yield value(f"Null, Offline, {_size(count)}", _size(count), "samples/s")
    yield ratio(f"Null, Offline: {last} against {first}", last, first, at_least=0.8)
    for name in LAYOUTS:
        yield value(f"Offline, {name}", name, "samples/s")
    for _, high in LENGTHS:
        yield value(f"Offline, samples of {_length(high)}", _length(high), "samples/s")


PART = Part(
    name="growth",
    title="How cost grows: data set size, instances, sample length",
    run=readings,
    figures=tuple(_rows()),
    rounds=1,
    seconds=60,
    rank=50,
)
