"""Geometry of the report's charts: numbers in, coordinates and labels out. The template draws them as inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadfleet.results import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadfleet.results.model import Accuracy

_PERCENTILES = ("min", "p50", "p90", "p95", "p97", "p99", "p99.9", "max")
_POINTS = 240


@dataclass(frozen=True)
class Tick:
    """A label on an axis at `at` pixels."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: top `y` and `length` in pixels, its name and its value in words."""

    y: float
    length: float
    name: str
    value: str


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from `left`; `height` of the drawing in pixels."""

    left: float
    width: float
    height: float
    bars: Sequence[Bar]
    title: str


@dataclass(frozen=True)
class Scale:
    """A value on a line from `low` to `high`: filled up to `value`, with a mark at the target."""

    width: float
    fill: float
    target: float | None
    label: str
    target_label: str
    ticks: Sequence[Tick]
    met: bool | None


@dataclass(frozen=True)
class Line:
    """A line over time: an SVG points list, ticks of both axes, the highest value in words."""

    width: float
    height: float
    left: float
    points: str
    area: str
    x: Sequence[Tick]
    y: Sequence[Tick]
    title: str
    extremes: str = field(default="")


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers (1, 2, 5 times a power of ten) from at most `low` to at least `high`, about `count` steps."""
    span = high - low if high > low else abs(high) or 1.0
    high = max(high, low + span)
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= count)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(index * step, 12) for index in range(first, last + 1)]


def latency_bars(latency: Mapping[str, float | None], width: float = 560) -> Bars:
    """Percentiles as bars, linear from 0 ms; percentiles without a value are left out."""
    known = [(name, value) for name in _PERCENTILES if (value := latency.get(name)) is not None]
    left, room = 52.0, width - 52 - 90
    most = max((value for _, value in known), default=0.0) or 1.0
    bars = [
        Bar(index * 24.0 + 2, max(value / most * room, 1.0), name, words.quantity(value, "ms"))
        for index, (name, value) in enumerate(known)
    ]
    return Bars(left, width, len(bars) * 24.0 + 4, bars, "Latency percentiles in ms")


def accuracy_scale(accuracy: Accuracy, width: float = 560) -> Scale:
    """Accuracy on an axis that ends at 100 % and starts a round step below the lower of value and target."""
    lowest = min(accuracy.value, accuracy.target if accuracy.target is not None else accuracy.value)
    low = max(0.0, math.floor((lowest - 5) / 10) * 10.0)
    left, right = 10.0, width - 24

    def at(value: float) -> float:
        return round(left + (min(max(value, low), 100.0) - low) / (100.0 - low) * (right - left), 2)

    target = None if accuracy.target is None else at(accuracy.target)
    return Scale(
        width=width,
        fill=at(accuracy.value),
        target=target,
        label=f"{accuracy.metric} {words.percent(accuracy.value)}",
        target_label="" if target is None else f"target {words.percent(accuracy.target)}",
        ticks=[Tick(at(value), f"{value:g} %") for value in nice_ticks(low, 100.0, 5) if low <= value <= 100],
        met=accuracy.met,
    )


def time_line(
    samples: Sequence[tuple[float, float]],
    title: str,
    label: Callable[[float], str],
    width: float = 560,
    height: float = 150,
) -> Line | None:
    """A line of (seconds, value) from 0 upwards; None with fewer than two samples.

    More samples than pixels are thinned to the highest value of each interval, so that peaks stay visible.
    """
    if len(samples) < 2:
        return None
    kept = _thin(sorted(samples), _POINTS)
    start, end = kept[0][0], kept[-1][0]
    left, bottom, top = 74.0, height - 22, 8.0
    ticks = nice_ticks(0.0, max(value for _, value in kept) or 1.0)
    span = (end - start) or 1.0

    def x(value: float) -> float:
        return round(left + (value - start) / span * (width - left - 16), 1)

    def y(value: float) -> float:
        return round(bottom - value / ticks[-1] * (bottom - top), 1)

    points = " ".join(f"{x(at)},{y(value)}" for at, value in kept)
    values = [value for _, value in samples]
    seconds = [value for value in nice_ticks(0.0, span, 5) if value <= span]
    return Line(
        width=width,
        height=height,
        left=left,
        points=points,
        area=f"{x(start)},{bottom} {points} {x(end)},{bottom}",
        x=[Tick(x(start + value), f"{value:g} s") for value in seconds],
        y=[Tick(y(value), label(value)) for value in ticks],
        title=title,
        extremes=f"mean {label(sum(values) / len(values))}, highest {label(max(values))}",
    )


def _thin(samples: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    step = math.ceil(len(samples) / most)
    return [max(samples[index : index + step], key=lambda sample: sample[1]) for index in range(0, len(samples), step)]
