"""What is searched in which scenario, in which order, and what a valid run with the findings will take.

Offline, SingleStream and MultiStream: the fastest arrangement. Server: roughly the highest rate, the arrangement with
the shortest tail at that rate, then the highest rate of that arrangement. Only settings that leave answers as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loadfleet.errors import BadResultError
from loadfleet.tuning import arrangement, early_stopping, prediction, rate
from loadfleet.tuning.probe import Outcome, Tried

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.tuning.arrangement import Choice, Ranking, Score
    from loadfleet.tuning.prediction import Prediction, Rules
    from loadfleet.tuning.probe import Probe

ARRANGEMENT, RATE = "arrangement", "rate"  # kinds of search, as records name them
LAYOUT, BATCH = ("instances", "threads"), ("batch_size", "batch_cost")
_SCALES = (1.0, 0.5, 2.0, 0.25, 4.0, 0.125)  # of the usual batch
_ARRANGING = 0.4  # share of a Server search's time
_ROUGH = rate.Effort(probes=4, tolerance=0.12, queries=2000)
_ROUGH_SHARE, _ROUGH_S = 0.02, 8.0  # of the time, for each of its probes, and no more than that at first
_BEYOND = 1.2  # how far beyond these probes the edge is at most, where all hold and some queries are late already
_FINE_QUERIES = 40_000  # of a probe near the edge: of more the verdict is hardly surer
_FEWEST = 4  # probes of a rate search, however short the time
_SHORT_S = 5.0  # rather fewer probes than shorter ones
_LEAST_S = 1.0  # measured time of a probe
_SLOW = "raise benchmark_target_latency_ms, use a faster model or host, or one that nobody else uses"
_START_S = 5.0  # what a probe costs besides, until one has said it


@dataclass(frozen=True)
class Task:
    """What a search is about.

    Attributes:
        rules: What a valid run has to meet.
        layouts: Instances x threads, the usual one first; one where the user has set it.
        batches: Samples and cost of a batch, the usual ones first; one where there is nothing to choose.
        budget_s: How long it may take, start-up of probes included.
        bound_ms: Latency bound of Server.
        guess: First rate of Server; None lets the system rate itself.
    """

    rules: Rules
    layouts: Sequence[Choice]
    batches: Sequence[Choice]
    budget_s: float
    bound_ms: float | None = None
    guess: float | None = None

    @property
    def space(self) -> dict[str, Sequence[Choice]]:
        return {"instances x threads": self.layouts, "batch": self.batches}


@dataclass(frozen=True)
class Findings:
    """What a search came to.

    Attributes:
        chosen: Settings to use.
        value: What was measured with them: samples or queries a second, or ms in the stream scenarios.
        searches: By kind, what the record keeps: probes and result.
        prediction: What a valid run with them will take.
        complete: Whether the time sufficed.
        notes: What a user should know, in sentences.
    """

    chosen: dict[str, float]
    value: float
    searches: dict[str, tuple[list[Tried], dict[str, Any]]]
    prediction: Prediction
    complete: bool
    notes: tuple[str, ...] = ()


def batches(
    usual: Choice, most: int | None = None, costs: tuple[float, float] = (1.0, math.inf)
) -> list[dict[str, float]]:
    """The usual batch, and batches of a part and a multiple of its samples and its cost together.

    Args:
        usual: `batch_size` and `batch_cost`.
        most: Samples that the model, or a query, takes at most.
        costs: Of the cheapest and of the dearest sample: what cannot hold two of the one holds one, and what holds all
            samples of the other is bound by their number.
    """
    found: list[dict[str, float]] = []
    for scale in _SCALES:
        size = max(1, int(min(usual["batch_size"] * scale, most or math.inf)))
        cost = max(1, int(min(usual["batch_cost"] * scale, size * costs[1])))
        if cost < 2 * costs[0]:
            size = 1
        one = {"batch_size": float(size), "batch_cost": float(cost if size > 1 else usual["batch_cost"])}
        if one not in found:
            found.append(one)
    return found


def find(task: Task, probe: Probe) -> Findings:
    """Search what the scenario has to offer.

    Raises:
        BadResultError: Nothing was found: the usual arrangement does not run, or no rate holds.
    """
    watched = _Watched(probe)
    if task.rules.scenario == "Server":
        return _server(task, watched)
    return _fastest(task, watched)


class _Watched:
    """A probe that remembers what it cost and what it saw; settings that are `fixed` go with all others."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.spent = 0.0
        self.overhead = _START_S
        self.fixed: dict[str, float] = {}
        self.tried: list[Tried] = []
        self.room = 1.0  # most late queries, as a share

    def __call__(self, settings: Mapping[str, float], seconds: float) -> Outcome:
        together = {**self.fixed, **settings}
        together = {name: together[name] for name in sorted(together, key=lambda name: name == rate.SETTING)}
        outcome = self._held(self._probe(together, seconds))
        self.tried.append(Tried(together, seconds, outcome))
        first = not self.spent
        self.spent += outcome.duration_s
        if first:
            self.overhead = max(1.0, outcome.duration_s - seconds)
            if outcome.rate is None:
                raise BadResultError(
                    f"the first probe ended without a number: {'; '.join(outcome.reasons) or 'it does not say why'}"
                    + (f" ({outcome.where})" if outcome.where else ""),
                    fix="run the same with benchmark_execution: test, and mend what that says",
                )
        return outcome

    def _held(self, outcome: Outcome) -> Outcome:
        late, most = outcome.late, self.room * outcome.queries
        if not outcome.valid or late is None or late <= most:
            return outcome
        why = f"{late:,} of {outcome.queries:,} queries were late, a valid run has to keep below {self.room:.2%}"
        return replace(outcome, valid=False, reasons=(*outcome.reasons, why))


