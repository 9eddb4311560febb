from __future__ import annotations

import numpy as np
import pytest

from loadfleet.loadgen.arrivals import rate


def late(qps: float, capacity: float, instances: int, bound_ms: float) -> float:
    """Share of late queries when calls take equally long, simulated."""
    generator = np.random.default_rng(5)
    arrivals = np.cumsum(generator.exponential(1 / qps, 40_000))
    free, service, count = [0.0] * instances, instances / capacity, 0
    for arrival in arrivals:
        first = min(range(instances), key=free.__getitem__)
        free[first] = max(arrival, free[first]) + service
        count += (free[first] - arrival) * 1e3 > bound_ms
    return count / len(arrivals)


@pytest.mark.parametrize(("capacity", "instances", "bound_ms"), [(280, 2, 15), (80, 2, 130), (80, 8, 200), (500, 1, 5)])
def test_queries_at_the_rate_are_in_time(capacity: float, instances: int, bound_ms: float) -> None:
    assert late(rate(capacity, instances, bound_ms), capacity, instances, bound_ms) < 0.01


def test_a_wide_bound_allows_half_of_the_capacity() -> None:
    assert rate(80, 2, 130) == 40


def test_a_tight_bound_allows_less() -> None:
    assert 20 < rate(280, 2, 15) < 0.4 * 280


def test_a_bound_shorter_than_a_call_leaves_a_little() -> None:
    assert 0 < rate(10, 1, 15) < 1
