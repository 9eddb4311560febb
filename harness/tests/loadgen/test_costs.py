"""What calls cost, from few timed ones."""

from __future__ import annotations

import pytest

from loadfleet.loadgen.costs import Costs, Timed


def linear(width: int, size: int) -> int:
    return 1_000_000 + 5_000 * width * size


def test_between_timed_widths_and_sizes_costs_are_interpolated() -> None:
    costs = Costs([Timed(width, size, linear(width, size)) for width in (10, 100, 400) for size in (1, 2, 8)], 8)
    for width in (10, 55, 250, 400):
        for size in (1, 2, 5, 8):
            assert costs.of(width, size) == pytest.approx(linear(width, size), rel=0.001)
    assert costs.batches


def test_more_samples_than_were_timed_cost_in_proportion() -> None:
    costs = Costs([Timed(10, 1, 100), Timed(10, 2, 150)], 8)
    assert costs.of(10, 4) == 300
    assert costs.of(10, 8) == 600


def test_single_calls_say_that_batches_save_nothing() -> None:
    assert not Costs([Timed(10, 1, 100), Timed(50, 1, 400)], 16).batches
    assert not Costs([Timed(10, 1, 100), Timed(10, 2, 199)], 16).batches
    assert not Costs([Timed(10, 1, 100)], 1).batches


def test_one_width_is_enough_and_others_cost_as_the_nearest() -> None:
    costs = Costs([Timed(1, 1, 100)], 4)
    assert [costs.of(width, 1) for width in (1, 7)] == [100, 100]


def test_the_median_of_several_instances_counts_and_noise_makes_no_larger_call_the_shorter_one() -> None:
    costs = Costs([Timed(10, 1, ns) for ns in (100, 110, 9_000)] + [Timed(20, 1, 90)], 1)
    assert costs.of(10, 1) == 110
    assert costs.of(20, 1) == 110


def test_a_machine_that_becomes_slower_is_noticed_and_a_single_pause_is_not() -> None:
    costs = Costs([Timed(10, 1, 1_000)], 1)
    costs.learn(10, 1, 1_000_000)
    assert costs.of(10, 1) < 1_100
    for _ in range(300):
        costs.learn(10, 1, 1_500)
    assert costs.of(10, 1) == pytest.approx(1_500, rel=0.02)
