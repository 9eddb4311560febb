"""What a run will take, before it takes it: queries, seconds, and whether early stopping can be met."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.tuning import early_stopping

if TYPE_CHECKING:
    from loadfleet.catalogue.rounds import Round

_OFFLINE_SLACK = 1.1  # LoadGen sizes the Offline query by this much more than rate x duration
_GENERATED = 2  # LoadGen prepares queries for this many durations at the expected latency, SingleStream and MultiStream
_LEAST_QUERIES = {"MultiStream": 662, "Offline": 1}  # LoadGen's own min_query_count; 100 elsewhere
_LEAST_OTHERS = 100
_SURE = 0.95


@dataclass(frozen=True)
class Rules:
    """What a run has to meet.

    Attributes:
        scenario: Offline, Server, SingleStream or MultiStream.
        duration_s: Minimum duration.
        queries: Minimum query count.
        percentile: Of the latency that counts (0.99); None in Offline.
        samples_per_query: 8 in MultiStream; else 1.
        offline_samples: Fewest samples of the Offline query.
        permutation: Samples come in whole data sets of this many; 0 where they do not (equal issue).
        confidence: Of early stopping.
    """

    scenario: str
    duration_s: float
    queries: int
    percentile: float | None
    samples_per_query: int = 1
    offline_samples: int = 1
    permutation: int = 0
    confidence: float = early_stopping.CONFIDENCE


def rules(round_: Round, scenario: str, official_name: str | None = None) -> Rules:
    """The rules of a round for a model; those that hold for any model without one.

    Raises:
        InputError: The round does not know the scenario or the model.
    """
    name = round_.scenario(scenario)
    if name is None:
        raise InputError(
            f"{round_.title} has no scenario {scenario!r}", fix=f"use one of {', '.join(round_.scenarios)}"
        )
    model = round_.model(official_name) if official_name else None
    facts = round_.scenarios[name]
    percentile = round_.percentile(model, name) if model else facts.percentile
    return Rules(
        scenario=facts.loadgen_scenario,
        duration_s=(model.min_duration_ms if model else round_.min_duration_ms) / 1e3,
        queries=_LEAST_QUERIES.get(name, _LEAST_OTHERS),
        percentile=float(percentile) / 100 if percentile else None,
        samples_per_query=facts.samples_per_query or 1,
        offline_samples=model.offline_min_samples if model else 1,
        permutation=model.performance_sample_count if model and model.equal_issue else 0,
        confidence=round_.early_stopping_confidence,
    )


@dataclass(frozen=True)
class Prediction:
    """What a run is expected to take.

    Attributes:
        queries: LoadGen's queries; one in Offline.
        samples: Samples in all of them.
        seconds: From the first query to the last answer.
        early_stopping: None where the scenario has none; else whether it is expected to be met.
        needed: Fewest queries that early stopping wants, with the late ones that are expected.
        allowed_late: Most late queries in Server, and how many are left out of the percentile elsewhere.
        chance: How likely early stopping is met, for independent late queries; None where nobody knows their share.
        problems: What would make the run INVALID, and what to change, in words.
    """

    scenario: str
    queries: int
    samples: int
    seconds: float
    early_stopping: bool | None
    needed: int | None
    allowed_late: int | None
    chance: float | None
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "problems": list(self.problems)}


def offline(asked: Rules, target_qps: float, rate: float) -> Prediction:
    """An Offline run that is told `target_qps` on a system that answers `rate` samples a second."""
    _positive(target_qps=target_qps, rate=rate)
    wanted = math.ceil(_OFFLINE_SLACK * asked.duration_s * target_qps - 1e-9)
    samples = _padded(max(asked.offline_samples, wanted), asked.permutation)
    seconds = samples / rate
    problems = []
    if seconds < asked.duration_s:
        least = asked.duration_s * rate / _OFFLINE_SLACK / asked.duration_s
        problems.append(
            f"{samples:,} samples at {rate:,.6g}/s last {seconds:,.0f} s, the minimum is {asked.duration_s:,.0f} s: "
            f"raise target_qps above {least:,.6g}"
        )
    return Prediction(asked.scenario, 1, samples, seconds, None, None, None, None, tuple(problems))


def server(asked: Rules, target_qps: float, late_share: float | None = None, latency_s: float = 0.0) -> Prediction:
    """A Server run at `target_qps` where `late_share` of the queries are later than the bound (None: unknown).

    The queries are scheduled ahead, so that the system's speed changes only how late the last answer is (`latency_s`).
    """
    _positive(target_qps=target_qps)
    percentile = _percentile(asked)
    queries = _padded(max(asked.queries, math.ceil(asked.duration_s * target_qps)), asked.permutation)
    seconds = queries / target_qps + latency_s
    allowed = early_stopping.allowed_late(queries, percentile, confidence=asked.confidence)
    late = round((late_share or 0.0) * queries)
    hopeless = late_share is not None and late_share >= 1 - percentile
    needed = None if hopeless else early_stopping.needed(late, percentile, confidence=asked.confidence)
    chance = (
        early_stopping.chance(queries, late_share, percentile, confidence=asked.confidence)
        if late_share is not None
        else None
    )
    problems = []
    if hopeless:
        problems.append(
            f"{late_share:.2%} of the queries are late, the percentile leaves room for {1 - percentile:.2%}: "
            "lower target_qps"
        )
    elif allowed is None or (chance is not None and chance < _SURE):
        enough = queries_for(late_share or 0.0, percentile, confidence=asked.confidence)
        problems.append(
            f"{queries:,} queries are too few for early stopping"
            + (f" with {late_share:.2%} of them late" if late_share else "")
            + (f": {enough:,} would do, {enough / target_qps:,.0f} s; " if enough else ": ")
            + "raise min_query_count or lower target_qps"
        )
    met = allowed is not None and late <= allowed and not problems
    return Prediction(asked.scenario, queries, queries, seconds, met, needed, allowed, chance, tuple(problems))


def stream(asked: Rules, latency_ms: float, expected_latency_ms: float | None = None) -> Prediction:
    """A SingleStream or MultiStream run whose queries take `latency_ms` on average, one after the other.

    Args:
        asked: The rules.
        latency_ms: Mean latency of a query.
        expected_latency_ms: What LoadGen is told (user.conf's target_latency); the mean without it.
    """
    expected = expected_latency_ms or latency_ms
    _positive(latency_ms=latency_ms, expected_latency_ms=expected)
    percentile = _percentile(asked)
    needed = early_stopping.fewest(percentile, confidence=asked.confidence)
    # LoadGen prepares this many and stops when the duration and the count are reached, or when they are used up.
    prepared = max(asked.queries, math.ceil(_GENERATED * asked.duration_s * 1e3 / expected))
    wanted = max(asked.queries, math.ceil(asked.duration_s * 1e3 / latency_ms))
    queries = min(prepared, wanted)
    seconds = queries * latency_ms / 1e3
    problems = []
    if seconds < asked.duration_s:
        problems.append(
            f"LoadGen prepares {prepared:,} queries which last {seconds:,.0f} s of {asked.duration_s:,.0f}: "
            f"set target_latency to {latency_ms:.6g} ms or less"
        )
    if queries < needed:
        problems.append(
            f"{queries:,} queries are too few for early stopping, which wants {needed:,} "
            f"({needed * latency_ms / 1e3:,.0f} s): raise min_query_count"
        )
    # `needed` says how many a late query costs; what may be left out is one less than LoadGen's rank from the end.
    rank = early_stopping.allowed_late(queries, percentile, confidence=asked.confidence)
    return Prediction(
        asked.scenario,
        queries,
        queries * asked.samples_per_query,
        seconds,
        queries >= needed,
        needed,
        max(0, rank - 1) if rank is not None else None,
        None,
        tuple(problems),
    )


def queries_for(
    late_share: float, percentile: float, *, confidence: float = early_stopping.CONFIDENCE, sure: float = _SURE
) -> int | None:
    """Fewest queries, within 1 %, that make early stopping likely (`sure`); None when even ten million would not."""
    if late_share >= 1 - percentile:
        return None
    low, high = 0, early_stopping.needed(0, percentile, confidence=confidence)
    while early_stopping.chance(high, late_share, percentile, confidence=confidence) < sure:
        low, high = high, high * 2
        if high > 10_000_000:
            return None
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        if early_stopping.chance(middle, late_share, percentile, confidence=confidence) < sure:
            low = middle
        else:
            high = middle
    return high


def _percentile(asked: Rules) -> float:
    if asked.percentile is None:
        raise InputError(f"{asked.scenario} has no latency percentile", fix="predict it as an Offline run")
    return asked.percentile


def _padded(count: int, whole: int) -> int:
    return -(-count // whole) * whole if whole else count


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise InputError(f"{name} is {value}; it has to be above 0", fix=f"give a positive {name}")
