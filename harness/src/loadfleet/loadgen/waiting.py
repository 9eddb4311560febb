"""Which queries of the Server scenario are answered next, and together.

A free instance never waits for more queries: whatever is there is worth more than what may come. It takes the oldest
query that can still be answered in time. Queries that cannot are answered when nothing else waits: they are late in any
order, and put first they would make the next ones late too. Companions join the oldest query when the call takes
less than the calls it saves, no one in it becomes late, and no other instance is free to take them.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadfleet.loadgen.costs import Costs

_LOOK = 4  # companions are looked for among so many times the largest batch
_DEVIATIONS = 1.5  # how much longer than usual a batch may take and still be in time
_GAIN = 0.97  # a companion joins when it costs at most this much of a call of its own


class Query(NamedTuple):
    """One sample that waits: LoadGen's id, its place in the data set, its width, its arrival (ns)."""

    id: int
    sample: int
    width: int
    arrived: int


class Waiting:
    """The queries that wait. Its caller holds a lock.

    Args:
        costs: What calls take.
        bound_ns: Latency that a query must not exceed.
        most: Samples of the largest batch.
        most_cost: Padded cost units of the largest batch.
    """

    def __init__(self, costs: Costs, bound_ns: int, most: int, most_cost: int) -> None:
        self._costs, self._bound, self._most, self._most_cost = costs, bound_ns, most, most_cost
        self._timely: deque[Query] = deque()
        self._late: deque[Query] = deque()

    def __len__(self) -> int:
        return len(self._timely) + len(self._late)

    def add(self, queries: Iterable[Query]) -> None:
        """Queries arrived; later than those before them."""
        self._timely.extend(queries)

    def take(self, now: int, idle: int = 0) -> list[Query]:
        """The next batch; empty when nothing waits.

        Args:
            now: The clock, ns.
            idle: Other instances that have nothing to do.
        """
        timely, late = self._timely, self._late
        while timely:
            first = timely.popleft()
            if now + self._costs.of(first.width, 1) <= first.arrived + self._bound:
                return self._with_companions(first, timely, now, first.arrived + self._bound, idle)
            late.append(first)
        if not late:
            return []
        # Nobody waits behind them now, but somebody will: a large batch would keep the instance for too long.
        return self._with_companions(late.popleft(), late, now, now + self._bound // 2, idle)

    def learn(self, width: int, size: int, ns: int) -> None:
        """A batch took so long."""
        self._costs.learn(width, size, ns)

    def _with_companions(self, first: Query, queue: deque[Query], now: int, end: int, idle: int) -> list[Query]:
        batch, spare = [first], len(queue) - idle
        if spare <= 0 or self._most == 1 or not self._costs.batches:
            return batch
        width, cost = first.width, self._costs.of(first.width, 1)
        # A batch that took all the time its oldest query has left would make it late half the time.
        margin = 1 + _DEVIATIONS * self._costs.deviation
        seen = list(islice(queue, _LOOK * self._most))
        left = []
        for query in seen:
            wider, size = max(width, query.width), len(batch) + 1
            grown = self._costs.of(wider, size) if size <= self._most else float("inf")
            if (
                len(batch) <= spare
                and now + margin * grown <= end
                and wider * size <= self._most_cost
                and grown - cost <= _GAIN * self._costs.of(query.width, 1)
            ):
                batch.append(query)
                width, cost = wider, grown
            else:
                left.append(query)
        if len(batch) > 1:
            for _ in seen:
                queue.popleft()
            queue.extendleft(reversed(left))
        return batch
