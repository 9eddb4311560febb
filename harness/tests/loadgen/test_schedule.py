"""Schedulers with a model whose calls take a known time, and LoadGen's calls made by hand."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from loadfleet.backends.base import Session
from loadfleet.loadgen.engine import Engine, Layout, sample_rate
from loadfleet.loadgen.schedule import Scheduler, Server, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Data:
    """Samples of cost 1 to `count`; the answer is the sample's number."""

    def __init__(self, count: int = 50) -> None:
        self.count = count
        self.lengths = np.arange(1, count + 1, dtype=np.int32)

    def batch(self, indices: np.ndarray, width: int | None = None) -> dict[str, np.ndarray]:
        return {"x": indices}

    def respond(self, indices: np.ndarray, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return outputs["y"].astype(np.int64)[:, None]


class Timed(Session):
    """A call takes `seconds(samples)`."""

    def __init__(self, machine: Machine, threads: int) -> None:
        self.machine, self.threads = machine, threads

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.machine.calls.append((threading.current_thread().name, inputs["x"].tolist()))
        time.sleep(self.machine.seconds(len(inputs["x"]), self.threads))
        if self.machine.breaks:
            raise RuntimeError("out of order")
        return {"y": inputs["x"]}

    def describe(self) -> dict[str, Any]:
        return {}

    def clone(self) -> Session | None:
        return self if self.machine.shares else None


class Machine:
    """Counts what LoadGen would see."""

    def __init__(self, seconds: Callable[[int, int], float], *, shares: bool = False) -> None:
        self.seconds, self.shares, self.breaks = seconds, shares, False
        self.calls: list[tuple[str, list[int]]] = []
        self.opened: list[int] = []
        self._sessions: list[weakref.ref[Session]] = []
        self.answers: list[tuple[int, int]] = []
        self.handed: list[int] = []  # answers given at once
        self.failures: list[BaseException] = []

    def open(self, threads: int) -> Session:
        self.opened.append(threads)
        session = Timed(self, threads)
        self._sessions.append(weakref.ref(session))
        return session

    def alive(self) -> int:
        """Sessions that somebody still holds."""
        return sum(session() is not None for session in self._sessions)

    def complete(self, responses: list[tuple[int, int, int]]) -> None:
        self.handed.append(len(responses))
        self.answers += [(sample, np.ctypeslib.as_array(_pointer(place), (1,))[0]) for sample, place, _ in responses]

    def plan(self, scenario: str, layout: Layout, latency_ms: float = 100.0) -> Scheduler:
        lg = SimpleNamespace(QuerySampleResponse=lambda *values: values, QuerySamplesComplete=self.complete)
        engine = Engine(Data(), self.open, layout, lg, self.failures.append)  # type: ignore[arg-type]
        plan = scheduler(scenario, engine, latency_ms)
        if isinstance(plan, Server):
            # A busy machine must not decide which batches pay.
            plan._time = self.exactly  # type: ignore[method-assign]
        return plan

    def exactly(self, session: Session, indices: np.ndarray) -> int:
        """A call without the machine's noise, in ns."""
        session.run({"x": indices})
        return int(1e9 * self.seconds(len(indices), session.threads))


def _pointer(place: int) -> Any:
    import ctypes  # noqa: PLC0415

    return ctypes.cast(place, ctypes.POINTER(ctypes.c_int64))


def layout(instances: int = 2, threads: int = 1, most: int = 8, *, free: bool = False) -> Layout:
    return Layout(instances, threads, most, 1 << 30, free=free)


def run(plan: Scheduler, queries: list[list[int]], pause: float = 0.0) -> list[tuple[int, int]]:
    """Issue queries; returns what was asked as (id, sample)."""
    plan.load()
    plan.warm_up(0.05)
    asked, number = [], 1 << 47
    for query in queries:
        ids = list(range(number, number + len(query)))
        number += len(query)
        asked += list(zip(ids, query, strict=True))
        plan.issue(ids, query)
        time.sleep(pause)
    plan.flush()
    plan.close()
    return asked


@pytest.mark.parametrize(
    ("scenario", "queries"),
    [
        ("Offline", [list(range(50)) * 4]),
        ("Server", [[number % 50] for number in range(100)]),
        ("SingleStream", [[number] for number in range(20)]),
        ("MultiStream", [list(range(start, start + 8)) for start in range(0, 40, 8)]),
    ],
)
def test_every_sample_is_answered_once_with_its_own_answer(scenario: str, queries: list[list[int]]) -> None:
    machine = Machine(lambda size, _: 1e-4 + 1e-5 * size)
    single = scenario.endswith("Stream")
    plan = machine.plan(scenario, layout(1 if single else 2))
    asked = run(plan, queries)
    assert sorted(machine.answers) == sorted(asked)
    expected = len(queries) if scenario == "MultiStream" else len(asked)
    assert plan.latencies.milliseconds()[1].sum() == expected
    assert plan.engine.progress.answered == len(asked)


def test_offline_answers_short_calls_together_and_ends_with_single_ones() -> None:
    machine = Machine(lambda *_: 0.001)
    plan = machine.plan("Offline", layout(2, most=2))
    run(plan, [[45] * 2_000])
    assert max(machine.handed) >= 20  # of the 100 in 50 ms; fewer when the machine was slow in warm-up
    assert min(machine.handed) <= 2
    assert sum(machine.handed) == 2_000


def test_offline_answers_long_calls_one_by_one() -> None:
    machine = Machine(lambda *_: 0.04)
    plan = machine.plan("Offline", layout(2, most=2))
    run(plan, [[45] * 60])
    assert max(machine.handed) == 2


def test_multistream_answers_a_query_at_once() -> None:
    machine = Machine(lambda *_: 1e-4)
    run(machine.plan("MultiStream", layout(1, most=2)), [list(range(8))])
    assert machine.handed == [8]
    assert len([call for call in machine.calls if set(call[1]) <= set(range(8))]) >= 4


def test_latencies_are_those_of_the_calls() -> None:
    plan = Machine(lambda *_: 0.02).plan("SingleStream", layout(1))
    run(plan, [[1], [2], [3]])
    found, _ = plan.latencies.milliseconds()
    assert 20 <= found[0] <= found[-1] < 1_000


def test_server_batches_where_that_saves_time() -> None:
    machine = Machine(lambda *_: 0.01)
    plan = machine.plan("Server", layout(1))
    plan.load()
    plan.warm_up(0.5)
    machine.calls.clear()
    plan.issue(list(range(40)), [1] * 40)
    plan.close()
    assert [len(indices) for _, indices in machine.calls] == [8] * 5


def test_server_answers_alone_where_batches_save_nothing() -> None:
    machine = Machine(lambda size, _: 0.004 * size)
    plan = machine.plan("Server", layout(2))
    plan.load()
    plan.warm_up(0.2)
    machine.calls.clear()
    plan.issue(list(range(20)), [1] * 20)
    plan.close()
    assert [len(indices) for _, indices in machine.calls] == [1] * 20
    assert len({thread for thread, _ in machine.calls}) == 2


@pytest.mark.parametrize(
    ("latency_ms", "seconds", "expected"),
    [
        (100.0, lambda _, threads: 0.02 / threads, (4, 1)),  # there is time enough on one thread
        (20.0, lambda _, threads: 0.02 / threads, (2, 2)),
        (1.0, lambda _, threads: 0.02 / threads, (1, 4)),
        (1.0, lambda *_: 0.02, (4, 1)),  # more threads are of no use
    ],
)
def test_server_gives_a_call_more_threads_only_where_its_bound_needs_them(
    monkeypatch: pytest.MonkeyPatch,
    latency_ms: float,
    seconds: Callable[[int, int], float],
    expected: tuple[int, int],
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)
    plan = Machine(seconds).plan("Server", layout(4, free=True), latency_ms)
    plan.load()
    assert (plan.engine.layout.instances, plan.engine.layout.threads) == expected
    plan.warm_up(0.01)
    plan.close()


def test_what_a_user_asked_for_stays() -> None:
    plan = Machine(lambda _, threads: 0.02 / threads).plan("Server", layout(2, 1), 1.0)
    plan.load()
    assert (plan.engine.layout.instances, plan.engine.layout.threads) == (2, 1)
    plan.warm_up(0.01)
    plan.close()


@pytest.mark.parametrize(("shares", "loads"), [(True, 1), (False, 3)])
def test_a_model_is_loaded_once_where_sessions_can_share_it(shares: bool, loads: int) -> None:
    machine = Machine(lambda *_: 1e-4, shares=shares)
    run(machine.plan("Offline", layout(3)), [[1, 2, 3]])
    assert machine.opened == [1] * loads


@pytest.mark.parametrize(("shares", "loads"), [(True, 1), (False, 3)])
def test_the_session_that_chose_the_threads_is_used_or_let_go(shares: bool, loads: int) -> None:
    machine = Machine(lambda *_: 1e-4, shares=shares)
    plan = machine.plan("Server", layout(2, free=True))
    plan.load()
    assert machine.opened == [1] * loads
    gc.collect()
    assert machine.alive() == loads - (not shares)
    plan.warm_up(0.01)
    plan.close()


def test_a_model_that_cannot_be_loaded_ends_the_start() -> None:
    machine = Machine(lambda *_: 1e-4)
    plan = machine.plan("Offline", layout(2))

    def fail(_: int) -> Session:
        raise ValueError("no such model")

    plan.engine._open_session = fail
    with pytest.raises(ValueError, match="no such model"):
        plan.load()


def test_a_model_that_breaks_in_warm_up_ends_it() -> None:
    machine = Machine(lambda *_: 1e-4)
    machine.breaks = True
    plan = machine.plan("Server", layout(2))
    plan.load()
    with pytest.raises(RuntimeError, match="out of order"):
        plan.warm_up(0.1)


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream"])
def test_the_estimate_of_a_stream_is_its_undisturbed_latency(scenario: str) -> None:
    plan = Machine(lambda size, _: 0.002 * size).plan(scenario, layout(1))
    plan.load()
    samples = 8 if scenario == "MultiStream" else 1
    assert 2.0 * samples <= plan.warm_up(0.2) < 8.0 * samples


def test_the_estimate_of_offline_is_its_rate() -> None:
    plan = Machine(lambda size, _: 0.002 * size).plan("Offline", layout(2))
    plan.load()
    assert 200 < plan.warm_up(0.3) < 2_000  # of samples that cost the same it would be 1,000
    plan.close()


@pytest.mark.parametrize("slow_s", [0.0, 0.6])
def test_short_calls_are_looked_at_for_longer_than_a_bad_moment(monkeypatch: pytest.MonkeyPatch, slow_s: float) -> None:
    """Ten batches of 1 ms, five times as slow while somebody else has the processor."""
    now = [100.0]
    monkeypatch.setattr("loadfleet.loadgen.engine.time", SimpleNamespace(perf_counter=lambda: now[0]))

    def compute(*_: Any) -> None:
        now[0] += 0.005 if now[0] < 100 + slow_s else 0.001

    looked = SimpleNamespace(compute=compute, lengths=np.ones_like)
    batches = [np.arange(4 * i, 4 * i + 4) for i in range(10)]
    assert sample_rate(cast("Engine", looked), cast("Session", None), batches, 1.0) == pytest.approx(4000)
    assert 1.0 < now[0] - 100 < 1.01
