"""The report's charts: numbers in, Vega-Lite out. Each has a text alternative and its numbers as a table.

Colours are names of the page's CSS variables, so that one drawing serves light, dark and paper. No meaning hangs on
colour alone: bad values are hollow and dashed, series differ in dash and point shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from loadfleet.errors import NotReadyError
from loadfleet.results import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from loadfleet.results.latency import Distribution

_SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3])
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
# How a bar looks: fill, edge, dash of the edge.
_LOOKS = {
    "plain": ("var(--series-1)", "var(--series-1)", [1, 0]),
    "other": ("var(--bar-other)", "var(--quiet)", [1, 0]),
    "bad": ("var(--page)", "var(--bad)", [4, 3]),
}


_STEP = 40  # pixels of a bar with its line of text
_LETTER = 8  # pixels of a bold letter, at most


@dataclass(frozen=True)
class Chart:
    """One drawing: `spec` in Vega-Lite, `alt` in words, `headings` and `rows` are its numbers with their units."""

    title: str
    note: str
    alt: str
    height: int
    spec: Mapping[str, Any]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its value and the value in words; `look` is plain, other (not ours) or bad."""

    name: str
    value: float
    text: str
    look: str = "plain"


@dataclass(frozen=True)
class Mark:
    """A line across a chart at `value`, such as a target, and what it says."""

    value: float
    text: str


@dataclass(frozen=True)
class Point:
    """One point of a curve; `bad` ones are drawn hollow."""

    x: float
    y: float
    series: str
    x_text: str
    y_text: str
    bad: bool = False


@lru_cache(maxsize=1)
def altair() -> ModuleType:
    """The module altair.

    Raises:
        NotReadyError: It is not installed here.
    """
    try:
        import altair as module  # noqa: PLC0415 - 0.3 s, and only where reports are made
    except ImportError as error:
        raise NotReadyError(
            f"charts need the Python package altair, which is not installed here ({error})",
            fix="Run `pip install 'loadfleet[report]'` in the environment of this command.",
        ) from error
    return module


