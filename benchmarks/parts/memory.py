"""Memory over a million queries that cost nothing: what LoadGen keeps of them, and what the harness adds."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UnavailableError
from benchmarks.part import Part, Reading, difference, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench, Cell

QUERIES = 1_000_000
MB = 1e6
_PERIOD_S = 0.2


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """MB by which memory was larger at most than at the first query; LoadGen gives its own back at the end."""
    cell = bench.cell("SingleStream", backend="null")
    for name in ("harness", "demo"):
        sizes = bench.child("benchmarks.parts.memory:sizes", cell=cell, which=name)
        if len(sizes) < 4:
            raise UnavailableError(f"{QUERIES:,} queries were over too soon to see memory grow")
        yield Reading(name, (max(sizes) - sizes[0]) / MB, "MB")


def sizes(cell: Cell, which: str) -> list[int]:
    """Resident bytes, from the first query to the last, of the harness or of the smallest SUT."""
    from benchmarks import direct, sut  # noqa: PLC0415  (in the child process only)

    found: list[int] = []
    began, over = threading.Event(), threading.Event()

    def watch() -> None:
        began.wait()
        while not over.wait(_PERIOD_S):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            found.append(pages * os.sysconf("SC_PAGE_SIZE"))

    def make(lg: object) -> sut.Plain:
        answers = direct.harness(cell, "SingleStream")(lg) if which == "harness" else direct.demo(lg)
        issue = answers.issue

        def answer(ids: Sequence[int], indices: Sequence[int], lg: object) -> None:
            began.set()
            issue(ids, indices)

        return sut.Plain(answer, lg)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    direct.measured(direct.Asked("SingleStream", QUERIES), make, cell["dataset"]["samples"])
    over.set()
    watcher.join()
    return found


PART = Part(
    name="memory",
    title="Null backend: growth of memory over a million queries",
    run=readings,
    figures=(
        difference("Memory over a million queries, beyond what LoadGen keeps", "harness", "demo", "MB", at_most=10.0),
        value("Memory over a million queries: harness and LoadGen", "harness", "MB"),
    ),
    rounds=1,
    seconds=50,
    rank=60,
)
