"""One scheduler per scenario between LoadGen's two callbacks and the engine.

`warm_up` runs real batches first and returns an estimate: samples a second (Offline, Server) or the shortest
latency seen in ms (SingleStream, MultiStream). LoadGen needs it to generate enough queries.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from loadfleet.loadgen.engine import Engine, Indices, Instances, plan_batches, sample_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadfleet.backends.base import Session

_SEED = 2026  # which samples warm up; LoadGen's own seeds choose what is measured


class Scheduler(ABC):
    """Issues batches to the engine for one scenario."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @abstractmethod
    def warm_up(self, seconds: float = 3.0) -> float:
        """Load the sessions, run real batches for about `seconds`, return the estimate described in the module."""

    @abstractmethod
    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """LoadGen's issue callback."""

    def flush(self) -> None:
        """LoadGen's flush callback: everything has been issued."""

    def close(self) -> None:
        """After the run: end the threads."""


class _Pooled(Scheduler):
    """What Offline and Server share: instances on threads of their own."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._instances = Instances(engine)
        self._rates: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._calibrated = threading.local()
        self._seconds = 0.0

    def _calibrate(self, session: Session) -> None:
        """Runs at the same time on every instance, as the measured run will."""
        batches = self._calibration_batches()
        for batch in (batches[0], batches[len(batches) // 2], batches[-1]):
            self.engine.compute(session, batch)
        self._rates.put(sample_rate(self.engine, session, batches, self._seconds))

    def _calibration_batches(self) -> list[Indices]:
        return plan_batches(self.engine.dataset.lengths, self.engine.layout)

    def warm_up(self, seconds: float = 3.0) -> float:
        self._seconds = seconds
        self._instances.start(self._task)
        units = sum(self._rates.get() for _ in range(self.engine.layout.instances))
        if self.engine.progress.failure:
            raise self.engine.progress.failure
        return units / float(self.engine.dataset.lengths.mean())

    def _task(self, session: Session) -> bool:
        if not getattr(self._calibrated, "done", False):
            self._calibrated.done = True
            try:
                self._calibrate(session)
            except BaseException as error:
                self.engine.progress.failure = error
                self._rates.put(0.0)
                return False
        return self._work(session)

    @abstractmethod
    def _work(self, session: Session) -> bool:
        """Answer one batch; False ends the thread."""

    def close(self) -> None:
        self._instances.join()


class Offline(_Pooled):
    """Everything at once: sorted by length, cut into batches, taken by whichever instance is free."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._batches: queue.SimpleQueue[tuple[list[int], Indices] | None] = queue.SimpleQueue()

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        samples = np.asarray(indices, np.int64)
        lengths = self.engine.lengths(samples)
        self.engine.progress.expected += len(samples)
        self.engine.progress.expected_units += int(lengths.sum())
        for batch in plan_batches(lengths, self.engine.layout):
            self._batches.put(([ids[position] for position in batch.tolist()], samples[batch]))

    def _work(self, session: Session) -> bool:
        batch = self._batches.get()
        if batch is None:
            return False
        self.engine.answer(session, *batch)
        return True

    def close(self) -> None:
        for _ in range(self.engine.layout.instances):
            self._batches.put(None)
        super().close()


class Server(_Pooled):
    """Dynamic batching that never waits: a free instance takes the oldest query and as many more as fit its slack.

    The cost of a batch is predicted from the calibrated rate, so a batch never grows beyond what the oldest query can
    still afford.
    """

    def __init__(self, engine: Engine, latency_ms: float) -> None:
        super().__init__(engine)
        self._latency = latency_ms / 1e3
        self._waiting: deque[tuple[int, int, float]] = deque()
        self._condition = threading.Condition()
        self._closed = False
        self._unit_s = 0.0

    def warm_up(self, seconds: float = 3.0) -> float:
        rate = super().warm_up(seconds)
        instances = self.engine.layout.instances
        self._unit_s = instances / (rate * float(self.engine.dataset.lengths.mean()))
        return rate

    def _calibration_batches(self) -> list[Indices]:
        # Poisson arrivals mostly find a short queue: rate the machine on single samples.
        chosen = np.random.default_rng(_SEED).permutation(self.engine.dataset.count)[:256]
        return [np.array([index], np.int64) for index in chosen]

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        now = time.perf_counter()
        with self._condition:
            self._waiting.extend((sample, index, now) for sample, index in zip(ids, indices, strict=True))
            self._condition.notify(len(ids))

    def _work(self, session: Session) -> bool:
        with self._condition:
            while not self._waiting:
                if self._closed:
                    return False
                self._condition.wait()
            batch = self._take()
        self.engine.answer(session, [sample for sample, _ in batch], np.array([index for _, index in batch], np.int64))
        return True

    def _take(self) -> list[tuple[int, int]]:
        layout, lengths = self.engine.layout, self.engine.dataset.lengths
        sample, index, arrived = self._waiting.popleft()
        batch, width = [(sample, index)], int(lengths[index])
        slack = self._latency - (time.perf_counter() - arrived)
        while self._waiting and len(batch) < layout.batch_samples:
            width = max(width, int(lengths[self._waiting[0][1]]))
            units = width * (len(batch) + 1)
            if units > layout.batch_cost or units * self._unit_s > slack / 2:
                break
            sample, index, _ = self._waiting.popleft()
            batch.append((sample, index))
        return batch

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
        self._session: Session | None = None

    def warm_up(self, seconds: float = 3.0) -> float:
        self._session = self.engine.open()
        order = np.random.default_rng(_SEED).permutation(self.engine.dataset.count)
        shortest, start = float("inf"), time.perf_counter()
        for position in range(0, 64 * self._samples, self._samples):
            query = order.take(range(position, position + self._samples), mode="wrap").astype(np.int64)
            before = time.perf_counter()
            for batch in self._split(query):
                self.engine.compute(self._session, query[batch])
            shortest = min(shortest, time.perf_counter() - before)
            if time.perf_counter() - start > seconds:
                break
        return shortest * 1e3

    def _split(self, query: Indices) -> list[Indices]:
        if len(query) == 1:
            return [np.zeros(1, np.int64)]
        return plan_batches(self.engine.lengths(query), self.engine.layout)

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        session = self._session
        if session is None:
            raise RuntimeError("issue before warm_up")
        query = np.asarray(indices, np.int64)
        if len(ids) == 1:
            self.engine.answer(session, ids, query)
            return
        for batch in self._split(query):
            self.engine.answer(session, [ids[position] for position in batch.tolist()], query[batch])


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
