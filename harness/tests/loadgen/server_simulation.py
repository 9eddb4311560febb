"""A Server run without a machine: Poisson arrivals, instances whose calls take a known time, any queue."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Protocol

import numpy as np

from loadfleet.loadgen.costs import Costs, Timed
from loadfleet.loadgen.waiting import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MS = 1_000_000
Cost = "Callable[[int, int], float]"


class Queue(Protocol):
    """What the simulation needs of `Waiting`."""

    def __len__(self) -> int: ...
    def add(self, queries: Iterable[Query]) -> None: ...
    def take(self, now: int, idle: int = 0) -> list[Query]: ...
    def learn(self, width: int, size: int, ns: int) -> None: ...


def known(cost: Callable[[int, int], float], widths: Sequence[int], most: int) -> Costs:
    """Costs timed without error."""
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= most]
    return Costs([Timed(width, size, int(cost(width, size))) for width in widths for size in sizes], most)


def late(
    queue: Queue,
    cost: Callable[[int, int], float],
    widths: np.ndarray,
    rate: float,
    bound: int,
    *,
    instances: int = 2,
    queries: int = 20_000,
    noise: float = 0.1,
    seed: int = 1,
) -> tuple[float, int]:
    """Share of the queries that are later than the bound (ns), and the longest latency; rate in queries a second."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1e9 / rate, queries)).astype(np.int64).tolist()
    chosen = random.choice(widths, queries).tolist()
    factors = np.exp(random.normal(0, noise, queries)).tolist()
    free = [(0, number) for number in range(instances)]
    latencies: list[int] = []
    coming = 0
    while len(latencies) < queries:
        now, instance = heapq.heappop(free)
        if not len(queue):
            now = max(now, arrivals[coming])
        while coming < queries and arrivals[coming] <= now:
            queue.add([Query(coming, coming, chosen[coming], arrivals[coming])])
            coming += 1
        batch = queue.take(now, sum(other <= now for other, _ in free))
        end = now + int(cost(max(query.width for query in batch), len(batch)) * factors[len(latencies)])
        latencies += [end - query.arrived for query in batch]
        queue.learn(max(query.width for query in batch), len(batch), end - now)
        heapq.heappush(free, (end, instance))
    measured = np.array(latencies)
    return float((measured > bound).mean()), int(measured.max())


def most(late_at: Callable[[float], float], low: float, high: float, allowed: float = 0.01) -> float:
    """The highest rate at which no more than the allowed share is late, to 1 %."""
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        if late_at(middle) <= allowed:
            low = middle
        else:
            high = middle
    return low
