"""What a cell asks of LoadGen: how long, how often, how fast; from the user, the round and what the warm-up saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet.cell import estimates
from loadfleet.loadgen import arrivals
from loadfleet.loadgen.scenarios import SCENARIOS
from loadfleet.loadgen.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.catalogue.rounds import Round

TEST_DURATION_MS = 20_000
TEST_ACCURACY_SAMPLES = 1_000
# LoadGen sizes the Offline query by 1.1 x target x duration and calls a run INVALID that ends before the duration:
# a target somewhat above the estimate costs a longer run, one below it costs the run.
_OFFLINE_MARGIN = 1.05
_PROBE_QUERIES = 8  # at least: of a slow system a search wants to see many settings rather than many queries
_STREAM_SHARE = 0.5  # of the undisturbed latency: LoadGen prepares enough queries only for one below the true one


def of(cell: Mapping[str, Any], rules: Round, values: dict[str, float]) -> Settings:
    """What LoadGen is asked; a compliance test has an audit file and perhaps seeds of its own."""
    test = cell.get("compliance") or {"seeds": {}, "audit": {}}
    return Settings(
        model=cell["loadgen"]["model"],
        scenario=cell["scenario"],
        mode=cell["mode"],
        values=values,
        seeds={**dict(rules.seeds.items()), **test["seeds"]},
        audit=test["audit"],
    )


def values(cell: Mapping[str, Any], rules: Round, seen: tuple[float, int], samples: int) -> dict[str, float]:
    """What user.conf says beyond LoadGen's own mlperf.conf.

    Args:
        cell: The cell.
        rules: Its round.
        seen: The rate of the warm-up (streams: a latency, ms), and how many instances gave it.
        samples: Samples of the data set.
    """
    return _target(cell, rules, *seen) | _length(cell, rules, samples)


def _target(cell: Mapping[str, Any], rules: Round, estimate: float, instances: int) -> dict[str, float]:
    """How fast: a rate, or the latency that streams expect."""
    asked, scenario = cell["loadgen"], SCENARIOS[cell["scenario"]]
    if scenario.rate_setting != "target_qps":
        return {"target_latency": asked["target_latency_ms"] or round(estimate * _STREAM_SHARE, 6)}
    if scenario.name == "Offline":
        estimate = max(estimate, estimates.last(cell) or 0.0) * _OFFLINE_MARGIN
    else:
        estimate = arrivals.rate(estimate, instances, latency_limit(cell, rules))
    target = {"target_qps": asked["target_qps"] or round(estimate, 3)}
    if scenario.name == "Offline" and asked["query_count"] and not asked["target_qps"]:
        target["target_qps"] = 1  # else LoadGen would raise the count to what the rate asks for
    if scenario.name == "Server" and asked["target_latency_ms"]:
        target["target_latency"] = asked["target_latency_ms"]
    return target


def _length(cell: Mapping[str, Any], rules: Round, samples: int) -> dict[str, float]:
    """How many samples or queries and how long, where that is not what mlperf.conf says."""
    if cell["execution"] == "valid":
        return {}
    asked = cell["loadgen"]["query_count"]
    if cell["mode"] == "accuracy":
        return {"accuracy_sample_count_override": min(samples, asked or TEST_ACCURACY_SAMPLES)}
    least = _PROBE_QUERIES if "probe" in cell else SCENARIOS[cell["scenario"]].test_minimum
    return {"min_duration": minimum_ms(cell, rules), "min_query_count": asked or least}


def minimum_ms(cell: Mapping[str, Any], rules: Round) -> int:
    """LoadGen's minimum duration."""
    if cell["loadgen"]["query_count"]:
        return 1  # the count alone decides when the run ends
    if "probe" in cell:
        return int(1e3 * cell["probe"]["seconds"])
    return rules.min_duration_ms if cell["execution"] == "valid" else TEST_DURATION_MS


def latency_limit(cell: Mapping[str, Any], rules: Round) -> float:
    """Latency bound of Server in ms: the user's, or what the round sets for the model."""
    if cell["loadgen"]["target_latency_ms"]:
        return float(cell["loadgen"]["target_latency_ms"])
    official = cell["model"]["facts"].get("official_name")
    limits = rules.model(official).latency_ms if official else {}
    return float(limits.get("Server", 100.0))


def warm_up_s(cell: Mapping[str, Any]) -> float:
    """How long to look at the machine: an estimate that is too low costs a valid run its ten minutes."""
    if cell["mode"] == "accuracy" and cell["scenario"] != "Server":
        return 0.0  # nothing depends on the estimate
    return 3.0 if cell["execution"] == "valid" else 1.0