def _fastest(task: Task, probe: _Watched) -> Findings:
    """Offline and the stream scenarios."""
    offline = task.rules.percentile is None
    percentile = f"p{100 * (task.rules.percentile or 0):g}"

    def score(outcome: Outcome) -> float | None:
        if not outcome.valid or not outcome.rate:
            return None
        return outcome.rate if offline else 1e3 / outcome.latency_ms[percentile]

    ranking = _arranged(task, probe, task.budget_s, score)
    best = ranking.best
    if best is None or best.rate is None:
        raise BadResultError(
            f"none of {len(ranking.probes)} probes was usable: {'; '.join(_reasons(ranking)) or 'they do not say why'}",
            fix="run the same with benchmark_execution: test, and mend what that says",
        )
    value = best.rate if offline else 1e3 / best.rate
    if offline:
        ahead = prediction.offline(task.rules, 1.05 * value, value)  # what a run takes for its target
    else:
        means = [_mean(one.outcome) for one in ranking.probes if one.settings == best.settings]
        ahead = prediction.stream(task.rules, min(means), min(means) / 2)
    return Findings(
        chosen=dict(best.settings),
        value=value,
        searches={ARRANGEMENT: (probe.tried, _ranked(ranking))},
        prediction=ahead,
        complete=ranking.complete,
        notes=_incomplete(ranking),
    )


def _server(task: Task, probe: _Watched) -> Findings:
    usual = {**task.layouts[0], **task.batches[0]}
    probe.fixed = usual
    guess, percentile = _guess(task, probe)
    probe.room = 1 - percentile
    searches: dict[str, tuple[list[Tried], dict[str, Any]]] = {}
    arranging = slice(0, 0)
    notes: tuple[str, ...] = ()
    best, complete = dict(usual), True
    if len(task.layouts) * len(task.batches) > 1:
        guess = _roughly(task, probe, guess, percentile)
        probe.fixed = {rate.SETTING: _rounded(guess)}
        before = len(probe.tried)
        ranking = _arranged(task, probe, min(_ARRANGING * task.budget_s, _left(task, probe) / 2), _tail)
        arranging = slice(before, len(probe.tried))
        searches[ARRANGEMENT] = (probe.tried[arranging], _ranked(ranking))
        notes, complete = _incomplete(ranking), ranking.complete
        if ranking.best:
            best = {name: value for name, value in ranking.best.settings.items() if name != rate.SETTING}
    probe.fixed = best
    found = rate.search(probe, guess, bound_ms=task.bound_ms, effort=_fine(task, probe, guess, percentile))
    if found.rate is None:
        raise BadResultError(
            f"no rate was seen VALID: {found.reason}", fix=_SLOW if found.hopeless else f"{_SLOW}, or give more time"
        )
    searches[RATE] = ([*probe.tried[: arranging.start], *probe.tried[arranging.stop :]], found.as_json())
    # What was seen VALID once in a short run is a coin's toss in a long one where it is on the edge.
    target = _rounded(min(found.rate, max(found.low, 0.95 * found.rate)))
    if not found.confirmed:
        notes = (*notes, found.reason)
    ahead = prediction.server(task.rules, target, found.late_share)
    return Findings(
        chosen={**best, rate.SETTING: target},
        value=found.rate,
        searches=searches,
        prediction=ahead,
        complete=complete and found.confirmed,
        notes=notes,
    )


