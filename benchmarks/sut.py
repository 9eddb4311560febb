"""One measurement in a process of its own: `python -m benchmarks.sut PART SETUP.json` prints its samples per second.

Parts: `indices` (which samples LoadGen issues), `harness` (a real cell), `bare` (a plain onnxruntime loop over the very
batches of the harness, inputs made beforehand), `reference` (in the manner of MLCommons' reference harness: every
sample padded to the full width, one per call, a thread for each).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet import backends, workloads
from loadfleet.backends import ModelFile, Options, Session
from loadfleet.cell import runner
from loadfleet.loadgen import run as loadgen
from loadfleet.loadgen.engine import core_shares, plan_batches
from loadfleet.loadgen.logs import DetailLog
from loadfleet.loadgen.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadfleet.workloads import Dataset

Cell = dict[str, Any]


def main() -> None:
    """Run the part named on the command line."""
    part, setup = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    cell, indices = setup["cell"], np.array(setup.get("indices", []), np.int64)
    answers: dict[str, Callable[[], Any]] = {
        "indices": lambda: issued(cell),
        "harness": lambda: harness(cell),
        "bare": lambda: bare(cell, indices),
        "reference": lambda: reference(cell),
    }
    print(json.dumps(answers[part]()))


def issued(cell: Cell) -> list[int]:
    """Sample indices of the cell's Offline query: LoadGen's seeds make them the same in every run."""
    found: list[int] = []

    def note(ids: Sequence[int], indices: Sequence[int], lg: Any) -> None:
        found.extend(indices)
        lg.QuerySamplesComplete([lg.QuerySampleResponse(sample, 0, 0) for sample in ids])

    with_loadgen(cell, note)
    return found


def harness(cell: Cell) -> float:
    """The cell as `loadfleet cell run` runs it: Offline samples per second by LoadGen."""
    with tempfile.TemporaryDirectory() as folder:
        runner.run(Path(folder), cell, ["bench"])
        return float(json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))["metric"]["value"])


def bare(cell: Cell, indices: np.ndarray[Any, Any]) -> float:
    """The limit: the same sessions on the same cores over the same batches, with nothing around them."""
    dataset = workloads.load(cell["workload"]).open(Path(cell["dataset"]["path"]))
    layout = runner.layout(cell, dataset)
    plan = plan_batches(dataset.lengths[indices], layout)
    batches = [dataset.batch(indices[batch], layout.width) for batch in plan]
    warm = batches[:: max(1, len(batches) // 8)]
    waiting = iter(range(len(batches)))
    lock, gate = threading.Lock(), threading.Barrier(layout.instances + 1)

    def instance(cores: set[int]) -> None:
        os.sched_setaffinity(0, cores)
        session = open_session(cell, layout.threads)
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
    return len(indices) / (time.perf_counter() - start)


def reference(cell: Cell) -> float:
    """Offline samples per second of the reference manner, by LoadGen."""
    dataset = workloads.load(cell["workload"]).open(Path(cell["dataset"]["path"]))
    width = int(dataset.lengths.max())
    session = open_session(cell, len(os.sched_getaffinity(0)))
    for index in range(4):
        session.run(dataset.batch(np.array([index], np.int64), width))

    def answer(sample: int, index: int, lg: Any) -> None:
        row = one(dataset, session, index, width)
        lg.QuerySamplesComplete([lg.QuerySampleResponse(sample, row.ctypes.data, row.nbytes)])

    def issue(ids: Sequence[int], indices: Sequence[int], lg: Any) -> None:
        threads = [
            threading.Thread(target=answer, args=(sample, index, lg))
            for sample, index in zip(ids, indices, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return with_loadgen(cell, issue).metric("Offline")


def one(dataset: Dataset, session: Session, index: int, width: int) -> np.ndarray[Any, Any]:
    """The response of one padded sample."""
    chosen = np.array([index], np.int64)
    return dataset.respond(chosen, session.run(dataset.batch(chosen, width)))


def open_session(cell: Cell, threads: int) -> Session:
    """The cell's model in its backend."""
    source = ModelFile(Path(cell["model"]["path"]), cell["model"]["inputs"], cell["model"]["outputs"])
    return backends.load(cell["backend"]["name"]).load(source, Options(cell["backend"]["device"], threads))


def with_loadgen(cell: Cell, issue: Callable[[Sequence[int], Sequence[int], Any], None]) -> DetailLog:
    """An Offline performance run of the cell's query with a SUT of our own."""
    lg = loadgen.module()

    class Plain:
        def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
            issue(ids, indices, lg)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = {"target_qps": 1, "min_duration": 1, "min_query_count": cell["loadgen"]["query_count"]}
        asked = Settings(cell["loadgen"]["model"], "Offline", "performance", values)
        settings = asked.apply(lg, folder / "user.conf")
        count = cell["dataset"]["samples"]
        loadgen.run(lg, settings, Plain(), count, count, folder)
        return DetailLog.read(folder / "mlperf_log_detail.txt")


if __name__ == "__main__":
    main()
