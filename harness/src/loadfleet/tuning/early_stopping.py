"""How many queries a latency percentile needs before LoadGen believes it.

LoadGen accepts that a percentile p lies below a latency when so few late queries would be unlikely otherwise: with t
late ones among h + t, the chance of t or fewer under a binomial law whose events have probability 1 - p + tolerance
must be below 1 - confidence (MLPerf inference rules, appendix on early stopping). Server is judged by its late queries;
SingleStream and MultiStream report the largest latency that may be left out.
"""

from __future__ import annotations

import functools
import math

CONFIDENCE = 0.99
_TINY = 1e-300
_PRECISION = 1e-13


def needed(late: int, percentile: float, *, confidence: float = CONFIDENCE, tolerance: float = 0.0) -> int:
    """Fewest queries in all, the `late` ones among them, with which a percentile (0.99) is believed."""
    return _on_time(late, percentile - tolerance, confidence) + late


def fewest(percentile: float, *, confidence: float = CONFIDENCE, tolerance: float = 0.0) -> int:
    """Fewest queries for an estimate of a percentile: SingleStream and MultiStream leave at least one out."""
    return needed(1, percentile, confidence=confidence, tolerance=tolerance)


def allowed_late(
    queries: int, percentile: float, *, confidence: float = CONFIDENCE, tolerance: float = 0.0
) -> int | None:
    """Most late queries among `queries` with which the percentile is believed; None where even zero are too many."""
    if needed(0, percentile, confidence=confidence, tolerance=tolerance) > queries:
        return None
    low, high = 0, queries  # allowed; not allowed
    while high - low > 1:
        middle = (low + high) // 2
        if needed(middle, percentile, confidence=confidence, tolerance=tolerance) <= queries:
            low = middle
        else:
            high = middle
    return low


def chance(queries: int, late_share: float, percentile: float, *, confidence: float = CONFIDENCE) -> float:
    """How likely a run of `queries` is believed when each of them is late with probability `late_share`."""
    allowed = allowed_late(queries, percentile, confidence=confidence)
    if allowed is None:
        return 0.0
    return at_most(allowed, queries, late_share)


def at_most(events: int, trials: int, probability: float) -> float:
    """Chance of at most `events` among `trials` independent ones of a probability."""
    if probability <= 0 or events >= trials:
        return 1.0
    if probability >= 1:
        return 0.0
    return _beta(1 - probability, trials - events, events + 1)


@functools.lru_cache(maxsize=4096)
def _on_time(late: int, percentile: float, confidence: float) -> int:
    """Fewest queries in time that outweigh `late` ones."""
    if not 0 < percentile < 1 or not 0 < confidence < 1 or late < 0:
        raise ValueError(f"no such percentile, confidence or count: {percentile}, {confidence}, {late}")
    low = 0  # too few: without any query in time the late ones are certain
    high = 64
    while _beta(percentile, high, late + 1) >= 1 - confidence:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _beta(percentile, middle, late + 1) >= 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) (DLMF 8.17), by its continued fraction."""
    if x >= (a + 1) / (a + b + 2):  # the fraction converges fast on the other side of the mean only
        return 1.0 - _beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    return front / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """DLMF 8.17.22 by the modified Lentz method."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 100_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + term * d)
            c = _away(1.0 + term / c)
            step = c * d
            value *= step
        if abs(step - 1) < _PRECISION:
            return value
    raise ArithmeticError(f"I_{x}({a}, {b}) does not converge")


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
