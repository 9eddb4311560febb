"""Batches and cores."""

from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace

import numpy as np
import pytest

from loadfleet.loadgen.engine import Engine, Layout, core_shares, places, plan_batches


def layout(**changes: int | None) -> Layout:
    return Layout(**({"instances": 1, "threads": 1, "batch_samples": 16, "batch_cost": 1000, "width": None} | changes))


@pytest.mark.parametrize("seed", range(5))
def test_every_sample_is_in_one_batch_longest_first_within_the_limits(seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 384, 500).astype(np.int32)
    batches = plan_batches(lengths, layout())
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    longest = [int(lengths[batch].max()) for batch in batches]
    assert longest == sorted(longest, reverse=True)
    for batch in batches:
        assert len(batch) <= 16
        assert len(batch) * lengths[batch].max() <= 1000


def test_a_sample_above_the_token_limit_is_a_batch_of_its_own() -> None:
    batches = plan_batches(np.array([5000, 10], np.int32), layout())
    assert [batch.tolist() for batch in batches] == [[0], [1]]


def test_a_fixed_width_counts_every_sample_as_that_wide() -> None:
    batches = plan_batches(np.full(10, 3, np.int32), layout(width=384))
    assert [len(batch) for batch in batches] == [2, 2, 2, 2, 2]


def test_widths_that_are_rounded_up_count_as_they_are_padded() -> None:
    lengths = np.array([100, 97, 65, 64, 33, 5], np.int32)
    batches = plan_batches(lengths, layout(batch_cost=200, multiple=32))
    assert [batch.tolist() for batch in batches] == [[0, 1], [2, 3], [4, 5]]  # 100 at most, 96, 64
    assert [len(batch) for batch in plan_batches(lengths, layout(batch_cost=190, multiple=32))] == [1, 1, 1, 2, 1]


@pytest.mark.parametrize(("multiple", "widths"), [(1, [None, None]), (32, [64, None]), (10, [40, None])])
def test_batches_are_padded_to_multiples_at_most_to_the_longest(multiple: int, widths: list[int | None]) -> None:
    dataset = SimpleNamespace(lengths=np.array([100, 33, 20], np.int32))
    lg = SimpleNamespace(QuerySampleResponse=None, QuerySamplesComplete=None)
    engine = Engine(dataset, lambda _: None, layout(multiple=multiple), lg, lambda _: None)  # type: ignore[arg-type,return-value]
    assert [engine.width(np.array(batch, np.int64)) for batch in ([1, 2], [0, 1])] == widths


def test_equal_samples_keep_their_order() -> None:
    batches = plan_batches(np.full(5, 7, np.int32), layout(batch_samples=2))
    assert np.concatenate(batches).tolist() == [0, 1, 2, 3, 4]


def test_equal_samples_stand_as_in_the_data_set_each_once_before_any_comes_again() -> None:
    samples = np.array([2, 0, 1, 0, 2, 1, 0], np.int64)
    batches = plan_batches(np.full(7, 1, np.int32), layout(batch_samples=3), samples)
    assert [samples[batch].tolist() for batch in batches] == [[0, 1, 2], [0, 1, 2], [0]]
    assert sorted(np.concatenate(batches).tolist()) == list(range(7))


@pytest.mark.parametrize("seed", range(3))
def test_the_place_in_the_data_set_never_comes_before_the_length(seed: int) -> None:
    random = np.random.default_rng(seed)
    costs, samples = random.integers(1, 384, 40).astype(np.int32), random.integers(0, 40, 500)
    lengths = costs[samples]
    batches = plan_batches(lengths, layout(), samples)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert np.concatenate([lengths[batch] for batch in batches]).tolist() == sorted(lengths.tolist(), reverse=True)


@pytest.mark.parametrize(
    "limits", [{"batch_samples": 64, "batch_cost": 1024}, {"batch_samples": 32, "batch_cost": 1 << 30}]
)
@pytest.mark.parametrize("instances", [2, 8])
def test_instances_end_together(instances: int, limits: dict[str, int]) -> None:
    """Each takes the next batch when it is free; a unit takes a unit of time, give or take a tenth."""
    random = np.random.default_rng(instances)
    lengths = random.lognormal(5.1, 0.4, 2_000).clip(30, 384).astype(np.int32)

    def idle(planned: Layout) -> float:
        free = [0.0] * instances
        for batch in plan_batches(lengths, planned):
            free.sort()
            free[0] += float(lengths[batch].max()) * len(batch) * random.uniform(0.9, 1.1)
        return float(np.mean([max(free) - each for each in free])) / max(free)

    # Planned for one instance the last batches are as large as all others.
    shared = np.mean([idle(layout(instances=instances, **limits)) for _ in range(20)])
    alone = np.mean([idle(layout(**limits)) for _ in range(20)])
    assert shared < alone / 2
    assert shared < 0.004 * instances


def test_cores_are_shared_out_without_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5, 6, 7})
    assert core_shares(3, 2) == [{0, 1}, {2, 5}, {6, 7}]
    assert core_shares(4, 2) == [{0, 1, 2, 5, 6, 7}] * 4


def read(rows: object) -> list[bytes]:
    return [ctypes.string_at(address, size) for address, size in places(rows)]


@pytest.mark.parametrize("count", [1, 3])
def test_rows_of_an_array_are_found_where_they_lie(count: int) -> None:
    rows = np.arange(4 * count, dtype=np.float32).reshape(count, 2, 2)
    assert read(rows) == [row.tobytes() for row in rows]


def test_a_row_that_was_cut_out_of_another_array_has_its_own_size() -> None:
    assert read(np.ascontiguousarray(np.zeros((8, 1000), np.int64)[:1, :1])) == [bytes(8)]


def test_rows_of_a_list_may_have_any_length() -> None:
    rows = [np.arange(length, dtype=np.float32) for length in (7, 0, 14)]
    assert read(rows) == [row.tobytes() for row in rows]