def bars(
    title: str,
    unit: str,
    values: Sequence[Bar],
    *,
    heading: str = "",
    note: str = "",
    mark: Mark | None = None,
    low: float = 0.0,
    high: float | None = None,
) -> Chart:
    """Horizontal bars, one below the other; names and values stand above them, so that a telephone has room for both.

    Args:
        title: Above the chart.
        unit: Of the axis.
        values: From top to bottom.
        heading: What the names are, for the table; `title` when empty.
        note: Below the chart.
        mark: A line at a target or a limit.
        low: Where the axis starts.
        high: Where it ends; None lets the values decide.
    """
    rows = [
        {"row": number, "name": bar.name, "value": bar.value, "text": bar.text, "look": bar.look}
        for number, bar in enumerate(values)
    ]
    marks = [{"value": mark.value, "text": mark.text}] if mark else []
    longest = max((len(bar.text) for bar in values), default=0)
    room = 10 * (longest * _LETTER // 10 + 2)
    said = [(bar.name, bar.text) for bar in values]
    line = f" The dashed line: {mark.text}." if mark else ""
    return Chart(
        title=title,
        note=f"{note}{line}".strip(),
        alt=f"Bar chart. {title}: {_listed(said)}.{line}",
        height=_STEP * len(rows) + 40,
        spec={
            **_bars(unit, heading or title, low, high, room, marked=bool(marks)),
            "height": _STEP * len(rows),
            "datasets": {"rows": rows, "marks": marks},
        },
        headings=(heading or title, "Value"),
        rows=said,
    )


@lru_cache(maxsize=64)
def _bars(unit: str, heading: str, low: float, high: float | None, room: int, *, marked: bool) -> dict[str, Any]:
    """`room` is what the longest value needs right of the names, in pixels."""
    alt = altair()
    scale = alt.Scale(domainMin=low, nice=False) if high is None else alt.Scale(domain=[low, high])
    x = alt.X("value:Q", scale=scale, axis=alt.Axis(title=unit, tickCount=5, grid=False))
    y = alt.Y("row:O", axis=None, sort=None)
    looks = list(_LOOKS)

    def look(index: int) -> Any:
        return alt.Scale(domain=looks, range=[_LOOKS[name][index] for name in looks])

    base = alt.Chart(alt.NamedData("rows"))
    layers = [
        base.mark_bar(size=12, yOffset=9, strokeWidth=1.2, cornerRadiusEnd=2, clip=True).encode(
            y=y,
            x=x,
            x2=alt.X2Datum(low),
            fill=alt.Fill("look:N", scale=look(0), legend=None),
            stroke=alt.Stroke("look:N", scale=look(1), legend=None),
            strokeDash=alt.StrokeDash("look:N", scale=look(2), legend=None),
            tooltip=[alt.Tooltip("name:N", title=heading), alt.Tooltip("text:N", title="value")],
        ),
        base.mark_text(align="left", dy=-8, limit=alt.ExprRef(f"max(60, width - {room})")).encode(
            y=y, x=alt.value(0), text="name:N"
        ),
        base.mark_text(align="right", dy=-8, fontWeight="bold").encode(y=y, x=alt.value("width"), text="text:N"),
    ]
    if marked:
        marks = alt.Chart(alt.NamedData("marks"))
        layers.append(
            marks.mark_rule(strokeWidth=2, strokeDash=[5, 3]).encode(x=x, tooltip=alt.Tooltip("text:N", title="line"))
        )
    return _spec(alt.layer(*layers).properties(width="container"))


def histogram(title: str, distribution: Distribution, marks: Sequence[Mark], note: str = "") -> Chart:
    """Counts between edges (ms); `marks` are percentiles to point at."""
    alt = altair()
    unit, factor = words.latency_unit(float(distribution.edges[-1]))
    edges = [float(edge) / factor for edge in distribution.edges]
    rows = [
        {"from": low, "to": high, "count": int(count), "text": f"{words.number(low)} to {words.number(high)} {unit}"}
        for low, high, count in zip(edges, edges[1:], distribution.counts, strict=False)
    ]
    scale = alt.Scale(type="log" if distribution.logarithmic else "linear", domain=[edges[0], edges[-1]], nice=False)
    x = alt.X("from:Q", scale=scale, axis=alt.Axis(title=f"latency, {unit}", grid=False, tickCount=6))
    drawn = (
        alt.Chart(alt.Data(values=rows))
        .mark_rect(fill="var(--series-1)", stroke="var(--page)", strokeWidth=0.5)
        .encode(
            x=x,
            x2="to:Q",
            y2=alt.Y2Datum(0),
            y=alt.Y("count:Q", axis=alt.Axis(title="samples", tickCount=4, format="~s")),
            tooltip=[alt.Tooltip("text:N", title="latency"), alt.Tooltip("count:Q", title="samples", format=",")],
        )
    )
    layers = [drawn]
    for number, mark in enumerate(marks):
        at = alt.Chart(alt.Data(values=[{"from": mark.value / factor, "text": mark.text}]))
        right = _share(mark.value / factor, edges, distribution.logarithmic) > 0.6
        # Above the bars, each on a line of its own.
        y = alt.value(-8 - 15 * (len(marks) - 1 - number))
        name = at.mark_text(align="right" if right else "left", dx=-4 if right else 4, fontSize=12)
        layers += [
            at.mark_rule(strokeDash=[5, 3]).encode(x=x, y=y, y2=alt.value("height")),
            name.encode(x=x, y=y, text="text:N"),
        ]
    said = [(str(row["text"]), f"{row['count']:,} samples") for row in rows if row["count"]]
    return Chart(
        title=title,
        note=note,
        alt=f"Histogram of {distribution.count:,} latencies from {words.number(edges[0])} to "
        f"{words.number(edges[-1])} {unit}. {_listed([('', mark.text) for mark in marks])}.",
        height=230,
        spec=_spec(alt.layer(*layers).properties(width="container", height=170)),
        headings=("Latency", "Count"),
        rows=said,
    )


def over_time(
    title: str, unit: str, samples: Sequence[tuple[float, float]], phases: Sequence[Mark], high: float | None = None
) -> Chart:
    """A line over seconds from 0 to `high`; `phases` are the instants at which something began."""
    end = samples[-1][0]
    time_unit, factor = ("s", 1.0) if end < 300 else ("min", 60.0) if end < 3 * 3600 else ("h", 3600.0)
    rows = [{"t": round(at / factor, 4), "value": round(value, 3)} for at, value in samples]
    values = [value for _, value in samples]
    datasets: dict[str, list[dict[str, Any]]] = {"rows": rows}
    for number, phase in enumerate(phases):
        datasets[f"phase{number}"] = [{"t": phase.value / factor, "text": phase.text}]
    late = tuple(phase.value > 0.7 * end for phase in phases)
    mean, most = (f"{words.number(value)} {unit}" for value in (sum(values) / len(values), max(values)))
    return Chart(
        title=title,
        note=f"Mean {mean}, highest {most}.",
        alt=f"Line chart. {title} over {words.number(end / factor)} {time_unit}: mean {mean}, highest {most}.",
        height=210,
        spec={**_over_time(time_unit, unit, high, late), "datasets": datasets},
        headings=(f"Time, {time_unit}", f"{title}, {unit}"),
        rows=[(words.number(row["t"]), words.quantity(row["value"], unit)) for row in _spread(rows, 12)],
    )


@lru_cache(maxsize=64)
def _over_time(time_unit: str, unit: str, high: float | None, late: tuple[bool, ...]) -> dict[str, Any]:
    """`late` has an entry for each phase: whether its name stands left of its line."""
    alt = altair()
    x = alt.X(
        "t:Q",
        axis=alt.Axis(title=f"time, {time_unit}", grid=False, tickCount=6),
        scale=alt.Scale(domainMin=0, nice=False),
    )
    scale = alt.Scale(domainMin=0) if high is None else alt.Scale(domain=[0, high])
    y = alt.Y("value:Q", axis=alt.Axis(title=unit, tickCount=4), scale=scale, stack=None)
    tooltip = [
        alt.Tooltip("t:Q", title=time_unit, format=",.4~r"),
        alt.Tooltip("value:Q", title=unit, format=",.4~r"),
    ]
    line = alt.Chart(alt.NamedData("rows"))
    layers = [
        line.mark_area(fill="var(--series-1)", fillOpacity=0.14).encode(x=x, y=y),
        line.mark_line(stroke="var(--series-1)", strokeWidth=1.7).encode(x=x, y=y, tooltip=tooltip),
    ]
    for number, left in enumerate(late):
        at = alt.Chart(alt.NamedData(f"phase{number}"))
        name = at.mark_text(align="right" if left else "left", dx=-4 if left else 4, fontSize=11.5, fill="var(--quiet)")
        layers += [
            at.mark_rule(strokeDash=[3, 3], stroke="var(--quiet)").encode(x=x),
            name.encode(x=x, y=alt.value(130 - 14 * (number % 2)), text="text:N"),
        ]
    return _spec(alt.layer(*layers).properties(width="container", height=150))


def curves(title: str, x_title: str, y_title: str, points: Sequence[Point], note: str = "") -> Chart:
    """Curves of points, one for each series; a bad point is hollow."""
    alt = altair()
    rows = [
        {
            "x": point.x,
            "y": point.y,
            "series": point.series,
            "x_text": point.x_text,
            "y_text": point.y_text,
            "bad": point.bad,
        }
        for point in sorted(points, key=lambda point: (point.series, point.x))
    ]
    names = list(dict.fromkeys(str(row["series"]) for row in rows))
    spread = {point.x for point in points}
    wide = min(spread) > 0 and max(spread) / min(spread) >= 16
    legend = alt.Legend(title=None) if len(names) > 1 else None

    def each(values: Sequence[Any]) -> Any:
        return alt.Scale(domain=names, range=[values[number % len(values)] for number in range(len(names))])

    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", nice=False, padding=14) if wide else alt.Scale(zero=False, nice=False, padding=14),
        axis=alt.Axis(title=x_title, tickCount=5, grid=False, values=sorted(spread) if len(spread) <= 8 else None),
    )
    y = alt.Y("y:Q", scale=alt.Scale(domainMin=0), axis=alt.Axis(title=y_title, tickCount=5))
    color = alt.Stroke("series:N", scale=each(_SERIES), legend=legend)
    base = alt.Chart(alt.Data(values=rows))
    layers = [
        base.mark_line(strokeWidth=1.8).encode(
            x=x, y=y, stroke=color, strokeDash=alt.StrokeDash("series:N", scale=each(_DASHES), legend=legend)
        ),
        base.mark_point(size=70, strokeWidth=1.8, opacity=1).encode(
            x=x,
            y=y,
            stroke=color,
            shape=alt.Shape("series:N", scale=each(_SHAPES), legend=legend),
            fill=alt.Fill(
                "bad:N", scale=alt.Scale(domain=[False, True], range=["var(--text)", "var(--page)"]), legend=None
            ),
            tooltip=[
                alt.Tooltip("series:N", title="series"),
                alt.Tooltip("x_text:N", title=x_title),
                alt.Tooltip("y_text:N", title="result"),
            ],
        ),
    ]
    said = [(str(row["series"]), str(row["x_text"]), str(row["y_text"])) for row in rows]
    hollow = "Hollow points are not valid." if any(point.bad for point in points) else ""
    return Chart(
        title=title,
        note=f"{note} {hollow}".strip(),
        alt=f"Curves. {title}: {_listed([(f'{name}, {x}', y) for name, x, y in said])}. {hollow}".strip(),
        height=300 + 20 * len(names),
        spec=_spec(alt.layer(*layers).properties(width="container", height=220)),
        headings=("Series", x_title, y_title),
        rows=said,
    )


def _spec(chart: Any) -> dict[str, Any]:
    value: dict[str, Any] = chart.to_dict(validate=False)
    # The page has one version of everything, and one configuration for all drawings: page.js.
    del value["$schema"], value["config"]
    return value


def _listed(pairs: Sequence[tuple[str, str]]) -> str:
    texts = [f"{name} {text}".strip() for name, text in pairs]
    more = f" and {len(texts) - 12} more" if len(texts) > 12 else ""
    return "; ".join(texts[:12]) + more


def _share(value: float, edges: Sequence[float], logarithmic: bool) -> float:
    """Where a value lies between the first and the last edge, 0 to 1."""
    import math  # noqa: PLC0415

    low, high = edges[0], edges[-1]
    if logarithmic:
        low, high, value = math.log(low), math.log(high), math.log(max(value, low))
    return (value - low) / ((high - low) or 1.0)


def _spread(rows: Sequence[dict[str, float]], count: int) -> list[dict[str, float]]:
    """At most `count` rows, evenly taken, the last one included."""
    if len(rows) <= count:
        return list(rows)
    return [rows[round(index * (len(rows) - 1) / (count - 1))] for index in range(count)]
