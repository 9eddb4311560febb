"""Parts of the benchmark: what one round of them reads, and how the readings of all rounds become rows."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.bench import Bench


@dataclass(frozen=True)
class Reading:
    """One value of one round, or why there is none.

    Attributes:
        name: What was read; figures name it.
        value: The value; None where there is none.
        unit: Its unit, for the line of progress.
        reason: Why there is no value.
        low: Lower end of what the reading itself leaves open; None where it is exact but for noise between rounds.
        high: Upper end of it.
    """

    name: str
    value: float | None
    unit: str = "samples/s"
    reason: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Figure:
    """What becomes a row: made of readings of the same round, so that a drifting machine favours nobody.

    Attributes:
        name: Of the row.
        ratio: What is divided by what, in words, or what is measured.
        of: Names of the readings it is made of.
        make: From their values to the round's value.
        unit: Of the value.
        at_least: The target, where more is better.
        at_most: The target, where less is better.
        unless: Looks at the part's readings (name -> values of all rounds) and says why the target cannot count as
            met, whatever the value; empty where nothing speaks against it.
    """

    name: str
    ratio: str
    of: Sequence[str]
    make: Callable[..., float]
    unit: str = "ratio"
    at_least: float | None = None
    at_most: float | None = None
    unless: Callable[[Mapping[str, Sequence[float]]], str] = lambda _: ""


def ratio(name: str, numerator: str, denominator: str, *, words: str = "", **limits: Any) -> Figure:
    """Numerator / denominator, each a reading."""
    return Figure(name, words or f"{numerator} / {denominator}", (numerator, denominator), lambda a, b: a / b, **limits)


def value(name: str, reading: str, unit: str, *, words: str = "", **limits: Any) -> Figure:
    """A reading as it is."""
    return Figure(name, words or reading, (reading,), lambda a: a, unit, **limits)


def difference(name: str, reading: str, other: str, unit: str, *, words: str = "", **limits: Any) -> Figure:
    """What one reading has more than another."""
    return Figure(name, words or f"{reading} - {other}", (reading, other), lambda a, b: a - b, unit, **limits)


@dataclass
class Record:
    """What a part's rounds came to.

    Attributes:
        rounds: Readings of each round, by name.
        problems: Why something was not read: reading, or "" for the rest of a round -> words.
    """

    rounds: list[dict[str, Reading]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def values(self) -> dict[str, list[float]]:
        """All values of each reading, in the order they were read first."""
        found: dict[str, list[float]] = {}
        for one in self.rounds:
            for name, reading in one.items():
                if reading.value is not None:
                    found.setdefault(name, []).append(reading.value)
        return found


@dataclass(frozen=True)
class Part:
    """A part of the benchmark; each module of `benchmarks.parts` has one as `PART`.

    Attributes:
        name: What `--parts` calls it.
        title: What it shows, one line.
        run: One round, told its number from 0; yields readings as they come, so that what was read before a failure
            counts.
        figures: Its rows; or a function that makes them of what was read.
        rounds: How often it takes its turn when time allows.
        seconds: What its first round may take, at most, on two cores of the kind of docs/performance.md.
        rank: Parts of a lower rank take their first turn earlier.
        default: Whether it is run when nobody names parts.
    """

    name: str
    title: str
    run: Callable[[Bench, int], Iterator[Reading]]
    figures: Sequence[Figure] | Callable[[Record], Sequence[Figure]]
    rounds: int = 3
    seconds: float = 60.0
    rank: int = 50
    default: bool = True


@dataclass(frozen=True)
class Row:
    """A line of the result.

    Attributes:
        part: Name of the part it belongs to.
        name: What it says.
        ratio: What is divided by what, or what is measured.
        target: The number to reach; None for a figure that is only shown.
        better: `more` or `less`; empty without a target.
        unit: Of median and spread.
        values: One of each round.
        low: Smallest value, or the lower end of what a single reading leaves open.
        high: As `low`.
        ok: Whether the median meets the target; None where nothing was measured or there is no target.
        reason: Why it was not measured, or why a met target does not count.
    """

    part: str
    name: str
    ratio: str
    target: float | None
    better: str
    unit: str
    values: Sequence[float]
    low: float | None
    high: float | None
    ok: bool | None
    reason: str = ""

    @property
    def median(self) -> float | None:
        """Median over the rounds."""
        return statistics.median(self.values) if self.values else None

    def as_json(self) -> dict[str, Any]:
        """The object in `latest.json`."""
        return {
            "part": self.part,
            "name": self.name,
            "ratio": self.ratio,
            "target": self.target,
            "better": self.better,
            "unit": self.unit,
            "median": _digits(self.median),
            "spread": None if self.low is None or self.high is None else [_digits(self.low), _digits(self.high)],
            "ok": self.ok,
            "reason": self.reason,
            "values": [_digits(each) for each in self.values],
        }


def rows(part: Part, record: Record) -> list[Row]:
    """The rows of a part, also of one that failed: what could not be read says why."""
    read = record.values()
    figures = part.figures(record) if callable(part.figures) else part.figures
    return [_row(part, figure, record, read) for figure in figures]


def _row(part: Part, figure: Figure, record: Record, read: Mapping[str, Sequence[float]]) -> Row:
    values: list[float] = []
    ends: list[float] = []
    for one in record.rounds:
        if all(name in one for name in figure.of):
            readings = [one[name] for name in figure.of]
            values.append(figure.make(*[reading.value for reading in readings]))
            ends += [values[-1], *_ends(figure, readings)]
    target = figure.at_most if figure.at_least is None else figure.at_least
    ok: bool | None = None
    if values and target is not None:
        median = statistics.median(values)
        ok = median <= target if figure.at_least is None else median >= target
    reason = figure.unless(read) if values else _why_not(figure, record)
    return Row(
        part=part.name,
        name=figure.name,
        ratio=figure.ratio,
        target=target,
        better="" if target is None else "less" if figure.at_least is None else "more",
        unit=figure.unit,
        values=values,
        low=min(ends, default=None),
        high=max(ends, default=None),
        ok=False if ok and reason else ok,
        reason=reason,
    )


def _ends(figure: Figure, readings: Sequence[Reading]) -> Iterator[float]:
    """The figure with one reading at a time moved to an end of what it leaves open: all at once is not likely."""
    for place, reading in enumerate(readings):
        for end in (reading.low, reading.high):
            if end is not None:
                moved = [each.value for each in readings]
                moved[place] = end
                yield figure.make(*moved)


def _why_not(figure: Figure, record: Record) -> str:
    named = [record.problems[name] for name in figure.of if name in record.problems]
    return "; ".join(dict.fromkeys(named)) or record.problems.get("", "") or "its part did not read it"


def _digits(number: float | None) -> float | None:
    """Five significant digits: more is noise, and a file that is read by people."""
    return None if number is None else float(f"{number:.5g}")
