"""Sample counts against the published tables and against sums of exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from loadfleet.catalogue import rounds
from loadfleet.tuning import early_stopping


def exact(events: int, trials: int, probability: Fraction) -> Fraction:
    return sum(
        (comb(trials, k) * probability**k * (1 - probability) ** (trials - k) for k in range(events + 1)), Fraction(0)
    )


@pytest.mark.parametrize(("late", "total"), [(0, 459), (1, 662), (2, 838), (5, 1307)])
def test_queries_that_the_99th_percentile_needs(late: int, total: int) -> None:
    assert early_stopping.needed(late, 0.99) == total


@pytest.mark.parametrize("name", rounds.names())
def test_fewest_queries_are_those_of_every_round(name: str) -> None:
    known = rounds.load(name)
    for percentile, queries in known.early_stopping_min_queries.items():
        found = early_stopping.fewest(
            float(percentile) / 100,
            confidence=known.early_stopping_confidence,
            tolerance=known.early_stopping_tolerance,
        )
        assert found == queries


@pytest.mark.parametrize(("late", "percentile"), [(0, 0.9), (3, 0.9), (17, 0.9), (0, 0.99), (7, 0.99)])
def test_one_query_fewer_is_not_enough(late: int, percentile: float) -> None:
    late_chance = 1 - Fraction(str(percentile))
    total = early_stopping.needed(late, percentile)
    assert exact(late, total, late_chance) < Fraction(1, 100)
    assert exact(late, total - 1, late_chance) >= Fraction(1, 100)


@pytest.mark.parametrize("events", [0, 1, 9, 30, 60, 99, 100])
@pytest.mark.parametrize("probability", ["0.001", "0.1", "0.5", "0.97"])
def test_chance_of_at_most_so_many(events: int, probability: str) -> None:
    expected = float(exact(events, 100, Fraction(probability)))
    assert early_stopping.at_most(events, 100, float(probability)) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("queries", [459, 661, 662, 837, 838, 5_000, 270_336, 2_000_000])
def test_allowed_late_queries_are_the_most_that_pass(queries: int) -> None:
    allowed = early_stopping.allowed_late(queries, 0.99)
    assert allowed is not None
    assert early_stopping.needed(allowed, 0.99) <= queries < early_stopping.needed(allowed + 1, 0.99)
    assert allowed < queries * 0.01


def test_too_few_queries_allow_nothing() -> None:
    assert early_stopping.allowed_late(458, 0.99) is None
    assert early_stopping.chance(458, 0.0, 0.99) == 0.0


def test_chance_falls_with_lateness_and_grows_with_length() -> None:
    shares = [early_stopping.chance(20_000, share, 0.99) for share in (0.0, 0.005, 0.008, 0.01, 0.02)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert shares[3] < 0.02  # exactly on the percentile early stopping almost never passes, however long
    assert early_stopping.chance(200_000, 0.008, 0.99) > early_stopping.chance(20_000, 0.008, 0.99)


@pytest.mark.parametrize(("late", "percentile"), [(-1, 0.99), (0, 1.0), (0, 0.0)])
def test_nonsense_is_refused(late: int, percentile: float) -> None:
    with pytest.raises(ValueError, match="no such"):
        early_stopping.needed(late, percentile)
