"""One scheduler per scenario between LoadGen's two callbacks and the engine.

`load` opens the sessions. `warm_up` runs real batches and returns an estimate: samples a second (Offline, Server) or
the mean latency in ms of an undisturbed query (SingleStream, MultiStream). LoadGen needs it to generate enough queries.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import queue
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loadfleet.loadgen.costs import Costs, Timed
from loadfleet.loadgen.engine import Engine, Indices, Instances, Layout, core_shares, plan_batches, sample_rate
from loadfleet.loadgen.latencies import Latencies
from loadfleet.loadgen.waiting import Query, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loadfleet.backends.base import Session

_WIDTHS = (1.0, 0.0, 0.5, 0.25, 0.75, 0.95)  # quantiles of the samples' costs at which Server times calls
_PAYS = 0.97  # twice as many samples in a call have to take less than this much of two calls
# On one thread 99 of 100 samples alone must take less than this part of Server's bound, else a call gets more threads.
# With less, as many instances as cores answer more queries in time (docs/engine.md).
_ROOM = 0.75
_PAUSE_S = 0.02  # between calls that are timed alone: as in a run, they find caches that others have used
_QUERIES = 32  # that warm up SingleStream and MultiStream
_GOLDEN = 0.618034  # multiples of the golden ratio are even wherever one stops
_ROUND_S = 0.05  # Offline's calls shorter than this go together, up to this
_FASTER = 0.8  # twice as many threads have to take less than this much of the time


class Scheduler(ABC):
    """Issues batches to the engine for one scenario.

    Attributes:
        latencies: Of queries in MultiStream, of samples elsewhere, from their issue to their answer.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.latencies = Latencies()

    @abstractmethod
    def load(self) -> None:
        """Open the sessions."""

    @abstractmethod
    def warm_up(self, seconds: float = 3.0) -> float:
        """Run real batches for about `seconds`, return the estimate described in the module."""

    @abstractmethod
    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """LoadGen's issue callback."""

    def flush(self) -> None:
        """LoadGen's flush callback: everything has been issued."""

    def close(self) -> None:
        """After the run: end the threads."""


class _Pooled(Scheduler):
    """What Offline and Server share: instances on threads of their own, which rate themselves before they work."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._begin, self._go = threading.Event(), threading.Event()
        self._rates: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._rated = threading.local()
        self._seconds = 0.0

    def load(self) -> None:
        self._instances = Instances(self.engine)
        self._instances.start(self._task)

    def warm_up(self, seconds: float = 3.0) -> float:
        self._seconds = seconds
        self._begin.set()
        rate = sum(self._rates.get() for _ in range(self.engine.layout.instances))
        if self.engine.progress.failure:
            raise self.engine.progress.failure
        self._prepare()
        self._go.set()
        return rate

    def _prepare(self) -> None:
        """All instances are rated; none works yet."""

    def _task(self, session: Session) -> bool:
        if not getattr(self._rated, "done", False):
            self._rated.done = True
            self._begin.wait()
            try:
                self._rates.put(self._rate(session, self._seconds))
            except BaseException as error:
                self.engine.progress.failure = error
                self._rates.put(0.0)
                return False
            self._go.wait()
        return self._work(session)

    @abstractmethod
    def _rate(self, session: Session, seconds: float) -> float:
        """Samples a second of one instance. All run at the same time, as in the measured run."""

    @abstractmethod
    def _work(self, session: Session) -> bool:
        """Answer one batch; False ends the thread."""

    def close(self) -> None:
        self._instances.join()


class _Round(NamedTuple):
    """Calls whose answers LoadGen gets together: its clock at their issue (ns), their samples' ids, samples and cost.

    All of it made when they are issued: after a call the interpreter's caches are cold, and every step costs more.
    """

    issued: int
    ids: list[int]
    calls: list[Indices]
    units: int


class Offline(_Pooled):
    """Everything at once: sorted by length, cut into batches, taken by whichever instance is free.

    Short calls are taken several at a time, and answered together: what is around them then costs little beside them.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._rounds: queue.SimpleQueue[_Round | None] = queue.SimpleQueue()
        self._speeds: list[float] = []  # units a second, of each instance

    def _rate(self, session: Session, seconds: float) -> float:
        lengths = self.engine.dataset.lengths
        batches = plan_batches(lengths, self.engine.layout)
        self.engine.compute(session, batches[0])  # the longest: memory is there for all others
        speed = sample_rate(self.engine, session, batches, seconds)
        self._speeds.append(speed)
        return speed / float(lengths.mean())

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        now = time.perf_counter_ns()
        numbers, samples = np.array(ids, np.uint64), np.array(indices, np.int64)
        lengths = self.engine.lengths(samples)
        self.engine.progress.expected += len(samples)
        self.engine.progress.expected_units += int(lengths.sum(dtype=np.int64))
        batches = plan_batches(lengths, self.engine.layout, samples)
        costs = [int(lengths[batch].sum(dtype=np.int64)) for batch in batches]
        for calls in self._together(costs):
            ids_of = [number for batch in batches[calls] for number in numbers[batch].tolist()]
            self._rounds.put(_Round(now, ids_of, [samples[batch] for batch in batches[calls]], sum(costs[calls])))

    def _together(self, costs: Sequence[int]) -> Iterator[slice]:
        """Which calls, of these costs, make a round; the last rounds are smaller, as the last batches are."""
        most, turns = _ROUND_S * min(self._speeds, default=0.0), 2 * self.engine.layout.instances
        start, left = 0, sum(costs)
        while start < len(costs):
            limit, end, cost = min(most, left / turns), start + 1, costs[start]
            while end < len(costs) and cost + costs[end] <= limit:
                cost += costs[end]
                end += 1
            yield slice(start, end)
            start, left = end, left - cost

    def _work(self, session: Session) -> bool:
        work = self._rounds.get()
        if work is None:
            return False
        now = self.engine.answer(session, work.ids, *work.calls)
        progress = self.engine.progress
        with progress.lock:
            self.latencies.add(now - work.issued, len(work.ids))
            progress.answered += len(work.ids)
            progress.answered_units += work.units
        return True

    def close(self) -> None:
        for _ in range(self.engine.layout.instances):
            self._rounds.put(None)
        super().close()


