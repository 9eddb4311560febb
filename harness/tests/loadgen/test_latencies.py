"""Latencies of single samples."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from loadfleet.loadgen import latencies as module
from loadfleet.loadgen.latencies import Latencies, Recorded


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until it is set, in ms."""
    now = SimpleNamespace(ms=0)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now.ms * 10**6)
    return now


def test_each_sample_has_the_time_from_its_issue_to_its_answer(clock: SimpleNamespace) -> None:
    seen = Latencies()
    seen.issued([11, 12, 13])
    clock.ms = 5
    seen.issued([9])
    clock.ms = 7
    seen.answered([13, 9])
    clock.ms = 20
    seen.answered([11, 12])
    assert seen.milliseconds().tolist() == [20, 20, 7, 2]
    assert seen.milliseconds(per_query=True).tolist() == [20, 2]


def test_an_id_that_is_used_again_counts_anew(clock: SimpleNamespace) -> None:
    seen = Latencies()
    for begin, end in ((0, 3), (10, 11), (20, 29)):
        clock.ms = begin
        seen.issued([2**63 + 5])
        clock.ms = end
        seen.answered([2**63 + 5])
    assert seen.milliseconds().tolist() == [3, 1, 9]


@pytest.mark.parametrize(("issued", "answered"), [([], []), ([1, 2], [1]), ([1, 2], [1, 3]), ([1], [1, 1])])
def test_what_does_not_match_has_no_latencies(issued: list[int], answered: list[int]) -> None:
    seen = Latencies()
    seen.issued(issued)
    seen.answered(answered)
    assert len(seen.milliseconds()) == 0


def test_too_many_samples_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    seen = Latencies()
    seen.issued([1, 2])
    seen.answered([1, 2])
    assert len(seen.milliseconds()) == 2
    seen.issued([3, 4])
    seen.answered([3, 4])
    assert len(seen.milliseconds()) == 0


def test_a_recorded_scheduler_is_called_as_before() -> None:
    calls: list[object] = []
    scheduler = SimpleNamespace(
        issue=lambda ids, indices: calls.append((ids, indices)),
        flush=lambda: calls.append("flush"),
        close=lambda: calls.append("close"),
    )
    engine = SimpleNamespace(latencies=None)
    recorded = Recorded(scheduler, engine)
    recorded.issue([7], [3])
    recorded.flush()
    recorded.close()
    assert calls == [([7], [3]), "flush", "close"]
    engine.latencies.answered([7])
    assert engine.latencies.milliseconds() >= 0
    assert engine.latencies.milliseconds().dtype == np.float64
