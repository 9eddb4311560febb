"""The highest rate at which a latency bound holds, from a dozen probes whose verdicts may be wrong.

What is known about the edge is a distribution over rates, on a logarithmic scale. Each probe reweighs it: by how many
queries were late or, where nobody counted them, by the verdict alone; either may be wrong near the edge. A rate that
the system could not follow says more: what it completed is its limit. The next probe is where the distribution's halves
meet; its heavy tails make the steps grow while all verdicts are the same, so that a bad guess costs three or four
probes and not all of them.

What is reported was itself seen VALID, twice where the probes suffice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.tuning.probe import Outcome, Tried

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from loadfleet.tuning.probe import Probe

SETTING = "target_qps"
_STEP = 0.0025  # of the logarithmic scale: 0.25 %
_SATURATED = 0.5  # a share of late queries above this says no more than that there are too many
_CLUSTERS = 6.0
_BENT = 0.25
_CLOSER = 0.75  # of the tolerance: what is known is a little too sure of itself
_ARRIVALS = 5.0  # arrivals are random too: so many times the variance of their count
_DECADES = 4  # how far off the first guess may be, each way
_GUESS = 0.35  # half of the prior lies within this factor (e^0.35 = 1.4) of the guess
# Close to the middle: a VALID rate that is lower than it need be costs the tolerance, one more refusal a probe.
_BELOW, _LOWER = 0.1, 0.1  # of the tolerance: how far below the middle to see a rate VALID, and more for each refusal
_LOWEST = 0.4  # of the tolerance: how far below at most,
_LAST = {4: 0.3, 3: 0.4, 2: 0.55, 1: 0.8}  # unless the last probes are left and no VALID one is near
_DOWN = {3: 2.0, 2: 4.0, 1: 8.0}  # and where none was VALID at all: some rate that holds is worth more than its place
_HALF = 0.012  # a rate that was INVALID as often as VALID counts as so much further away
_NEAR = 0.7  # how likely the edge is within the tolerance of a rate that is worth to be seen again
_STRIDES = (2.0, 4.0)  # factors of the first and of later steps while all verdicts are the same
_HALVED, _HOPELESS = 2.0, 0.05  # where at so much less of the rate still such a share is late, queues are not why
_OVERLOADED = 0.95  # completed less than this share of what was asked: the system could not follow


@dataclass(frozen=True)
class Effort:
    """How much a search may do.

    Attributes:
        probes: Most probes.
        tolerance: Wanted closeness to the highest rate.
        seconds: Measured time of a probe, at least.
        queries: Queries of a probe near the edge, where the verdict hangs on few late ones; far away a fifth of it.
        longest_s: Measured time of a probe, at most, however slow the system is.
        percentile: The latency percentile that is bounded.
        noise: How much the system's speed differs from run to run, as a share.
        edge: How far from the edge, as a share, verdicts err one time in six; where no late queries are counted.
        mistakes: Share of verdicts that are wrong anywhere.
        sure: Ends the search: how likely the reported rate is within the tolerance.
    """

    probes: int = 12
    tolerance: float = 0.03
    seconds: float = 20.0
    queries: int = 8000
    longest_s: float = 600.0
    percentile: float = 0.99
    noise: float = 0.01
    edge: float = 0.03
    mistakes: float = 0.005
    sure: float = 0.95


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        rate: The highest rate that was seen VALID and fits the rest; None when there is none.
        confirmed: It was VALID twice, and INVALID less often.
        low: The edge lies above this with 95 %.
        high: The edge lies below this with 95 %.
        likely: How likely the edge is within the tolerance of `rate`.
        late_share: Share of late queries over the VALID probes at `rate`; None when nobody counted.
        probes: All of them, in order.
        reason: Why there is no rate, or why it is not confirmed; empty else.
        hopeless: No rate can hold, as far as was seen: the search ended early.
    """

    rate: float | None
    confirmed: bool
    low: float
    high: float
    likely: float
    late_share: float | None
    probes: tuple[Tried, ...]
    reason: str = ""
    hopeless: bool = False

    def as_json(self) -> dict[str, Any]:
        """For `--json` and records, without the probes."""
        return {
            "rate": self.rate,
            "confirmed": self.confirmed,
            "low": self.low,
            "high": self.high,
            "likely": round(self.likely, 4),
            "late_share": self.late_share,
            "reason": self.reason,
        }


