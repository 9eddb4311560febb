"""What is searched in which scenario, on simulated systems: settings, lengths, and what a valid run with them takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from simulation import EDGES, SHAPES, System

from loadfleet.catalogue import rounds
from loadfleet.errors import BadResultError
from loadfleet.tuning import prediction, strategy
from loadfleet.tuning.probe import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPE = "two instances, batches"
CAPACITY = 4000.0
BATCHES = strategy.batches({"batch_size": 64, "batch_cost": 1024})


def task(scenario: str, minutes: float = 15, **changes: object) -> strategy.Task:
    rules = prediction.rules(rounds.load(rounds.newest()), scenario, "bert-99")
    layouts = [{"instances": 2, "threads": 1}, {"instances": 1, "threads": 2}]
    values: dict[str, object] = {"layouts": layouts, "batches": BATCHES, "budget_s": 60 * minutes}
    return strategy.Task(rules=rules, **values | changes)  # type: ignore[arg-type]


class Machine:
    """The simulated system, slower with other arrangements than one instance of two threads, batch cost 512."""

    def __init__(self, cost_s: float = 6.0, broken: bool = False) -> None:
        self.calls: list[tuple[dict[str, float], float]] = []
        self.spent = 0.0
        self._cost, self._broken = cost_s, broken
        self._rng = np.random.default_rng(3)

    def share(self, settings: Mapping[str, float]) -> float:
        away = abs(math.log2(settings.get("batch_cost", 512) / 512))
        return 0.9 ** (away + (settings.get("threads", 2) != 2))

    def __call__(self, settings: Mapping[str, float], seconds: float) -> Outcome:
        self.calls.append((dict(settings), seconds))
        self.spent += seconds + self._cost
        if self._broken:
            return Outcome(False, duration_s=self._cost, reasons=("no memory",), where="01")
        system, share = System(SHAPES[SHAPE], CAPACITY), self.share(settings)
        rate = settings.get("target_qps", 0.3 * CAPACITY)
        queries = max(100, round(rate * seconds))
        latencies = 1e3 * system.latencies(rate, queries, self._rng, share)
        late = int((latencies > 1e3 * system.bound_s).sum())
        return Outcome(
            valid=late <= 0.01 * queries,
            rate=rate if late < 0.5 * queries else share * CAPACITY / 2,
            queries=queries,
            late=late,
            latency_ms={f"p{number}": float(np.percentile(latencies, number)) for number in (50, 90, 99)},
            duration_s=seconds + self._cost,
        )


class Fast(Machine):
    """Answers without queues: a number of samples a second."""

    def __call__(self, settings: Mapping[str, float], seconds: float) -> Outcome:
        self.calls.append((dict(settings), seconds))
        self.spent += seconds + self._cost
        rate = 100 * self.share(settings)
        latency = dict.fromkeys(("mean", "p50", "p90", "p99"), 1000.0 / rate)
        return Outcome(True, rate, 100, None, latency, duration_s=seconds + self._cost)


def test_the_highest_rate_of_the_best_arrangement() -> None:
    machine = Machine()
    found = strategy.find(task("Server", bound_ms=1e3 * System(SHAPES[SHAPE], CAPACITY).bound_s), machine)
    best = EDGES[SHAPE] * CAPACITY
    assert (found.chosen["threads"], found.chosen["batch_cost"]) == (2, 512)
    assert found.value == pytest.approx(best, rel=0.05)
    assert 0.95 * found.value <= found.chosen["target_qps"] <= found.value
    assert set(found.searches) == {"rate", "arrangement"}
    assert sum(len(tried) for tried, _ in found.searches.values()) == len(machine.calls)
    assert machine.spent <= 1.05 * 15 * 60
    assert found.prediction.early_stopping
    assert found.prediction.seconds == pytest.approx(600, abs=1)


def test_arrangements_are_not_compared_far_above_what_holds() -> None:
    """Short probes all hold with a few late queries: what they leave open reaches far up, the edge does not."""
    asked: list[float] = []

    def bursts(settings: Mapping[str, float], seconds: float) -> Outcome:
        target = settings.get("target_qps", 40.0)
        asked.append(target)
        late, valid = (int(0.003 * 9 * target), True) if target < 60 else (int(4 * target), False)
        queries = round(9 * target)
        latencies = {"p50": 20.0, "p90": 40.0, "p99": 80.0 if valid else 900.0}
        return Outcome(valid, min(target, 62.0), queries, late, latencies, duration_s=seconds + 1)

    found = strategy.find(task("Server", bound_ms=130), bursts)
    assert max(asked) < 2 * 60
    assert found.value == pytest.approx(60, rel=0.05)


def test_a_rate_alone_takes_a_dozen_probes_and_one_to_begin_with() -> None:
    machine = Machine()
    alone = {"layouts": [{"instances": 1, "threads": 2}], "batches": [{"batch_size": 64, "batch_cost": 512}]}
    found = strategy.find(task("Server", **alone), machine)
    assert len(machine.calls) <= 13
    assert "target_qps" not in machine.calls[0][0]
    assert found.value == pytest.approx(EDGES[SHAPE] * CAPACITY, rel=0.04)
    assert set(found.searches) == {"rate"}


def test_early_stopping_leaves_less_room_than_the_percentile() -> None:
    """A valid run of few queries is believed with fewer late ones only: to hold the percentile is not enough."""
    machine = Machine()
    alone = {"layouts": [{"instances": 1, "threads": 2}], "batches": [{"batch_size": 64, "batch_cost": 512}]}
    short = strategy.Task(
        rules=prediction.Rules("Server", duration_s=1.0, queries=100, percentile=0.99), budget_s=900, **alone
    )  # type: ignore[arg-type]
    few = strategy.find(short, machine)
    many = strategy.find(task("Server", **alone), Machine())
    assert few.value < many.value
    [(tried, _)] = few.searches.values()
    assert any("a valid run has to keep below" in reason for one in tried for reason in one.outcome.reasons)


@pytest.mark.parametrize("scenario", ["Offline", "MultiStream"])
def test_the_fastest_arrangement(scenario: str) -> None:
    machine = Fast()
    found = strategy.find(task(scenario), machine)
    assert (found.chosen["threads"], found.chosen["batch_cost"]) == (2, 512)
    assert found.value == pytest.approx(100 if scenario == "Offline" else 10)
    assert found.complete
    assert machine.spent <= 15 * 60
    assert found.prediction.problems == ()
    assert found.prediction.seconds >= 600


def test_a_short_time_is_kept_and_said() -> None:
    machine = Fast()
    found = strategy.find(task("Offline", minutes=0.5), machine)
    assert machine.spent <= 30
    assert not found.complete
    assert "benchmark_find_minutes" in found.notes[0]


@pytest.mark.parametrize("scenario", ["Offline", "Server", "SingleStream"])
def test_what_does_not_run_is_tried_once(scenario: str) -> None:
    machine = Machine(broken=True)
    with pytest.raises(BadResultError, match=r"first probe ended without a number: no memory \(01\)"):
        strategy.find(task(scenario), machine)
    assert len(machine.calls) == 1


def test_batches() -> None:
    assert BATCHES[:3] == [
        {"batch_size": 64, "batch_cost": 1024}, {"batch_size": 32, "batch_cost": 512},
        {"batch_size": 128, "batch_cost": 2048},
    ]  # fmt: skip
    assert strategy.batches({"batch_size": 1, "batch_cost": 1}, most=1) == [{"batch_size": 1, "batch_cost": 1}]
    images = strategy.batches({"batch_size": 8, "batch_cost": 8}, most=16, costs=(1, 1))
    assert [(each["batch_size"], each["batch_cost"]) for each in images] == [(8, 8), (4, 4), (16, 16), (2, 2), (1, 8)]
    assert [each["batch_size"] for each in strategy.batches({"batch_size": 4, "batch_cost": 400}, costs=(90, 90))] == [
        4, 2, 8, 1, 16,
    ]  # fmt: skip
