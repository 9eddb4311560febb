"""Rows side by side: views where they lie so already, else copies in memory of the calling thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from loadfleet.workloads.prepared import Gather

ARRAY = np.arange(24, dtype=np.float32).reshape(8, 3)


@pytest.mark.parametrize("numbers", [[5], [2, 3, 4], [0, 7], [4, 3], [6, 6, 1, 6]])
def test_the_rows_are_those_asked_for(numbers: list[int]) -> None:
    found = Gather(ARRAY).rows(numbers)
    assert np.array_equal(found, ARRAY[numbers])
    assert found.flags["C_CONTIGUOUS"]


def test_only_what_is_scattered_is_copied() -> None:
    gather = Gather(ARRAY)
    assert np.shares_memory(gather.rows([2, 3]), ARRAY)
    assert not np.shares_memory(gather.rows([3, 2]), ARRAY)


def test_memory_is_used_again_and_grows() -> None:
    gather = Gather(ARRAY)
    first = gather.rows([0, 5])
    assert np.shares_memory(first, gather.rows([7, 1]))
    assert np.array_equal(gather.rows([7, 1, 3]), ARRAY[[7, 1, 3]])
    assert np.array_equal(gather.rows([6, 0]), ARRAY[[6, 0]])


def test_threads_do_not_share_it() -> None:
    gather = Gather(ARRAY)
    mine = gather.rows([0, 5])
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(gather.rows, [7, 1]).result()
    assert not np.shares_memory(mine, theirs)
    assert np.array_equal(mine, ARRAY[[0, 5]])