def search(
    probe: Probe,
    guess: float,
    *,
    bound_ms: float | None = None,
    effort: Effort | None = None,
    report: Callable[[Tried], None] = lambda _: None,
) -> Found:
    """The highest VALID rate.

    Args:
        probe: Tries `{"target_qps": rate}`.
        guess: Where to begin, in queries a second; being off by a factor of some ten is no harm.
        bound_ms: The latency bound: lets the search see that even an idle system cannot hold it.
        effort: How much may be done.
        report: Told each probe.

    Raises:
        InputError: The guess is not a positive number.
    """
    if not (guess > 0 and math.isfinite(guess)):
        raise InputError(f"the first rate is {guess}; it has to be above 0", fix="give a positive rate to begin with")
    effort = effort or Effort()
    edge = Edge(guess, effort)
    tried: list[Tried] = []
    while len(tried) < effort.probes:
        rate = _next(edge, tried, effort)
        wide = edge.spread() > 10 * effort.tolerance
        queries = effort.queries / 5 if wide else effort.queries
        seconds = min(effort.longest_s, max(effort.seconds, queries / rate))
        one = Tried({SETTING: rate}, seconds, probe({SETTING: rate}, seconds))
        tried.append(one)
        report(one)
        edge.learn(rate, one.outcome)
        if reason := _hopeless(tried, bound_ms):
            return _found(edge, tried, effort, reason)
        best = _best(edge, tried)
        if best and _confirmed(tried, best) and edge.within(best, _CLOSER * effort.tolerance) >= effort.sure:
            break
    return _found(edge, tried, effort)


