"""Latencies in fixed memory."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from loadfleet.loadgen.latencies import Latencies
from loadfleet.results.latency import distribution


def test_every_value_is_known_to_a_thousandth() -> None:
    values = np.exp(np.random.default_rng(1).uniform(np.log(500), np.log(3.6e13), 20_000)).astype(np.int64)
    seen = Latencies()
    for value in values.tolist():
        seen.add(value)
    found, counts = seen.milliseconds()
    assert counts.sum() == len(values)
    assert (np.diff(found) > 0).all()
    expected = np.sort(values) / 1e6
    assert np.allclose(np.repeat(found, counts), expected, rtol=1e-3, atol=0)
    assert (found[0], found[-1]) == (expected[0], expected[-1])


@pytest.mark.parametrize("value", [0, 1, 1023, 1024, 2047, 2048, 10**9, 2**47 - 1])
def test_a_value_alone_is_exact(value: int) -> None:
    seen = Latencies()
    seen.add(value, 3)
    found, counts = seen.milliseconds()
    assert found.tolist() == [value / 1e6]
    assert counts.tolist() == [3]


def test_beyond_39_hours_is_counted_still() -> None:
    seen = Latencies()
    seen.add(2**60)
    assert seen.milliseconds()[1].tolist() == [1]


def test_nothing_seen_is_empty() -> None:
    found, counts = Latencies().milliseconds()
    assert len(found) == len(counts) == 0
    assert distribution(found, counts) is None


def test_memory_does_not_grow() -> None:
    seen = Latencies()
    seen.add(1)
    before = sys.getsizeof(seen._counts)
    for value in range(0, 10**9, 10_007):
        seen.add(value)
    assert sys.getsizeof(seen._counts) == before < 400_000


def test_counted_latencies_are_spread_like_the_single_ones() -> None:
    values = np.random.default_rng(2).lognormal(17, 1.5, 5_000).astype(np.int64)
    seen = Latencies()
    for value in values.tolist():
        seen.add(value)
    single, counted = distribution(values / 1e6), distribution(*seen.milliseconds())
    assert single is not None
    assert counted is not None
    assert counted.edges == single.edges
    assert counted.count == len(values)
    assert max(abs(a - b) for a, b in zip(single.counts, counted.counts, strict=True)) <= 0.002 * len(values)
