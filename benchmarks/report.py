"""latest.json as a table, a plot and the figures of docs/performance.md.

`python -m benchmarks.report [latest.json]` renews the document from a result that is there already.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadfleet import files
from loadfleet.errors import InputError, LoadfleetError

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- figures: begin (written by make bench ARGS=--docs) -->"
END = "<!-- figures: end -->"
_PLOT = "performance.svg"

Found = Mapping[str, Any]


def write(found: Found, folder: Path) -> None:
    """latest.json, latest.md and latest.svg; the plot is left out where the packages of reports are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "latest.json", found)
    files.write_text(folder / "latest.md", table(found))
    svg = plot(found)
    if svg:
        files.write_text(folder / "latest.svg", svg)


def renew(found: Found, page: Path) -> None:
    """Replace the figures between the marks of a page, and the plot beside it.

    Raises:
        InputError: The page has no marks.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{page} lacks the marks {BEGIN} and {END}", fix="put them where the figures go")
    svg = plot(found)
    picture = f"\n![Figures relative to their targets, and rates]({_PLOT})\n" if svg else ""
    files.write_text(page, f"{before}{BEGIN}\n{table(found)}{picture}{END}{after}")
    if svg:
        files.write_text(page.with_name(_PLOT), svg)


def table(found: Found) -> str:
    """Markdown: the machine, the rows of each part, and what they are made of."""
    lines = [_machine(found), ""]
    for part in found["parts"]:
        rows = [row for row in found["rows"] if row["part"] == part["name"]]
        if not rows:
            continue
        rounds = f"{part['rounds']} round{'' if part['rounds'] == 1 else 's'}"
        lines += [f"**{part['title']}** ({rounds})", "", "| what | median | min to max | target | met |",
                  "| --- | --- | --- | --- | --- |"]  # fmt: skip
        lines += [_line(row) for row in rows]
        lines.append("")
        if part["readings"]:
            lines += [_readings(part), ""]
    return "\n".join(lines)


def _machine(found: Found) -> str:
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    features = f" ({', '.join(machine['features'])})" if machine["features"] else ""
    minutes = found["took_s"] / 60
    over = "; interrupted" if found.get("interrupted") else ""
    return (
        f"{machine['cpu']}{features}, {machine['cores']} cores, {machine['memory_gib']:g} GiB, {machine['system']}, "
        f"Python {machine['python']}; {versions}. Measured {found['measured']} in {minutes:.1f} minutes, load before "
        f"{found['load_before']:g}{over}."
    )


def _line(row: Mapping[str, Any]) -> str:
    if row["median"] is None:
        return f"| {_cell(row['name'])} | - | - | {_target(row)} | not measured: {_cell(row['reason'])} |"
    low, high = row["spread"]
    unit = "" if row["unit"] == "ratio" else f" {row['unit']}"
    met = {True: "yes", False: "**no**", None: ""}[row["ok"]]
    reason = f"{', ' if met else ''}{_cell(row['reason'])}" if row["reason"] else ""
    return (
        f"| {_cell(row['name'])} | {_number(row['median'])}{unit} | {_number(low)} to {_number(high)} | "
        f"{_target(row)} | {met}{reason} |"
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _target(row: Mapping[str, Any]) -> str:
    if row["target"] is None:
        return ""
    unit = "" if row["unit"] == "ratio" else f" {row['unit']}"
    return f"{'>=' if row['better'] == 'more' else '<='} {row['target']:g}{unit}"


def _number(number: float) -> str:
    """Four significant digits at most, thousands set apart, no exponent."""
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 3
    return f"{number:.{digits}f}"


def _readings(part: Mapping[str, Any]) -> str:
    words = [
        f"{name} {_number(statistics.median(one['values']))} {one['unit']}" for name, one in part["readings"].items()
    ]
    return f"Medians: {'; '.join(words)}."


def plot(found: Found) -> str:
    """SVG: rows that have a target, relative to it; and the Offline rates. Empty where altair is not installed."""
    try:
        import altair as alt  # noqa: PLC0415  (a second of import)
        import vl_convert  # noqa: PLC0415
    except ImportError:
        return ""
    charts = [chart for chart in (_targets(alt, found), _rates(alt, found)) if chart is not None]
    if not charts:
        return ""
    whole = alt.vconcat(*charts, background="white").configure_view(stroke=None).configure_axis(labelLimit=520)
    return str(vl_convert.vegalite_to_svg(whole.to_dict()))


def _targets(alt: Any, found: Found) -> Any:
    rows = [row for row in found["rows"] if row["target"] and row["median"] is not None]
    values = [
        {"name": row["name"], "met": "met" if row["ok"] else "not met", **_relative(row)}
        for row in rows
        if min(row["median"], *row["spread"]) > 0
    ]
    if not values:
        return None
    base = alt.Chart(alt.Data(values=values), width=420, title="Times as good as the target asks")
    y = alt.Y("name:N", sort=None, title=None)
    scale = alt.Scale(type="log", nice=False)
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("median:Q", scale=scale, title=None),
        y=y,
        color=alt.Color("met:N", title=None, scale=alt.Scale(domain=["met", "not met"], range=["#228833", "#cc3311"])),
        shape=alt.Shape("met:N", title=None, scale=alt.Scale(domain=["met", "not met"], range=["circle", "cross"])),
    )
    spread = base.mark_rule().encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y)
    one = alt.Chart(alt.Data(values=[{"one": 1}])).mark_rule(strokeDash=[4, 3]).encode(x=alt.X("one:Q", scale=scale))
    return alt.layer(spread, dots, one)


def _relative(row: Mapping[str, Any]) -> dict[str, float]:
    ends = [each / row["target"] for each in (row["median"], *row["spread"])]
    if row["better"] == "less":
        ends = [1 / each for each in ends]
    return {"median": ends[0], "low": min(ends), "high": max(ends)}


def _rates(alt: Any, found: Found) -> Any:
    """Samples a second of the embedded model, every single run a mark."""
    shown: dict[str, list[float]] = {}
    for part in found["parts"]:
        if part["name"] in {"offline", "backends", "mlcommons"}:
            for name, one in part["readings"].items():
                if one["unit"] == "samples/s":
                    shown.setdefault(name, []).extend(one["values"])
    if not shown:
        return None
    runs = [{"name": name, "rate": one} for name, each in shown.items() for one in each]
    medians = [{"name": name, "rate": statistics.median(each)} for name, each in shown.items()]
    y = alt.Y("name:N", sort=None, title=None)
    bars = alt.Chart(alt.Data(values=medians), width=420, title="Offline, embedded model").mark_bar(color="#4477aa")
    ticks = alt.Chart(alt.Data(values=runs)).mark_tick(color="black")
    x = alt.X("rate:Q", title="samples/s (bars: median, marks: single runs)")
    return alt.layer(bars.encode(x=x, y=y), ticks.encode(x=x, y=y))


def main() -> int:
    """Renew the document.

    Returns:
        0, or the exit status of an error.
    """
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "results" / "bench" / "latest.json"
    try:
        renew(files.read_json(path), ROOT / "docs" / "performance.md")
    except LoadfleetError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks: {path} is no result of make bench: {error!r}", file=sys.stderr)
        return InputError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