class Edge:
    """What is known about the highest rate: weights over the logarithms of rates, and over how fast lateness grows.

    Near the edge the share of late queries grows as a power of the rate; the exponent, between some 4 (few queries
    fit the bound) and some 80 (many do), is learnt as well.
    """

    def __init__(self, guess: float, effort: Effort) -> None:
        import numpy as np  # noqa: PLC0415  (half of a short command's start-up)

        self._effort = effort
        centre, reach = math.log(guess), _DECADES * math.log(10)
        self._x = np.arange(centre - reach, centre + reach, _STEP)
        self._growth = np.geomspace(4, 60, 7)[:, None]
        prior = -np.log1p(((self._x - centre) / _GUESS) ** 2)  # Cauchy
        self._log_weight = np.repeat(prior[None, :], len(self._growth), axis=0)
        self._weight = self._summed()
        self._cumulated = np.cumsum(self._weight)

    def learn(self, rate: float, outcome: Outcome) -> None:
        """Take a probe into account."""
        import numpy as np  # noqa: PLC0415

        counted = outcome.late is not None and outcome.queries > 0
        self._log_weight += self._lateness(rate, outcome) if counted else self._verdict(rate, outcome)
        if not outcome.valid and outcome.rate and outcome.rate < _OVERLOADED * rate:
            # Completed under overload: the edge is below it, most often not far.
            below = (math.log(outcome.rate) - self._x) / 0.4
            self._log_weight += np.where(below > -0.1, -np.log1p(below**2), math.log(self._effort.mistakes))
        self._weight = self._summed()
        self._cumulated = np.cumsum(self._weight)

    def quantile(self, share: float) -> float:
        """The rate below which the edge lies with this probability."""
        import numpy as np  # noqa: PLC0415

        place = min(int(np.searchsorted(self._cumulated, share)), len(self._x) - 1)
        return math.exp(float(self._x[place]))

    def within(self, rate: float, tolerance: float) -> float:
        """How likely the edge is within a share of a rate."""
        import numpy as np  # noqa: PLC0415

        return float(self._weight[np.abs(self._x - math.log(rate)) <= math.log1p(tolerance)].sum())

    def spread(self) -> float:
        """Logarithm of the factor between the ends of the middle 80 %."""
        return math.log(self.quantile(0.9) / self.quantile(0.1))

    def _verdict(self, rate: float, outcome: Outcome) -> NDArray[np.float64]:
        """Where nobody counted late queries, only the verdict speaks."""
        import numpy as np  # noqa: PLC0415

        distance = (self._x - math.log(rate)) / self._effort.edge
        mistakes = self._effort.mistakes
        above = mistakes + (1 - 2 * mistakes) / (1 + np.exp(-np.clip(1.7 * distance, -60, 60)))
        found: NDArray[np.float64] = np.log(above if outcome.valid else 1 - above)
        return found

    def _lateness(self, rate: float, outcome: Outcome) -> NDArray[np.float64]:
        """How many were late says how far away the edge is, where a verdict only says on which side."""
        import numpy as np  # noqa: PLC0415

        queries, late = outcome.queries, outcome.late or 0
        room = 1 - self._effort.percentile
        away = self._growth * (math.log(rate) - self._x)  # logarithm of lateness over what the percentile allows
        expected = np.minimum(_SATURATED, room * np.exp(np.clip(away, -12, 12)))
        seen = min(_SATURATED, late / queries)
        error = math.log(seen + 0.5 / queries) - np.log(expected + 0.5 / queries)
        spread = (
            _CLUSTERS / (queries * expected + 1)  # late queries come in clusters: more scatter than independent ones
            + (_BENT * np.clip(np.abs(away) - 0.5, 0, 4)) ** 2  # far from the edge the power law is only roughly true
            + self._growth**2 * (self._effort.noise**2 + _ARRIVALS / queries)
        )
        found: NDArray[np.float64] = np.log(
            self._effort.mistakes + (1 - self._effort.mistakes) * np.exp(-(error**2) / spread / 2) / np.sqrt(spread)
        )
        return found

    def _summed(self) -> NDArray[np.float64]:
        import numpy as np  # noqa: PLC0415

        weight: NDArray[np.float64] = np.exp(self._log_weight - self._log_weight.max()).sum(axis=0)
        weight /= weight.sum()
        return weight


def _next(edge: Edge, tried: list[Tried], effort: Effort) -> float:
    """Halve what is not known; once it is little, or probes run out, see a rate VALID, and again."""
    if not tried:
        return _rounded(edge.quantile(0.5))
    left = effort.probes - len(tried)
    best = _best(edge, tried)
    middle = edge.quantile(0.5)
    near = best is not None and edge.within(best, effort.tolerance) >= _NEAR
    if edge.spread() > (1.5 if left > 6 else 3) * effort.tolerance and left > (3 if near else 4):
        return _rounded(_stepped(middle, tried))
    if best and near and not _confirmed(tried, best) and all(_verdicts(tried, best)):
        return best
    # A little below the middle, where the verdict is no coin's toss; lower after each INVALID, and when few are left.
    refused = sum(_refused_near(one, middle, effort) for one in tried[-3:])
    below = min(_BELOW + _LOWER * refused, _LOWEST)
    if not near:
        below = max(below, (_LAST if best else _DOWN).get(left, 0.0))
    return _rounded(middle * (1 - effort.tolerance * below))


def _stepped(middle: float, tried: list[Tried]) -> float:
    """While verdicts are all the same and far from the edge, a step of some size at least."""
    last, rate = tried[-1].outcome, tried[-1].settings[SETTING]
    far = last.late == 0 or (last.late is not None and last.late > _SATURATED * last.queries)
    if not far or len({one.outcome.valid for one in tried}) > 1:
        return middle
    stride = _STRIDES[min(len(tried), len(_STRIDES)) - 1]
    return max(middle, rate * stride) if last.valid else min(middle, rate / stride)


