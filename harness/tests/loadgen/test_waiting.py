"""Which queries Server answers next, and what that is worth: simulated, so that the machine's load does not matter."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pytest
from server_simulation import MS, known, late, most

from loadfleet.loadgen.costs import Costs, Timed
from loadfleet.loadgen.waiting import Query, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LENGTHS = np.random.default_rng(3).lognormal(5.1, 0.4, 2_000).clip(30, 384).astype(int)
WIDTHS = (30, 100, 150, 200, 300, 384)


def flat(width: int, size: int) -> float:
    """A processor that is as fast with one sample as with many."""
    return 1.2 * MS + 0.136 * MS * width * size


def saving(width: int, size: int) -> float:
    """A call has a price of its own; a sample adds little."""
    return 3 * MS + 0.3 * MS * size


class InOrder:
    """One query after the other, as they came."""

    def __init__(self) -> None:
        self._queue: deque[Query] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, queries: Iterable[Query]) -> None:
        self._queue.extend(queries)

    def take(self, now: int, idle: int = 0) -> list[Query]:
        return [self._queue.popleft()]

    def learn(self, width: int, size: int, ns: int) -> None:
        """It knows nothing."""


def waiting(cost: Callable[[int, int], float] = saving, bound_ms: int = 100, largest: int = 8) -> Waiting:
    return Waiting(known(cost, WIDTHS, largest), bound_ms * MS, largest, 1 << 30)


def queries(*widths: int, arrived: int = 0) -> list[Query]:
    return [Query(number, number, width, arrived) for number, width in enumerate(widths)]


def taken(batch: list[Query]) -> list[int]:
    return [query.id for query in batch]


def test_nothing_waits() -> None:
    assert waiting().take(0) == []


def test_the_oldest_goes_first() -> None:
    one = waiting(flat)
    one.add(queries(384, 300, 384))
    assert [taken(one.take(0)) for _ in range(3)] == [[0], [1], [2]]
    assert len(one) == 0


def test_what_cannot_be_in_time_goes_last() -> None:
    one = waiting(flat)
    one.add(queries(384, 100))
    now = 60 * MS  # 384 tokens take 53 ms
    assert taken(one.take(now)) == [1]
    assert taken(one.take(now)) == [0]


def test_companions_join_when_that_saves_time() -> None:
    one = waiting()
    one.add(queries(*[100] * 12))
    assert taken(one.take(0)) == list(range(8))
    assert taken(one.take(0)) == [8, 9, 10, 11]


def test_a_companion_that_would_widen_the_batch_stays_in_its_place() -> None:
    one = waiting(lambda width, size: 3 * MS + 0.1 * MS * width * size, bound_ms=1_000)
    one.add(queries(30, 384, 30, 200))
    assert taken(one.take(0)) == [0, 2]
    assert taken(one.take(0)) == [1]
    assert taken(one.take(0)) == [3]


def test_no_companion_makes_the_oldest_late() -> None:
    one = waiting(bound_ms=10)
    one.add(queries(*[100] * 8))
    assert len(one.take(6 * MS)) == 1  # 4 ms are left, and a batch may take 12 % longer than 3 + 2 x 0.3
    assert len(one.take(5 * MS)) == 4


def test_other_free_instances_get_their_share() -> None:
    one = waiting()
    one.add(queries(*[100] * 4))
    assert [len(one.take(0, idle)) for idle in (2, 1, 0)] == [2, 1, 1]


def test_the_bounds_of_a_batch_hold() -> None:
    one = Waiting(known(saving, WIDTHS, 8), 100 * MS, 8, 250)
    one.add(queries(*[100] * 4))
    assert len(one.take(0)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_every_query_is_answered_once_whatever_the_load(seed: int) -> None:
    random, one = np.random.default_rng(seed), waiting(bound_ms=20)
    answered, now = [], 0
    for number in range(2_000):
        now += int(random.exponential(2 * MS))
        one.add([Query(number, number, int(random.integers(30, 384)), now)])
        if random.random() < 0.5:
            answered += taken(one.take(now, int(random.integers(0, 2))))
    while len(one):
        answered += taken(one.take(now))
    assert sorted(answered) == list(range(2_000))


@pytest.mark.parametrize(
    ("cost", "bound_ms", "gain"), [(flat, 130, 1.10), (saving, 15, 5.0)], ids=["nothing to save", "batches pay"]
)
def test_more_queries_are_in_time_than_one_after_the_other(
    cost: Callable[[int, int], float], bound_ms: int, gain: float
) -> None:
    alone = 2e9 / np.mean([cost(int(width), 1) for width in LENGTHS])

    def rate(queue: Callable[[], InOrder | Waiting]) -> float:
        def at(rate: float) -> float:
            return late(queue(), cost, LENGTHS, rate, bound_ms * MS, queries=5_000)[0]

        return most(at, alone / 5, alone * 16)

    plain, ours = rate(InOrder), rate(lambda: waiting(cost, bound_ms, 64))
    assert ours >= gain * plain, f"{ours / plain:.2f} times the rate"


def test_a_machine_slower_than_timed_loses_little() -> None:
    bound = 130 * MS
    timed = [Timed(width, 1, int(flat(width, 1) / 1.3)) for width in WIDTHS]

    def rate(queue: Callable[[], Waiting]) -> float:
        return most(lambda rate: late(queue(), flat, LENGTHS, rate, bound, queries=5_000)[0], 20, 100)

    assert rate(lambda: Waiting(Costs(timed, 1), bound, 1, 1 << 30)) >= 0.98 * rate(lambda: waiting(flat, 130, 1))
