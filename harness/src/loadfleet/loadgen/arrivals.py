"""The rate of Server queries that a system can be asked for before anything is known but how fast it answers."""

from __future__ import annotations

import math

_MOST = 0.5  # of the capacity: calls differ in length, and the rate was seen in a warm-up only
_ROOM = 0.8  # of the bound: a call takes longer than usual now and then
_COLD = 1.4  # times its usual length takes a call after a pause: others have used the caches
_LEAST = 0.05
_LATE = 0.01  # the 99th percentile is what the bounds of the rules are about


def rate(capacity: float, instances: int, bound_ms: float) -> float:
    """Queries a second, at most half of the capacity, of which one in a hundred may be expected to be late.

    Arrivals are random (Poisson), calls take equally long: a query has to wait with probability p^(sqrt(2(c+1))-1)
    (Sakasegawa 1977), and longer than t with probability exp(-2 (1-p) capacity t) of that (Kingman 1962).

    Args:
        capacity: Queries a second when there is always one to answer.
        instances: How many are answered at once, c.
        bound_ms: Latency that all but one in a hundred must keep.
    """
    left = bound_ms / 1e3 * _ROOM - _COLD * instances / capacity
    share = _MOST
    while share > _LEAST and _late(share, capacity, instances, left) > _LATE:
        share -= 0.01
    return capacity * share


def _late(share: float, capacity: float, instances: int, left: float) -> float:
    waits = share ** (math.sqrt(2 * (instances + 1)) - 1)
    return waits * math.exp(-2 * (1 - share) * capacity * left) if left > 0 else 1.0
