"""Two runs side by side: a ratio per cell that both have, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.results import words

if TYPE_CHECKING:
    from loadfleet.results.model import Result, RunResults


@dataclass(frozen=True)
class Pair:
    """One cell of both runs. `ratio` above 1 means that B is better; None with the reason in `why`."""

    cell: str
    host: str
    model: str
    a: Result | None
    b: Result | None
    ratio: float | None
    why: str

    def as_dict(self) -> dict[str, Any]:
        """The pair as JSON: value and unit of either side."""
        return {
            "cell": self.cell,
            "host": self.host,
            "model": self.model,
            "a": _number(self.a),
            "b": _number(self.b),
            "ratio": self.ratio,
            "why": self.why or None,
        }

    def texts(self) -> tuple[str, ...]:
        """The columns cell, model, A, B, ratio of a table."""
        ratio = "not comparable: " + self.why if self.ratio is None else f"{self.ratio:.3f}"
        return (f"{self.host} {self.cell}", self.model, _text(self.a), _text(self.b), ratio)


def _number(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    if result.metric:
        return {"value": result.metric.value, "unit": result.metric.unit}
    return {"value": result.accuracy.value, "unit": "%"} if result.accuracy else None


def _text(result: Result | None) -> str:
    number = _number(result)
    if number is None:
        return "-"
    return words.percent(number["value"]) if number["unit"] == "%" else words.quantity(number["value"], number["unit"])


def compare_runs(a: RunResults, b: RunResults) -> list[Pair]:
    """Pairs of cells with the same workload, scenario, mode and model.

    Hosts are paired by name; runs of one host each are paired whatever the hosts' names, so that two machines can be
    compared.
    """
    single = len({result.host for result in a.results}) == 1 == len({result.host for result in b.results})

    def key(result: Result) -> tuple[str, ...]:
        return (result.cell, result.model.name, "" if single else result.host)

    left = {key(result): result for result in a.results}
    right = {key(result): result for result in b.results}
    return [_pair(left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]


def _pair(a: Result | None, b: Result | None) -> Pair:
    either = a or b
    if either is None:
        raise ValueError("a pair needs one result at least")
    why = _why_not(a, b)
    host = either.host if a is None or b is None or a.host == b.host else f"{a.host} / {b.host}"
    ratio = None
    if not why and a and b and a.metric and b.metric:
        values = a.metric.value, b.metric.value
        worse, better = values[::-1] if a.metric.lower_is_better else values
        ratio = better / worse
    elif not why and a and b and a.accuracy and b.accuracy:
        ratio = b.accuracy.value / a.accuracy.value
    return Pair(either.cell, host, either.model.name, a, b, ratio, why)


def _why_not(a: Result | None, b: Result | None) -> str:
    """The first reason that makes two results incomparable, empty when they can be compared."""
    if a is None or b is None:
        return "only in B" if a is None else "only in A"
    invalid = [name for name, side in (("A", a), ("B", b)) if side.validity.loadgen == "INVALID"]
    numbers = [number for number in (_number(a), _number(b)) if number and number["value"] > 0]
    units = [str(number["unit"]) for number in numbers]
    subsets = {side.accuracy.samples for side in (a, b) if side.accuracy}
    reasons = (
        (a.execution != b.execution, f"execution differs ({a.execution}, {b.execution})"),
        (bool(invalid), f"{' and '.join(invalid)} INVALID"),
        (a.dataset.digest != b.dataset.digest, "different data sets"),
        (len(numbers) < 2, "no number on one side"),
        (len(set(units)) > 1, f"units differ ({', '.join(units)})"),
        (len(subsets) > 1, "accuracy of different numbers of samples"),
    )
    return next((reason for applies, reason in reasons if applies), "")
