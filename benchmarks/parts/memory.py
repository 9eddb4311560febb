"""Memory over a million queries that cost nothing: what LoadGen keeps of them, and what the harness adds."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.part import Part, Reading, UnavailableError, difference, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench

QUERIES = 1_000_000
MB = 1e6


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """MB between the first and the last second of the run."""
    cell = bench.cell("SingleStream", backend="null", query_count=QUERIES)
    run = bench.run(cell)
    lines = [json.loads(line) for line in (run.folder / "telemetry.jsonl").read_text(encoding="utf-8").splitlines()]
    yield Reading("harness", _growth([line["rss_bytes"] for line in lines if line["phase"] == "running"]), "MB")
    sizes = bench.child("benchmarks.parts.memory:demo", samples=cell["dataset"]["samples"])
    yield Reading("demo", _growth(sizes), "MB")


def _growth(sizes: Sequence[int]) -> float:
    if len(sizes) < 4:
        raise UnavailableError(f"the million queries were over after {len(sizes)} s: too soon to see memory grow")
    return (sizes[-1] - sizes[0]) / MB


def demo(samples: int) -> list[int]:
    """Resident bytes of the smallest SUT, once in 0.2 s while it answers a million queries."""
    from benchmarks import direct, sut  # noqa: PLC0415  (in the child process only)

    sizes: list[int] = []
    over = threading.Event()
    began = threading.Event()

    def watch() -> None:
        began.wait()
        while not over.wait(0.2):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            sizes.append(pages * 4096)

    def make(lg: object) -> sut.Plain:
        smallest = direct.demo(lg)

        def answer(ids: Sequence[int], indices: Sequence[int], lg: object) -> None:
            began.set()
            smallest.issue(ids, indices)

        return sut.Plain(answer, lg)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    direct.measured(direct.Asked("SingleStream", QUERIES), make, samples)
    over.set()
    watcher.join()
    return sizes


PART = Part(
    name="memory",
    title="Null backend: growth of memory over a million queries",
    run=readings,
    figures=(
        difference("Memory over a million queries, beyond what LoadGen keeps", "harness", "demo", "MB", at_most=10.0),
        value("Memory over a million queries: harness and LoadGen", "harness", "MB"),
    ),
    rounds=1,
    seconds=60,
    rank=60,
)
