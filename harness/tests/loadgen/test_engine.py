"""Batches and cores."""

from __future__ import annotations

import os

import numpy as np
import pytest

from loadfleet.loadgen.engine import Layout, core_shares, plan_batches


def layout(**changes: int | None) -> Layout:
    return Layout(
        **({"instances": 1, "threads": 1, "batch_samples": 16, "batch_tokens": 1000, "width": None} | changes)
    )


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


def test_equal_samples_keep_their_order() -> None:
    batches = plan_batches(np.full(5, 7, np.int32), layout(batch_samples=2))
    assert np.concatenate(batches).tolist() == [0, 1, 2, 3, 4]


def test_cores_are_shared_out_without_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5, 6, 7})
    assert core_shares(3, 2) == [{0, 1}, {2, 5}, {6, 7}]
    assert core_shares(4, 2) == [{0, 1, 2, 5, 6, 7}] * 4
