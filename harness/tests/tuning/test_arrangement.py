"""The search for an arrangement on machines whose speed is a known function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loadfleet.errors import InputError
from loadfleet.tuning import arrangement
from loadfleet.tuning.probe import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHOICES = {
    "instances x threads": arrangement.layouts(8),
    "batch_size": [{"batch_size": size} for size in (64, 8, 16, 32, 128)],
}


def speed(settings: Mapping[str, float]) -> float:
    """Best at 4 x 2 with batches of 16, and smooth in both."""
    return 100 - 8 * abs(math.log2(settings["threads"]) - 1) - 5 * abs(math.log2(settings["batch_size"]) - 4)


def machine(
    rate: Callable[[Mapping[str, float]], float] = speed, noise: float = 0.0, seed: int = 0, cost: float = 15.0
) -> Callable[[Mapping[str, float], float], Outcome]:
    random_ = np.random.default_rng(seed)

    def probe(settings: Mapping[str, float], seconds: float) -> Outcome:
        return Outcome(True, rate(settings) * math.exp(random_.normal(0, noise)), duration_s=cost)

    return probe


def test_layouts_use_all_cores() -> None:
    layouts = arrangement.layouts(8)
    assert layouts[0] == {"instances": 8, "threads": 1}
    assert {each["instances"] * each["threads"] for each in layouts} == {8}
    assert [each["threads"] for each in arrangement.layouts(6)] == [1, 2, 3, 6]
    assert arrangement.layouts(4, physical=2)[3:] == [{"instances": 2, "threads": 1}, {"instances": 1, "threads": 2}]
    assert arrangement.layouts(4, physical=4) == arrangement.layouts(4)
    with pytest.raises(InputError, match="0 cores"):
        arrangement.layouts(0)


def test_something_else_than_the_rate_may_be_asked_for() -> None:
    """Shortest latency instead: what is slow in samples a second may have it, and need not be valid."""

    def probe(settings: Mapping[str, float], seconds: float) -> Outcome:
        return Outcome(False, speed(settings), latency_ms={"p99": 10.0 * settings["threads"]}, duration_s=1)

    found = arrangement.search(probe, CHOICES, budget_s=1000, score=lambda each: 1e3 / each.latency_ms["p99"])
    assert found.best is not None
    assert (found.best.settings["threads"], found.best.rate) == (1, 100.0)


def test_everything_is_tried_when_the_budget_allows() -> None:
    found = arrangement.search(machine(), CHOICES, budget_s=10_000)
    assert found.best is not None
    assert found.best.settings == {"instances": 4, "threads": 2, "batch_size": 16}
    assert found.complete
    assert len(found.ranked) == 20
    rates = [each.rate or 0 for each in found.ranked]
    assert rates == sorted(rates, reverse=True)
    assert [each.probes for each in found.ranked[:4]] == [2, 2, 2, 1]


@pytest.mark.parametrize("seed", range(10))
def test_a_walk_finds_the_same_with_less(seed: int) -> None:
    found = arrangement.search(machine(noise=0.005, seed=seed), CHOICES, budget_s=330)
    assert found.best is not None
    assert speed(found.best.settings) >= 0.95 * 100
    assert found.seconds <= 330
    assert len(found.ranked) < 20


@pytest.mark.parametrize("budget", [1, 20, 47, 100])
def test_a_budget_is_kept_but_for_the_first_probe(budget: float) -> None:
    found = arrangement.search(machine(), CHOICES, budget_s=budget)
    assert not found.complete
    assert found.seconds <= max(15, budget)
    assert found.best is not None


def test_what_does_not_run_ranks_last_with_its_reason() -> None:
    def probe(settings: Mapping[str, float], seconds: float) -> Outcome:
        if settings["threads"] == 2:
            return Outcome(False, None, duration_s=1, reasons=("not enough memory",))
        return Outcome(True, speed(settings), duration_s=1)

    found = arrangement.search(probe, CHOICES, budget_s=1000)
    assert found.best is not None
    assert found.best.settings["threads"] != 2
    assert [each.reasons for each in found.ranked[-5:]] == [("not enough memory",)] * 5


def test_nothing_runs() -> None:
    found = arrangement.search(lambda *_: Outcome(False, duration_s=1), CHOICES, budget_s=1000)
    assert found.best is None


def test_a_moment_of_peace_does_not_choose() -> None:
    """One lucky probe of a slower arrangement is put right when the leaders run again."""
    lucky = {"left": 1}

    def probe(settings: Mapping[str, float], seconds: float) -> Outcome:
        if settings == {"instances": 2, "threads": 4, "batch_size": 16} and lucky["left"]:
            lucky["left"] = 0
            return Outcome(True, 102.0, duration_s=1)
        return Outcome(True, speed(settings), duration_s=1)

    found = arrangement.search(probe, CHOICES, budget_s=1000)
    assert found.best is not None
    assert found.best.settings["threads"] == 2


@pytest.mark.parametrize(("budget", "seconds"), [(0, 10), (-5, 10), (100, 0), (math.nan, 10)])
def test_budgets_that_are_none(budget: float, seconds: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        arrangement.search(machine(), CHOICES, budget_s=budget, seconds=seconds)


def test_a_coordinate_without_choices() -> None:
    with pytest.raises(InputError, match="batch_size has no choices"):
        arrangement.search(machine(), {"batch_size": []}, budget_s=10)
