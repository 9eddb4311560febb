"""From sample indices to LoadGen responses: sessions on pinned threads, answers in bulk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadfleet.backends.base import Session

if TYPE_CHECKING:
    from loadfleet.workloads.base import Dataset, Rows

SEED = 2026  # which samples warm up; LoadGen's own seeds choose what is measured
_SMALLEST = 8  # the last batches of a query are at least this part of a full one

Indices = NDArray[np.int64]
OpenSession = Callable[[int], Session]


@dataclass(frozen=True)
class Layout:
    """How the machine's cores are used.

    Attributes:
        instances: Sessions that run side by side.
        threads: Threads inside each session.
        batch_samples: Most samples in one call.
        batch_cost: Most padded cost units (of `Dataset.lengths`) in one call; a single sample may exceed it.
        width: Fixed width every batch is padded to; None pads to the longest sample of the batch.
        multiple: Without a fixed width, widths are rounded up to multiples of it, but not beyond the longest sample.
        free: Nobody asked for these instances and threads: a scheduler may trade the ones for the others.
    """

    instances: int
    threads: int
    batch_samples: int
    batch_cost: int
    width: int | None = None
    multiple: int = 1
    free: bool = False


@dataclass
class Progress:
    """Counters a monitor reads while the engine runs; units are the samples' costs (`Dataset.lengths`)."""

    answered: int = 0
    answered_units: int = 0
    expected: int = 0
    expected_units: int = 0
    failure: BaseException | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


def places(rows: Rows) -> list[tuple[int, int]]:
    """Address and size in bytes of each row: those of one array follow each other, those of a list have their own."""
    if isinstance(rows, np.ndarray):
        address, size = rows.__array_interface__["data"][0], rows.nbytes // max(1, len(rows))
        return [(address + row * size, size) for row in range(len(rows))]
    return [(row.__array_interface__["data"][0], row.nbytes) for row in rows]


def _turns(samples: Indices) -> NDArray[np.int64]:
    """How often each position's sample stands at a position before it."""
    order = np.argsort(samples, kind="stable")
    ranked = samples[order]
    first = np.maximum.accumulate(np.where(np.diff(ranked, prepend=-1) != 0, np.arange(len(ranked)), 0))
    turns = np.empty(len(samples), np.int64)
    turns[order] = np.arange(len(ranked)) - first
    return turns


