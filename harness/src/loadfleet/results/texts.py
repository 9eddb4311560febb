"""Plain text for shells: a table without a library, and one result described."""

from __future__ import annotations

import sys
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from loadfleet.results import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.results.model import Result


_GAP = "  "
_NAME_WIDTH = 12


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns two blanks apart on one line each; nothing is cut or wrapped, for `grep` and `awk`."""
    click.echo("\n".join(table(headings, rows)))


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int = sys.maxsize,
    row_styles: Sequence[Mapping[str, Any]] = (),
    merge: tuple[int, int] | None = None,
) -> list[str]:
    """Lines of a table. Texts are wrapped between words to fit `width`; nothing is ever cut.

    Args:
        headings: Texts of the first line.
        rows: Texts of each row, as many as there are headings. A number and its `%` stay together.
        width: Columns there are. A table whose longest words do not fit is wider than that.
        row_styles: `click.style` arguments of each row; empty for none.
        merge: Two neighbouring columns to put into one when the table would be wider than `width`.
    """
    texts = [tuple(headings), *(tuple(row) for row in rows)]
    least, natural = _widths(texts)
    if merge and sum(least) + len(_GAP) * (len(least) - 1) > width:
        first, second = merge
        texts = [(*row[:first], f"{row[first]} {row[second]}", *row[second + 1 :]) for row in texts]
        least, natural = _widths(texts)
    room = width - len(_GAP) * (len(least) - 1) - sum(least)
    widths = list(least)
    while room > 0 and any(now < want for now, want in zip(widths, natural, strict=True)):
        # The narrowest column that wants more grows first: short texts stay whole, long ones share what is left.
        index = min((i for i in range(len(widths)) if widths[i] < natural[i]), key=lambda i: widths[i])
        widths[index] += 1
        room -= 1
    lines: list[str] = []
    for number, row in enumerate(texts):
        style = row_styles[number - 1] if number and row_styles else {}
        lines += [click.style(line, **style) if style else line for line in _row_lines(row, widths)]
        if number == 0:
            lines.append(_GAP.join("-" * size for size in widths))
    return lines


def _widths(texts: Sequence[Sequence[str]]) -> tuple[list[int], list[int]]:
    """Least (longest word, names may be folded at 12) and natural width of each column."""
    least, natural = [], []
    for index in range(len(texts[0])):
        column = [_bound(row[index]) for row in texts]
        longest = max((len(word) for text in column for word in text.split(" ")), default=1)
        least.append(max(min(longest, _NAME_WIDTH), 1) if index == 0 else max(longest, 1))
        natural.append(max(*(len(text) for text in column), 1))
    return least, natural


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [
        textwrap.wrap(_bound(text), size, break_on_hyphens=False) or [""]
        for text, size in zip(row, widths, strict=True)
    ]
    return [
        _GAP.join(part.ljust(size) for part, size in zip(parts, widths, strict=True)).rstrip().replace("\u00a0", " ")
        for parts in zip_longest(*cells, fillvalue="")
    ]


def _bound(text: str) -> str:
    return text.replace(" %", "\u00a0%")


def describe(result: Result) -> str:
    """One result in lines of `name: value`, for people."""
    versions = ", ".join(f"{name} {version or '?'}" for name, version in result.backend.versions.items())
    facts: list[tuple[str, str]] = [
        ("Cell", f"{result.cell} on {result.host}"),
        ("Run", f"{result.run_id}, round {result.round}, execution {result.execution}"),
        ("System", result.system.name),
        ("Model", f"{result.model.name} ({result.model.precision}), {result.model.digest}"),
        ("Data set", f"{result.dataset.name}, {result.dataset.samples:,} samples, {result.dataset.digest}"),
        ("Backend", f"{result.backend.name} on {result.backend.device} ({versions})"),
        ("Result", words.metric(result.metric)),
        ("LoadGen", f"{result.validity.loadgen or '-'} (version {result.loadgen.version or '?'})"),
        ("Accuracy", words.answers(result)),
    ]
    if platform := result.raw.get("platform"):
        facts.insert(3, ("Platform", _platform(platform)))
    if result.latency:
        latencies = [f"{name} {words.number(value)}" for name, value in result.latency.items() if value is not None]
        facts.append(("Latency", f"{', '.join(latencies)} ms"))
    facts += [
        ("Memory", f"{words.size(result.telemetry.get('rss_peak_bytes'))} at most"),
        ("Time", f"{result.time.started} to {result.time.finished}"),
        ("Submittable", "yes" if result.validity.submittable else "no"),
        *(("", f"- {reason}") for reason in result.validity.reasons),
    ]
    return "\n".join(f"{name + ':' if name else '':13}{text}" for name, text in facts)


def _platform(platform: Mapping[str, Any]) -> str:
    values = {
        name: " ".join(f"{key} {limit}" for key, limit in value.items()) if isinstance(value, dict) else value
        for name, value in platform["values"].items()
    }
    applied = ", ".join(f"{name} {values[name]}" for name in platform["applied"]) or "nothing could be set"
    missing = [name for name in platform["values"] if name not in platform["applied"]]
    return f"{platform['profile']} ({applied}{'; not set: ' + ', '.join(missing) if missing else ''})"
