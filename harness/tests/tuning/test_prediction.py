"""What runs take, against the rules of the round and against counts by hand."""

from __future__ import annotations

import pytest

from loadfleet.catalogue import rounds
from loadfleet.errors import InputError
from loadfleet.tuning import prediction


def rules(scenario: str, model: str | None = "bert-99") -> prediction.Rules:
    return prediction.rules(rounds.load(rounds.newest()), scenario, model)


def test_rules_come_from_the_round() -> None:
    offline, server = rules("Offline"), rules("Server")
    assert (offline.duration_s, offline.offline_samples, offline.percentile) == (600.0, 10833, None)
    assert (server.duration_s, server.percentile) == (600.0, 0.99)
    assert (rules("SingleStream").percentile, rules("MultiStream").samples_per_query) == (0.9, 8)
    assert rules("Interactive", None).scenario == "Server"
    with pytest.raises(InputError, match="no scenario"):
        rules("Sever")


def test_offline_lasts_its_query() -> None:
    found = prediction.offline(rules("Offline"), target_qps=100, rate=105)
    assert (found.queries, found.samples) == (1, 66_000)
    assert found.seconds == pytest.approx(628.6, abs=0.1)
    assert found.early_stopping is None
    assert not found.problems


def test_slow_offline_is_bound_by_the_samples() -> None:
    found = prediction.offline(rules("Offline"), target_qps=2, rate=2)
    assert found.samples == 10_833
    assert found.seconds == pytest.approx(5416.5)


def test_offline_that_is_too_fast_says_which_target_would_do() -> None:
    slow = prediction.offline(rules("Offline"), target_qps=100, rate=120)
    assert "raise target_qps above 109.091" in slow.problems[0]
    assert not prediction.offline(rules("Offline"), target_qps=109.1, rate=120).problems


def test_equal_issue_rounds_up_to_whole_data_sets() -> None:
    asked = prediction.Rules("Offline", 600, 1, None, permutation=1000)
    assert prediction.offline(asked, 1, 1).samples == 1000


def test_server_with_room_for_early_stopping() -> None:
    found = prediction.server(rules("Server"), 100, late_share=0.005)
    assert (found.queries, found.seconds, found.early_stopping) == (60_000, 600.0, True)
    assert found.allowed_late == 543
    assert found.chance == pytest.approx(1.0, abs=1e-6)
    assert not found.problems


def test_server_near_the_bound_needs_a_longer_run() -> None:
    found = prediction.server(rules("Server"), 20, late_share=0.009)
    assert found.early_stopping is False
    assert found.chance is not None
    assert found.chance < 0.5
    enough = prediction.queries_for(0.009, 0.99)
    assert enough is not None
    assert f"{enough:,} would do" in found.problems[0]
    asked = prediction.Rules("Server", 600, enough, 0.99)
    longer = prediction.server(asked, 20, late_share=0.009)
    assert longer.early_stopping
    assert longer.seconds > 3 * found.seconds


def test_server_over_the_bound_has_no_length_that_helps() -> None:
    found = prediction.server(rules("Server"), 100, late_share=0.02)
    assert (found.early_stopping, found.needed) == (False, None)
    assert found.chance == pytest.approx(0, abs=1e-50)
    assert "lower target_qps" in found.problems[0]
    assert prediction.queries_for(0.02, 0.99) is None


def test_slow_server_has_too_few_queries_even_without_late_ones() -> None:
    found = prediction.server(rules("Server"), 0.5)
    assert (found.queries, found.early_stopping) == (300, False)
    assert "459 would do" in found.problems[0]
    assert not prediction.server(rules("Server"), 0.8).problems


def test_single_stream() -> None:
    found = prediction.stream(rules("SingleStream"), 20)
    assert (found.queries, found.seconds, found.early_stopping, found.needed) == (30_000, 600.0, True, 64)


def test_slow_multi_stream_waits_for_its_count() -> None:
    found = prediction.stream(rules("MultiStream"), 2_000)
    assert (found.queries, found.samples, found.seconds) == (662, 5_296, 1324.0)
    assert found.early_stopping
    assert found.allowed_late == 0


def test_expected_latency_above_the_true_one_runs_out_of_queries() -> None:
    found = prediction.stream(rules("SingleStream"), 20, expected_latency_ms=50)
    assert found.seconds == pytest.approx(480)
    assert "set target_latency to 20 ms or less" in found.problems[0]


def test_too_few_streamed_queries() -> None:
    found = prediction.stream(prediction.Rules("MultiStream", 600, 100, 0.99, 8), 5_000)
    assert found.early_stopping is False
    assert "wants 662" in found.problems[0]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_rates_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        prediction.offline(rules("Offline"), value, 1)
    with pytest.raises(InputError, match="above 0"):
        prediction.server(rules("Server"), value)
    with pytest.raises(InputError, match="above 0"):
        prediction.stream(rules("SingleStream"), value)