def _guess(task: Task, probe: _Watched) -> tuple[float, float]:
    """Where to begin, and the percentile that has to hold in a probe for a valid run to be believed.

    LoadGen's early stopping leaves room for fewer late queries than the percentile itself, for the fewer the shorter
    the run.
    """
    guess = task.guess
    if guess is None:
        guess = probe({}, _rough_s(task)).rate or 1.0
    percentile = task.rules.percentile or 0.99
    queries = max(task.rules.queries, math.ceil(task.rules.duration_s * guess))
    allowed = early_stopping.allowed_late(queries, percentile, confidence=task.rules.confidence)
    return guess, 1 - allowed / queries if allowed else percentile


def _roughly(task: Task, probe: _Watched, guess: float, percentile: float) -> float:
    """About the highest rate of the usual arrangement."""
    seconds = _rough_s(task)
    effort = replace(_ROUGH, percentile=percentile, seconds=seconds, longest_s=2.5 * seconds)
    found = rate.search(probe, guess, bound_ms=task.bound_ms, effort=effort)
    if found.hopeless:
        raise BadResultError(f"no rate can hold: {found.reason}", fix=_SLOW)
    middle, rates = math.sqrt(found.low * found.high), [one.settings[rate.SETTING] for one in found.probes]
    if all(one.outcome.valid for one in found.probes) and any(one.outcome.late for one in found.probes):
        return min(middle, _BEYOND * max(rates))  # some queries were late already: it is not far
    return middle


def _rough_s(task: Task) -> float:
    return min(_ROUGH_S, max(_LEAST_S, _ROUGH_SHARE * task.budget_s))


def _arranged(task: Task, probe: _Watched, budget_s: float, score: Score) -> Ranking:
    count = len(task.layouts) * len(task.batches)
    seconds = min(15.0, max(_LEAST_S, budget_s / (count + 3) - probe.overhead))
    return arrangement.search(probe, task.space, budget_s=max(budget_s, 1.0), seconds=seconds, score=score)


def _fine(task: Task, probe: _Watched, guess: float, percentile: float) -> rate.Effort:
    """As many probes as there is time for, as long as there is time for."""
    effort, left = rate.Effort(), _left(task, probe)
    probes = min(effort.probes, max(_FEWEST, int(left / (probe.overhead + _SHORT_S))))
    longest = max(_LEAST_S, left / probes - probe.overhead)
    queries = int(min(_FINE_QUERIES, longest * guess))
    seconds = min(effort.seconds, longest)
    return replace(effort, probes=probes, seconds=seconds, queries=queries, longest_s=longest, percentile=percentile)


def _left(task: Task, probe: _Watched) -> float:
    return max(0.0, task.budget_s - probe.spent)


def _tail(outcome: Outcome) -> float | None:
    """Of two arrangements at one rate, the one with the shorter tail can take more."""
    return 1e3 / outcome.latency_ms["p99"] if outcome.rate and outcome.latency_ms.get("p99") else None


def _mean(outcome: Outcome) -> float:
    return outcome.latency_ms.get("mean") or outcome.latency_ms["p50"]


def _ranked(ranking: Ranking) -> dict[str, Any]:
    return {"complete": ranking.complete, "ranked": [each.as_json() for each in ranking.ranked]}


def _reasons(ranking: Ranking) -> list[str]:
    return list(dict.fromkeys(reason for each in ranking.ranked for reason in each.reasons))


def _incomplete(ranking: Ranking) -> tuple[str, ...]:
    if ranking.complete:
        return ()
    return ("the time sufficed for a part of the arrangements only: benchmark_find_minutes sees more",)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
