"""What the harness is compared with, each called in a process of its own by `benchmarks.child`.

`bare_*` is the limit: the same sessions on the same cores over the very batches of the harness, inputs made beforehand,
nothing around them. `reference_*` is in the manner of MLCommons' reference harness for BERT: every sample padded to the
full width, one a call, each in a Python thread of its own, a session of onnxruntime with its defaults.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet import backends, workloads
from loadfleet.catalogue import rounds
from loadfleet.cell import sessions
from loadfleet.loadgen import run as loadgen
from loadfleet.loadgen.engine import Engine, core_shares, plan_batches
from loadfleet.loadgen.logs import DetailLog
from loadfleet.loadgen.schedule import scheduler
from loadfleet.loadgen.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from loadfleet.workloads import Dataset

Cell = dict[str, Any]


class Plain:
    """A SUT that is one function: ids, indices and the module mlperf_loadgen."""

    def __init__(self, answer: Callable[[Sequence[int], Sequence[int], Any], None], lg: Any) -> None:
        self._answer, self._lg = answer, lg

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """LoadGen's issue callback."""
        self._answer(ids, indices, self._lg)

    def flush(self) -> None:
        """LoadGen's flush callback."""

    def close(self) -> None:
        """After the run."""


def dataset(cell: Cell) -> Dataset:
    """The cell's data set."""
    return workloads.load(cell["workload"]).open(Path(cell["dataset"]["path"]))


def engine(cell: Cell, data: Dataset, lg: Any) -> Engine:
    """The harness' engine for a cell; a batch that raises ends the process."""

    def fail(error: BaseException) -> None:
        print(error, flush=True)
        os._exit(1)

    return sessions.engine(cell, data, backends.load(cell["backend"]["name"]), lg, fail)


def with_loadgen(cell: Cell, sut: Any, values: dict[str, float], count: int | None = None) -> DetailLog:
    """A performance run of the cell's scenario by LoadGen. Once a process.

    Args:
        cell: Names scenario, round and data set.
        sut: issue, flush and close.
        values: Keys of user.conf.
        count: Samples of the data set, where it is not the cell's.
    """
    lg = loadgen.module()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = dict(rounds.load(cell["round"]).seeds.items())
        asked = Settings(cell["loadgen"]["model"], cell["scenario"], "performance", values, seeds)
        settings = asked.apply(lg, folder / "user.conf")
        count = count or cell["dataset"]["samples"]
        loadgen.run(lg, settings, sut, count, count, folder)
        return DetailLog.read(folder / "mlperf_log_detail.txt")


def counted(cell: Cell) -> dict[str, float]:
    """Keys of user.conf that end a run after the cell's number of queries, whatever the time."""
    values = {"min_duration": 1.0, "min_query_count": float(cell["loadgen"]["query_count"])}
    rate = {"Offline": "target_qps", "Server": "target_qps"}.get(cell["scenario"], "target_latency")
    return {rate: 1.0, **values}


def issued(cell: Cell) -> list[int]:
    """Sample indices in the order LoadGen issues them: its seeds make them the same in every run of the cell."""
    found: list[int] = []

    def note(ids: Sequence[int], indices: Sequence[int], lg: Any) -> None:
        found.extend(indices)
        lg.QuerySamplesComplete([lg.QuerySampleResponse(sample, 0, 0) for sample in ids])

    with_loadgen(cell, Plain(note, loadgen.module()), counted(cell))
    return found


def model_load(cell: Cell) -> float:
    """Seconds in which the harness loads the model into all its sessions."""
    plan = scheduler(cell["scenario"], engine(cell, dataset(cell), loadgen.module()), 1e3)
    before = time.perf_counter()
    plan.load()
    return time.perf_counter() - before


def bare_offline(cell: Cell, indices: list[int]) -> float:
    """Samples a second of nothing but the sessions' calls."""
    data, chosen = dataset(cell), np.array(indices, np.int64)
    data.load(indices)
    # Sessions and widths are those of the harness; LoadGen is not called.
    harness = engine(cell, data, loadgen.module())
    batches = [chosen[places] for places in plan_batches(data.lengths[chosen], harness.layout, chosen)]
    # Each in memory of its own: a data set may use its memory again for the next one.
    inputs = [
        {name: array.copy() for name, array in data.batch(batch, harness.width(batch)).items()} for batch in batches
    ]
    return len(indices) / _raced(harness, inputs)