class Server(_Pooled):
    """Dynamic batching that knows what calls take and never waits; see `Waiting`."""

    def __init__(self, engine: Engine, latency_ms: float) -> None:
        super().__init__(engine)
        self._bound = int(latency_ms * 1e6)
        self._condition = threading.Condition()
        self._timed: list[Timed] = []
        self._idle = 0
        self._closed = False

    def load(self) -> None:
        if self.engine.layout.free:
            self._choose_threads()
        super().load()

    def _choose_threads(self) -> None:
        """More threads for a call, and fewer instances, while one call takes too long for the bound."""
        cores = len(os.sched_getaffinity(0))
        sample = np.array([self._sample(0.99)], np.int64)
        best, before = self.engine.layout, float("inf")
        threads = best.threads
        while threads <= cores:
            tried = dataclasses.replace(best, threads=threads, instances=max(1, cores // threads))
            taken = _on_cores(lambda layout=tried: self._alone(layout, sample), threads)  # type: ignore[misc]
            if taken > _FASTER * before:
                break
            best, before = tried, taken
            if taken < _ROOM * self._bound:
                break
            threads *= 2
        self.engine.arrange(best)

    def _alone(self, layout: Layout, sample: Indices) -> int:
        """Nanoseconds of a call with one sample after a pause, the median of five."""
        self.engine.arrange(layout)
        session = self.engine.open()
        self.engine.compute(session, sample)
        taken = []
        for _ in range(5):
            time.sleep(_PAUSE_S)
            taken.append(self._time(session, sample))
        return sorted(taken)[2]

    def _sample(self, quantile: float) -> int:
        """The sample at a quantile of the costs."""
        lengths = self.engine.dataset.lengths
        place = round(quantile * (len(lengths) - 1))
        return int(np.argpartition(lengths, place)[place])

    def _time(self, session: Session, indices: Indices) -> int:
        before = time.perf_counter_ns()
        self.engine.compute(session, indices)
        return time.perf_counter_ns() - before

    def _width(self, index: int) -> int:
        return self.engine.padded(int(self.engine.dataset.lengths[index]))

    def _rate(self, session: Session, seconds: float) -> float:
        """Times calls of some widths alone, then with more and more samples where that saves time."""
        layout, end = self.engine.layout, time.perf_counter() + seconds
        samples = {self._width(index): index for index in map(self._sample, _WIDTHS)}
        self.engine.compute(session, np.array([samples[max(samples)]], np.int64))  # memory is there for all others
        alone: dict[int, list[int]] = {}
        for width, index in samples.items():
            if len(alone) < 3 or time.perf_counter() < end:
                alone[width] = [self._call(session, width, index, 1)]
        last, size = {width: taken for width, (taken,) in alone.items()}, 2
        while last and size <= layout.batch_samples:
            for width, before in list(last.items()):
                if width * size > layout.batch_cost or 2 * before > self._bound or time.perf_counter() > end:
                    del last[width]
                    continue
                last[width] = self._call(session, width, samples[width], size)
                if last[width] > _PAYS * 2 * before:
                    del last[width]
            size *= 2
        if layout.multiple > 1:
            self._meet_widths(session, end)
        # What time is left makes the rate surer: of short calls two alone tell little.
        widths = sorted(alone)
        for width in itertools.cycle(widths):
            if time.perf_counter() > end:
                break
            alone[width].append(self._call(session, width, samples[width], 1))
        lengths = self.engine.dataset.lengths if layout.width is None else np.array([layout.width])
        return 1e9 / float(np.interp(lengths, widths, [np.median(alone[width]) for width in widths]).mean())

    def _meet_widths(self, session: Session, end: float) -> None:
        """A call of each width while there is time: backends with few widths prepare something for each."""
        lengths = self.engine.dataset.lengths
        _, samples = np.unique(-(-lengths // self.engine.layout.multiple), return_index=True)
        for sample in samples[::-1]:
            if time.perf_counter() > end:
                break
            self.engine.compute(session, np.array([sample], np.int64))

    def _call(self, session: Session, width: int, index: int, size: int) -> int:
        """Nanoseconds of a call with so many copies of a sample, the shorter of two; noted."""
        batch = np.full(size, index, np.int64)
        taken = min(self._time(session, batch) for _ in range(2))
        with self._condition:
            self._timed.append(Timed(width, size, taken))
        return taken

    def _prepare(self) -> None:
        layout = self.engine.layout
        costs = Costs(self._timed, layout.batch_samples)
        self._waiting = Waiting(costs, self._bound, layout.batch_samples, layout.batch_cost)

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        now = time.perf_counter_ns()
        with self._condition:
            self._waiting.add(self._queries(ids, indices, now))
            self._condition.notify(len(ids))

    def _queries(self, ids: Sequence[int], indices: Sequence[int], now: int) -> Iterator[Query]:
        for sample, index in zip(ids, indices, strict=True):
            yield Query(sample, index, self._width(index), now)

    def _work(self, session: Session) -> bool:
        with self._condition:
            while not (batch := self._waiting.take(time.perf_counter_ns(), self._idle)):
                if self._closed:
                    return False
                self._idle += 1
                self._condition.wait()
                self._idle -= 1
        begin = time.perf_counter_ns()
        now = self.engine.answer(session, [query.id for query in batch], np.array([query.sample for query in batch]))
        with self._condition:
            self._waiting.learn(max(query.width for query in batch), len(batch), now - begin)
            for query in batch:
                self.latencies.add(now - query.arrived)
            self.engine.progress.answered += len(batch)
        return True

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        super().close()


class Stream(Scheduler):
    """SingleStream and MultiStream: straight through on LoadGen's own thread, one session with all threads."""

    def __init__(self, engine: Engine, samples_per_query: int) -> None:
        super().__init__(engine)
        self._samples = samples_per_query

    def load(self) -> None:
        self._session = self.engine.open()

    def warm_up(self, seconds: float = 3.0) -> float:
        start, count = time.perf_counter(), self.engine.dataset.count
        order = np.argsort(self.engine.dataset.lengths, kind="stable")[::-1].astype(np.int64)
        self._compute(order[: self._samples])  # the longest: memory is there for all others
        taken: list[float] = []
        while len(taken) < _QUERIES and (not taken or time.perf_counter() - start < seconds):
            # Evenly over the lengths, in an order that is even whenever it stops.
            offset = len(taken) * _GOLDEN % 1
            query = order[((np.arange(self._samples) + offset) * count / self._samples).astype(np.int64)]
            taken.append(min(self._compute(query) for _ in range(2)))
        return float(np.mean(taken)) * 1e3

    def _compute(self, query: Indices) -> float:
        """Seconds of a query."""
        before = time.perf_counter()
        for batch in self._split(query):
            self.engine.compute(self._session, query[batch])
        return time.perf_counter() - before

    def _split(self, query: Indices) -> list[Indices]:
        if len(query) == 1:
            return [np.zeros(1, np.int64)]
        return plan_batches(self.engine.lengths(query), self.engine.layout)

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        issued = time.perf_counter_ns()
        query = np.array(indices, np.int64)
        if len(ids) == 1:
            now = self.engine.answer(self._session, ids, query)
        else:
            batches = self._split(query)
            ordered = [ids[position] for batch in batches for position in batch.tolist()]
            now = self.engine.answer(self._session, ordered, *(query[batch] for batch in batches))
        self.latencies.add(now - issued)
        self.engine.progress.answered += len(ids)


def _on_cores(function: Callable[[], int], count: int) -> int:
    """Call a function on a thread of its own that may use so many cores, as an instance's does."""
    found: list[int] = []
    failed: list[BaseException] = []

    def call() -> None:
        try:
            os.sched_setaffinity(0, core_shares(1, count)[0])
            found.append(function())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=call, name="trial")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def scheduler(scenario: str, engine: Engine, latency_ms: float) -> Scheduler:
    """The scheduler of a scenario.

    Args:
        scenario: Offline, Server, SingleStream or MultiStream.
        engine: What answers.
        latency_ms: Server's bound; the others have none.
    """
    if scenario == "Offline":
        return Offline(engine)
    if scenario == "Server":
        return Server(engine, latency_ms)
    return Stream(engine, 8 if scenario == "MultiStream" else 1)