def _refused_near(one: Tried, middle: float, effort: Effort) -> bool:
    distance = math.log(one.settings[SETTING] / middle)
    return not one.outcome.valid and -2 * effort.tolerance < distance < -0.25 * _BELOW * effort.tolerance


def _best(edge: Edge, tried: list[Tried]) -> float | None:
    """Of the rates that were VALID, and not more often INVALID, the one that most likely is close to the edge."""
    rates = {one.settings[SETTING] for one in tried if one.outcome.valid}
    shares = {rate: sum(_verdicts(tried, rate)) / len(_verdicts(tried, rate)) for rate in rates}
    middle = edge.quantile(0.5)

    def away(rate: float) -> float:
        return abs(math.log(rate / middle)) + (_HALF if shares[rate] == 0.5 else 0.0)

    return min((rate for rate in rates if shares[rate] >= 0.5), key=away, default=None)


def _verdicts(tried: list[Tried], rate: float) -> list[bool]:
    return [one.outcome.valid for one in tried if one.settings[SETTING] == rate]


def _confirmed(tried: list[Tried], rate: float) -> bool:
    """VALID twice at this rate, and more often than not."""
    verdicts = _verdicts(tried, rate)
    return sum(verdicts) >= 2 and sum(verdicts) * 2 > len(verdicts)


def _hopeless(tried: list[Tried], bound_ms: float | None) -> str:
    """Why no rate can hold, in words; empty while one may."""
    last = tried[-1].outcome
    median = last.latency_ms.get("p50")
    followed = last.rate is not None and last.rate >= _OVERLOADED * tried[-1].settings[SETTING]
    slow = [one for one in tried if not one.outcome.valid]
    if bound_ms and median and followed and median > bound_ms and len(slow) == len(tried) >= 3:
        return (
            f"half of the queries take longer than the bound of {bound_ms:g} ms (p50 {median:.6g} ms) even at "
            f"{tried[-1].settings[SETTING]:.6g} queries a second, which the system follows"
        )
    shares = [one.outcome.late / one.outcome.queries for one in tried if one.outcome.late and one.outcome.queries]
    slower = tried[0].settings[SETTING] / tried[-1].settings[SETTING]
    idle = followed and slower >= _HALVED and len(shares) == len(slow) == len(tried) >= 3
    if idle and shares[-1] > max(_HOPELESS, shares[0] / slower):
        return (
            f"{shares[-1]:.0%} of the queries are late at {tried[-1].settings[SETTING]:.6g} a second, which the system "
            f"follows, and {shares[0]:.0%} at {tried[0].settings[SETTING]:.6g}: fewer queries do not help"
        )
    broken = [one for one in tried if one.outcome.rate is None]
    if len(broken) >= 2 and len(broken) == len(tried):
        return f"nothing was measured: {'; '.join(last.reasons) or 'the probes do not say why'}"
    return ""


def _found(edge: Edge, tried: list[Tried], effort: Effort, reason: str = "") -> Found:
    hopeless = bool(reason)
    rate = None if hopeless else _best(edge, tried)
    confirmed = rate is not None and _confirmed(tried, rate)
    if rate is None and not reason:
        reason = f"none of {len(tried)} probes was VALID"
    elif rate is not None and not confirmed:
        reason = f"{rate:.6g} was VALID once; the {effort.probes} probes did not suffice to see it again"
    counted = [
        one.outcome
        for one in tried
        if one.settings[SETTING] == rate and one.outcome.valid and one.outcome.late is not None and one.outcome.queries
    ]
    return Found(
        rate=rate,
        confirmed=confirmed,
        low=edge.quantile(0.05),
        high=edge.quantile(0.95),
        likely=edge.within(rate, effort.tolerance) if rate else 0.0,
        late_share=sum(one.late or 0 for one in counted) / sum(one.queries for one in counted) if counted else None,
        probes=tuple(tried),
        reason=reason,
        hopeless=hopeless,
    )


def _rounded(rate: float) -> float:
    """Four significant digits: what somebody would type."""
    return float(f"{rate:.4g}")
