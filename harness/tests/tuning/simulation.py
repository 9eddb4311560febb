"""A simulated system under test: Poisson arrivals, k instances that take batches, service times that vary.

Everything scales: a system of capacity c is the unit system with times divided by c. So the highest rate that holds has
to be found once a shape (`EDGES`), by runs far longer than any probe.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from loadfleet.tuning.probe import Outcome


@dataclass(frozen=True)
class Shape:
    """Unit system. Cost of a batch: `fixed` + the sum of its queries' costs (mean 1, gamma with coefficient `cv`), over
    `instances` units a second; the latency bound is `bound` times the cost of a mean query alone."""

    instances: int
    batch: int
    fixed: float
    cv: float
    bound: float


SHAPES = {
    "one instance, no batches, tight bound": Shape(1, 1, 0.0, 0.4, 5.0),
    "two instances, batches": Shape(2, 16, 0.5, 0.5, 12.0),
    "eight instances, batches": Shape(8, 8, 1.0, 0.5, 8.0),
    "four instances, wide service times": Shape(4, 4, 0.2, 1.0, 9.0),
    "one instance, large batches": Shape(1, 64, 4.0, 0.3, 20.0),
}
# Of the unit system, per shape: from the late shares of 24 million queries 2 % below and above; good to 0.2 %.
EDGES = dict(zip(SHAPES, (0.4869, 0.644, 0.4186, 0.6768, 0.3782), strict=True))


@dataclass(frozen=True)
class System:
    """A simulated system: `capacity` scales its speed, `noise` is the spread of its speed from run to run."""

    shape: Shape
    capacity: float = 1.0
    noise: float = 0.0
    percentile: float = 0.99

    @property
    def bound_s(self) -> float:
        return self.shape.bound * self.shape.instances / self.capacity

    def latencies(
        self,
        rate: float,
        queries: int,
        rng: np.random.Generator,
        share: float = 1.0,
        speeds: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Seconds from arrival to answer. Speed is of `speeds`, where that is not to be as random as the rest."""
        shape = self.shape
        speed = share * self.capacity / shape.instances * float(np.exp((speeds or rng).normal(0.0, self.noise)))
        arrivals = np.cumsum(rng.exponential(1 / rate, queries))
        costs = rng.gamma(1 / shape.cv**2, shape.cv**2, queries)
        if shape.instances == shape.batch == 1:  # Lindley's recursion, at once
            worked = np.cumsum((costs + shape.fixed) / speed)
            before = np.concatenate(([0.0], worked[:-1]))
            return worked + np.maximum.accumulate(arrivals - before) - arrivals
        done = np.empty(queries)
        total = np.concatenate(([0.0], np.cumsum(costs))).tolist()
        times = arrivals.tolist()
        free = [0.0] * shape.instances
        position = 0
        while position < queries:
            start = max(free[0], times[position])
            end = position + 1
            while end < queries and end - position < shape.batch and times[end] <= start:
                end += 1
            finished = start + (shape.fixed + total[end] - total[position]) / speed
            heapq.heapreplace(free, finished)
            done[position:end] = finished
            position = end
        return done - arrivals

    def late_share(self, rate: float, queries: int, seed: int = 0) -> float:
        return float(np.mean(self.latencies(rate, queries, np.random.default_rng(seed)) > self.bound_s))


class Probe:
    """Runs a system and judges it as LoadGen judges Server: the percentile against the bound."""

    def __init__(
        self, system: System, seed: int, disturbed: float = 0.0, counts: bool = True, same: bool = False
    ) -> None:
        self.system = system
        self.same = seed if same else None  # arrivals and costs are the same in all runs, as LoadGen's seeds make them
        self.disturbed = disturbed  # share of runs in which somebody else has a quarter of the machine
        self.counts = counts  # whether it says how many queries were late
        self.calls: list[tuple[float, float]] = []
        self._rng = np.random.default_rng(seed)

    def __call__(self, settings: dict[str, float], seconds: float) -> Outcome:
        rate = settings["target_qps"]
        self.calls.append((rate, seconds))
        queries = max(100, round(rate * seconds))
        slowed = self._rng.random() < self.disturbed
        queue = self._rng if self.same is None else np.random.default_rng(self.same)
        latencies = self.system.latencies(rate, queries, queue, 0.75 if slowed else 1.0, self._rng)
        late = int((latencies > self.system.bound_s).sum())
        valid = late <= queries * (1 - self.system.percentile)
        arrivals_s = queries / rate
        return Outcome(
            valid=valid,
            rate=queries / (arrivals_s + float(latencies[-1])),
            queries=queries,
            late=late if self.counts else None,
            latency_ms={
                "p50": float(np.quantile(latencies, 0.5)) * 1e3,
                "p99": float(np.quantile(latencies, 0.99)) * 1e3,
            },
            duration_s=seconds + 5,
            reasons=() if valid else ("the latency bound was not held",),
        )