def _raced(harness: Engine, batches: Sequence[Any]) -> float:
    """Seconds in which the instances work through batches, each taking the next when it is free."""
    layout = harness.layout
    warm = batches[:: max(1, len(batches) // 8)]
    waiting = iter(range(len(batches)))
    lock, gate = threading.Lock(), threading.Barrier(layout.instances + 1)

    def instance(cores: set[int]) -> None:
        os.sched_setaffinity(0, cores)
        session = harness.open()
        for batch in warm:
            session.run(batch)
        gate.wait()
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                break
            session.run(batches[number])
        gate.wait()

    for cores in core_shares(layout.instances, layout.threads):
        threading.Thread(target=instance, args=(cores,), daemon=True).start()
    gate.wait()
    start = time.perf_counter()
    gate.wait()
    return time.perf_counter() - start


def bare_calls(cell: Cell, indices: list[int]) -> list[float]:
    """Milliseconds of one call for each sample, alone, not padded, on all cores; in the order of `indices`."""
    data = dataset(cell)
    harness = engine(cell, data, loadgen.module())
    session = harness.open()
    data.load(indices)
    inputs = [data.batch(one, harness.width(one)) for one in np.array(indices, np.int64)[:, None]]
    for one in inputs[: max(8, len(inputs) // 8)]:
        session.run(one)
    return _times(session.run, inputs)


def _times(call: Callable[[Any], object], inputs: Sequence[Any]) -> list[float]:
    """Milliseconds of each call, one after the other."""
    times = []
    for one in inputs:
        before = time.perf_counter_ns()
        call(one)
        times.append((time.perf_counter_ns() - before) / 1e6)
    return times


class Reference:
    """The reference manner.

    At most so many samples at a time as there are cores: more threads only take the interpreter from each other.
    """

    def __init__(self, cell: Cell) -> None:
        import onnxruntime  # noqa: PLC0415  (only the reference manner needs it, whatever the cell's backend)

        self._data = dataset(cell)
        self._width = int(self._data.lengths.max())
        self._session = onnxruntime.InferenceSession(
            cell["model"]["path"], onnxruntime.SessionOptions(), providers=["CPUExecutionProvider"]
        )
        self._names = {graph: name for name, graph in cell["model"]["inputs"].items()}
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._room = threading.Semaphore(len(os.sched_getaffinity(0)))

    def warm_up(self) -> None:
        """Some calls at the full width."""
        for index in range(4):
            self.one(index)

    def one(self, index: int) -> NDArray[Any]:
        """The response of one padded sample."""
        chosen = np.array([index], np.int64)
        inputs = self._data.batch(chosen, self._width)
        scores = self._session.run(self._outputs, {graph: inputs[name] for graph, name in self._names.items()})
        row: NDArray[Any] = np.stack(scores, axis=-1)[0]
        return row

    def issue(self, ids: Sequence[int], indices: Sequence[int], lg: Any) -> None:
        """A thread for each sample."""
        for sample, index in zip(ids, indices, strict=True):
            self._room.acquire()
            threading.Thread(target=self._answer, args=(sample, index, lg)).start()

    def _answer(self, sample: int, index: int, lg: Any) -> None:
        try:
            row = self.one(index)
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample, row.ctypes.data, row.nbytes)])
        finally:
            self._room.release()


def reference_offline(cell: Cell) -> float:
    """Offline samples a second of the reference manner, by LoadGen."""
    sut = Reference(cell)
    sut.warm_up()
    return with_loadgen(cell, Plain(sut.issue, loadgen.module()), counted(cell)).metric("Offline")


def reference_calls(cell: Cell, indices: list[int]) -> list[float]:
    """Milliseconds of each of these samples, alone, in the reference manner."""
    sut = Reference(cell)
    sut.warm_up()
    return _times(sut.one, indices)


def reference_server(cell: Cell, rate: float, latency_ms: float) -> dict[str, Any]:
    """A Server run of the reference manner at a rate; what the detail log says, as `server.outcome` wants it."""
    sut = Reference(cell)
    sut.warm_up()
    values = {**counted(cell), "target_qps": rate, "target_latency": latency_ms}
    return with_loadgen(cell, Plain(sut.issue, loadgen.module()), values).values


class Chosen:
    """Some samples of a data set, in any order and as often as wanted, as a data set of its own."""

    def __init__(self, data: Dataset, indices: NDArray[np.int64]) -> None:
        self._data, self._indices = data, indices
        self.count = len(indices)
        self.lengths: NDArray[np.int32] = data.lengths[indices]

    def load(self, indices: Sequence[int]) -> None:
        """As of the data set."""
        self._data.load(self._indices[list(indices)].tolist())

    def batch(self, indices: NDArray[np.int64], width: int | None = None) -> dict[str, NDArray[Any]]:
        """As of the data set."""
        return self._data.batch(self._indices[indices], width)

    def respond(self, indices: NDArray[np.int64], outputs: Any) -> Any:
        """As of the data set."""
        return self._data.respond(self._indices[indices], outputs)


def evenly(data: Dataset, count: int) -> NDArray[np.int64]:
    """Indices spread evenly over the data set, all lengths in their shares; repeated where it is smaller."""
    places: NDArray[np.int64] = np.arange(count, dtype=np.int64)
    return places * data.count // count if count < data.count else places % data.count
