"""The number of a result in its round's unit: from LoadGen's log, another scenario's, or the endpoints client's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadfleet.submission.reading import endpoints

if TYPE_CHECKING:
    from loadfleet.catalogue.rounds import ScenarioResult
    from loadfleet.submission.checks.base import Result
    from loadfleet.submission.reading.endpoints import EndpointsRun
    from loadfleet.submission.reading.mllog import DetailLog

# What may be inferred from what, on edge systems (policies, "inferring scenario results"): measured -> folder
INFERRED = {("SingleStream", "MultiStream"), ("SingleStream", "Offline"), ("MultiStream", "Offline")}

_PERCENTILE = re.compile(r"result_(\d+\.\d+)_percentile_latency_ns")


@dataclass(frozen=True)
class Measured:
    """A performance result in the round's unit."""

    value: float
    unit: str
    inferred: bool


def measure(result: Result) -> Measured | None:
    """The number of a result, inferred from another scenario's log where the rules allow; None when there is none."""
    log, scenario, model = result.performance, result.scenario, result.benchmark
    if scenario is None or model is None:
        return None
    rules = result.rules.result(model, scenario)
    if result.endpoints:
        value = _of_client(endpoints.read(result.folder), rules)
        return None if value is None else Measured(value / rules.divisor, rules.unit, inferred=False)
    ran = log.text("effective_scenario")
    if ran == result.rules.scenarios[scenario].loadgen_scenario:
        value = log.number(rules.key)
        return None if value is None else Measured(value / rules.divisor, rules.unit, inferred=False)
    value = inferred(log, ran, scenario)
    return None if not value else Measured(value, rules.unit, inferred=True)


def inferred(log: DetailLog, ran: str, scenario: str) -> float | None:
    """The checkers' formulae, in ms or samples/s: SingleStream -> MultiStream 8 x the 99th percentile estimate,
    SingleStream -> Offline its rate without overhead, MultiStream -> Offline 8 / mean query latency.
    """
    if (ran, scenario) == ("SingleStream", "MultiStream"):
        value = log.number("early_stopping_latency_ms")
        return value and 8 * value / 1e6
    if (ran, scenario) == ("SingleStream", "Offline"):
        return log.number("result_qps_without_loadgen_overhead")
    if (ran, scenario) == ("MultiStream", "Offline"):
        mean = log.number("result_mean_query_latency_ns")
        return 8e9 / mean if mean else None
    return None


def _of_client(run: EndpointsRun, rules: ScenarioResult) -> float | None:
    """What the endpoints client has for a key of LoadGen; its mean latency for early stopping's estimates.

    MLCommons' checker gives samples a second for models that count tokens, in Offline, and calls them tokens.
    """
    percentile = _PERCENTILE.fullmatch(rules.key)
    if percentile is not None:
        return run.percentile("latency", float(percentile[1]))
    if "latency" in rules.key:
        return run.mean("latency")
    return run.tokens_per_second if "tokens" in rules.key else run.samples_per_second
