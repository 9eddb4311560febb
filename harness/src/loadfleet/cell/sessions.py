"""A cell's model, opened: how many sessions with how many threads each, and the batches that they get."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from loadfleet import catalogue
from loadfleet.backends import ModelFile, Options
from loadfleet.loadgen.engine import Engine, Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadfleet.backends import Backend, Session
    from loadfleet.workloads import Dataset

_SESSIONS_BYTES = 8 << 30


def engine(
    cell: Mapping[str, Any],
    dataset: Dataset,
    backend: Backend,
    lg: Any,
    on_failure: Callable[[BaseException], None],
    opened: Callable[[Session], None] = lambda _: None,
) -> Engine:
    """What answers the cell's samples.

    Args:
        cell: The cell.
        dataset: Its data set.
        backend: Its backend.
        lg: The module mlperf_loadgen.
        on_failure: Told what a batch raised; LoadGen would wait for its answer for ever.
        opened: Told each session that is opened.
    """

    def open_and_tell(threads: int) -> Session:
        session = open_session(cell, backend, threads)
        opened(session)
        return session

    return Engine(dataset, open_and_tell, layout(cell, dataset), lg, on_failure)


def open_session(cell: Mapping[str, Any], backend: Backend, threads: int) -> Session:
    """The cell's model as it asks for it."""
    model, asked = cell["model"], cell["backend"]
    source = ModelFile(
        Path(model["path"]), model["inputs"], model["outputs"], model["shapes"], model["digest"],
        model.get("module", ""),
    )  # fmt: skip
    kept = Path(cell["store_path"]) / "compiled"
    options = Options(asked["device"], threads, asked["precision"], kept, asked.get("options", {}))
    return backend.load(source, options)


def layout(cell: Mapping[str, Any], dataset: Dataset) -> Layout:
    """Defaults use every core: one thread an instance while the copies of the model fit, else fewer, wider ones."""
    asked, cores, usual = cell["backend"], len(os.sched_getaffinity(0)), cell["batch"]
    batch_samples, batch_cost = asked["batch_size"] or usual["samples"], asked.get("batch_cost")
    width = None if cell["model"]["dynamic_shape"] else int(dataset.lengths.max())
    multiple = asked.get("width_multiple", 1)
    if cell["scenario"] in ("SingleStream", "MultiStream"):
        return Layout(1, asked["threads"] or cores, batch_samples, batch_cost or usual["cost"], width, multiple)
    threads = asked["threads"] or _threads(cell, cores)
    cost = batch_cost or (batch_samples * int(dataset.lengths.max()) if asked["batch_size"] else usual["cost"])
    free = not (asked["threads"] or asked["instances"])
    return Layout(asked["instances"] or max(1, cores // threads), threads, batch_samples, cost, width, multiple, free)


def _threads(cell: Mapping[str, Any], cores: int) -> int:
    """Threads of an instance, when nobody says how many."""
    instances: int | None = cell["backend"]["instances"]
    if instances:
        return max(1, cores // instances)
    model_bytes = session_bytes(cell)
    room = min(_SESSIONS_BYTES, psutil.virtual_memory().available // 2)
    threads = 1
    while not _shares(cell) and threads < cores and cores // threads * model_bytes > room:
        threads *= 2
    return threads


def session_bytes(cell: Mapping[str, Any]) -> int:
    """About how much memory one more copy of the model takes."""
    return max(1, Path(cell["model"]["path"]).stat().st_size * 3 // 2)


def _shares(cell: Mapping[str, Any]) -> bool:
    """Whether instances of one thread have one copy of the model in common."""
    backend = cell["backend"]
    return backend["device"] == "cpu" and bool(catalogue.get("backend", backend["name"]).data.get("shares_model"))