def plan_batches(lengths: NDArray[np.int32], layout: Layout, samples: Indices | None = None) -> list[Indices]:
    """Positions 0..n-1 grouped into batches of similar length, longest first.

    Sorting keeps padding near zero; longest first lets the short batches fill the end. Where several instances take
    turns the last batches are smaller and smaller, so that none is idle for long while another ends.

    Args:
        lengths: int32 [n], the cost of each position.
        layout: Instances and batch limits.
        samples: int64 [n], the sample at each position. Among equal lengths neighbours in the data set come together
            then, each sample once before any comes again: such batches need not be copied (`prepared.Gather`).
    """
    keys = (-lengths,) if samples is None else (samples, _turns(samples), -lengths)  # the last sorts first
    order: Indices = np.lexsort(keys)
    count = len(order)
    widths = lengths[order] if layout.width is None else np.full(count, layout.width)
    if layout.width is None and layout.multiple > 1:
        widths = np.minimum(-(-widths // layout.multiple) * layout.multiple, widths.max(initial=1))
    left = np.cumsum(widths[::-1], dtype=np.int64)[::-1] if layout.instances > 1 else None
    turns = 2 * layout.instances
    batches, start = [], 0
    while start < count:
        size, cost = layout.batch_samples, layout.batch_cost
        if left is not None:
            size = min(size, max(-(-(count - start) // turns), size // _SMALLEST))
            cost = min(cost, max(int(left[start]) // turns, cost // _SMALLEST))
        end = start + max(1, min(size, cost // max(1, int(widths[start]))))
        batches.append(order[start:end])
        start = end
    return batches


class Engine:
    """Answers samples of one data set with one model.

    Args:
        dataset: Input batches and response rows.
        open_session: Called with a thread count, on the thread that will use the session.
        layout: Instances, threads and batch limits.
        lg: The module mlperf_loadgen, or anything with its two completion names.
        on_failure: Called once, on the failing thread, when a batch raises: LoadGen itself would wait for ever.
    """

    def __init__(
        self,
        dataset: Dataset,
        open_session: OpenSession,
        layout: Layout,
        lg: Any,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.dataset = dataset
        self.layout = layout
        self.progress = Progress()
        self._open_session = open_session
        self._opening = threading.Lock()
        self._opened: Session | None = None
        self._response = lg.QuerySampleResponse
        self._complete = lg.QuerySamplesComplete
        self._on_failure = on_failure
        self._longest = int(dataset.lengths.max(initial=1))

    def open(self) -> Session:
        """A session with the layout's threads, opened on the calling thread so that they inherit its pinning.

        Where the backend allows it, it shares the model with the session opened before.
        """
        with self._opening:
            if self._opened is None:
                self._opened = self._open_session(self.layout.threads)
                return self._opened
            shared = self._opened.clone()
        return self._open_session(self.layout.threads) if shared is None else shared

    def arrange(self, layout: Layout) -> None:
        """Use another layout. A session opened before that no other can share is let go."""
        if layout != self.layout or (self._opened is not None and self._opened.clone() is None):
            self._opened = None
        self.layout = layout

    def compute(self, session: Session, indices: Indices) -> Rows:
        """Response rows of a batch, without telling LoadGen: what warm-up and calibration use."""
        return self.dataset.respond(indices, session.run(self.dataset.batch(indices, self.width(indices))))

    def width(self, indices: Indices) -> int | None:
        """What a batch is padded to; None for its longest sample."""
        layout = self.layout
        if layout.width is not None or layout.multiple == 1:
            return layout.width
        longest = int(self.dataset.lengths[indices].max())
        wide = self.padded(longest)
        return wide if wide > longest else None

    def padded(self, length: int) -> int:
        """Width of a call whose longest sample has this cost."""
        layout = self.layout
        if layout.width is not None or layout.multiple == 1:
            return layout.width or length
        return max(length, min(-(-length // layout.multiple) * layout.multiple, self._longest))

    def answer(self, session: Session, ids: Sequence[int], *batches: Indices) -> int:
        """Compute batches, then hand all their responses to LoadGen in one call; returns the clock (ns) after it.

        Args:
            session: Runs each batch in one call.
            ids: LoadGen's of all samples, in the batches' order.
            batches: Sample indices.
        """
        try:
            rows = [self.compute(session, indices) for indices in batches]
        except BaseException as error:
            self.progress.failure = error
            self._on_failure(error)
            raise
        response = self._response
        located = chain.from_iterable(map(places, rows))
        self._complete([response(sample, *place) for sample, place in zip(ids, located, strict=True)])
        return time.perf_counter_ns()

    def lengths(self, indices: Indices) -> NDArray[np.int32]:
        """Cost of each sample."""
        return self.dataset.lengths[indices]


class Instances:
    """The engine's sessions, each on a thread pinned to its share of the cores.

    `task(session)` is called on every instance's thread until it returns False.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads: list[threading.Thread] = []
        self._sessions: list[Session] = []
        self._ready = threading.Barrier(engine.layout.instances + 1)
        self._error: BaseException | None = None

    def start(self, task: Callable[[Session], bool]) -> list[Session]:
        """Open one session per instance and start the threads; returns when all are loaded.

        Raises:
            LoadfleetError: A session could not be opened.
        """
        shares = core_shares(self._engine.layout.instances, self._engine.layout.threads)
        self._threads = [
            threading.Thread(target=self._serve, args=(cores, task), name=f"instance-{number}", daemon=True)
            for number, cores in enumerate(shares)
        ]
        for thread in self._threads:
            thread.start()
        try:
            self._ready.wait()
        except threading.BrokenBarrierError:
            if self._error is not None:
                raise self._error from None
            raise
        return self._sessions

    def join(self) -> None:
        """Wait until every thread's task has returned False."""
        for thread in self._threads:
            thread.join()

    def _serve(self, cores: set[int], task: Callable[[Session], bool]) -> None:
        try:
            os.sched_setaffinity(0, cores)
            session = self._engine.open()
            self._sessions.append(session)
        except BaseException as error:
            self._error = error
            self._ready.abort()
            return
        self._ready.wait()
        while task(session):
            pass


def core_shares(instances: int, threads: int) -> list[set[int]]:
    """The cores each instance may use: disjoint while there are enough, else all cores for everyone."""
    cores = sorted(os.sched_getaffinity(0))
    if instances * threads > len(cores):
        return [set(cores) for _ in range(instances)]
    return [set(cores[number * threads : (number + 1) * threads]) for number in range(instances)]


def sample_rate(engine: Engine, session: Session, batches: list[Indices], seconds: float) -> float:
    """Cost units a second of one instance over batches spread across the lengths, seen for `seconds`.

    The upper quintile of the batches counts: whatever else the machine does now may be over when the run begins.
    """
    rates, start = [], time.perf_counter()
    # In no order: however soon time is up, long and short batches have had their turns. Short ones again and again: a
    # look of some tenths of a second may fall into one bad moment as a whole.
    for number in cycle(np.random.default_rng(SEED).permutation(len(batches)).tolist()):
        before = time.perf_counter()
        engine.compute(session, batches[number])
        now = time.perf_counter()
        rates.append(int(engine.lengths(batches[number]).sum()) / (now - before))
        if now - start > seconds:
            break
    return float(np.quantile(rates, 0.8))
