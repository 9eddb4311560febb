"""One attempt of a trial, in a process of its own: how fast a planned cell would be, or how right on a subset."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet import backends, workloads
from loadfleet.catalogue import rounds
from loadfleet.cell import sessions, settings
from loadfleet.loadgen import logs
from loadfleet.loadgen import run as loadgen
from loadfleet.loadgen.engine import Layout, plan_batches
from loadfleet.loadgen.scenarios import SCENARIOS
from loadfleet.loadgen.schedule import scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.backends import Session
    from loadfleet.loadgen.engine import Engine
    from loadfleet.workloads import Accuracy, Dataset, Workload

PARTS = 10


def rate(cell: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What the scheduler's warm-up makes of the cell: samples a second, or the latency of a query in ms.

    Raises:
        LoadfleetError: It cannot run here.
    """
    engine, _ = _engine(cell)
    plan = scheduler(cell["scenario"], engine, settings.latency_limit(cell, rounds.load(cell["round"])))
    plan.load()
    value = plan.warm_up(seconds)
    plan.close()
    return {"rate": round(float(value), 4), "unit": SCENARIOS[cell["scenario"]].unit}


def accuracy(cell: Mapping[str, Any], samples: int) -> dict[str, Any]:
    """The accuracy over so many samples spread evenly over the data set, per cent, and of tenths of them.

    Tenths say how much a difference between two candidates is worth: they get the same samples.

    Raises:
        LoadfleetError: It cannot run here, or its answers are none.
    """
    engine, workload = _engine(cell)
    dataset = engine.dataset
    chosen = np.unique(np.linspace(0, dataset.count - 1, min(samples, dataset.count)).astype(np.int64))
    dataset.load(chosen.tolist())
    layout = engine.layout
    alone = Layout(1, len(os.sched_getaffinity(0)), layout.batch_samples, layout.batch_cost, layout.width)
    backend = backends.load(cell["backend"]["name"])
    session = sessions.open_session(cell, backend, alone.threads)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / logs.ACCURACY
        lines = _answers(engine, session, dataset, chosen, alone)

        def score(some: list[str]) -> Accuracy:
            log.write_text("[\n" + ",\n".join(some) + "\n]\n", encoding="utf-8")
            return workload.accuracy(Path(cell["dataset"]["path"]), log)

        found = score(lines)
        parts = [score(lines[part::PARTS]).value for part in range(PARTS) if lines[part::PARTS]]
    return {"metric": found.metric, "accuracy": found.value, "samples": found.samples, "parts": parts}


def _engine(cell: Mapping[str, Any]) -> tuple[Engine, Workload]:
    workload = workloads.load(cell["workload"])
    dataset = workload.open(Path(cell["dataset"]["path"]))
    backend = backends.load(cell["backend"]["name"])

    def fail(error: BaseException) -> None:
        raise error

    return sessions.engine(cell, dataset, backend, loadgen.module(), fail), workload


def _answers(
    engine: Engine, session: Session, dataset: Dataset, chosen: np.ndarray[Any, Any], layout: Layout
) -> list[str]:
    """Entries of an accuracy log as LoadGen writes it, in the order of the samples."""
    lines: dict[int, str] = {}
    for batch in plan_batches(dataset.lengths[chosen], layout):
        indices = chosen[batch]
        for index, row in zip(indices.tolist(), engine.compute(session, indices), strict=True):
            lines[index] = json.dumps({"seq_id": 0, "qsl_idx": index, "data": row.tobytes().hex().upper()})
    return [lines[index] for index in sorted(lines)]
