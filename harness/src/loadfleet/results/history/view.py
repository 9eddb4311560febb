"""Comparisons as text for a shell, as Markdown and as CSV: the same cells, every number with its unit."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from loadfleet.results import words
from loadfleet.results.history.derived import FORMULAE, accelerators, cores, derive
from loadfleet.results.texts import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadfleet.results.history.comparison import Entry, Group
    from loadfleet.results.history.published import PublishedResult

_NAMES = {name: name.replace("_", " ").capitalize().replace("eur", "EUR") for name in FORMULAE}
_PLAIN = (
    "origin", "round", "division", "category", "availability", "submitter", "system", "system_name", "nodes",
    "processor", "processors_per_node", "cores_per_processor", "accelerator", "accelerators_per_node", "software",
    "precision", "model", "model_folder", "scenario", "value", "unit", "accuracy_met", "power_w", "energy_mj",
    "price_eur", "inferred", "valid", "digest", "source", "location",
)  # fmt: skip


def text(groups: Sequence[Group], width: int) -> str:
    """Tables that fit `width` where their words allow, with numbered notes and the formulae below."""
    return _pages(groups, lambda headings, rows: "\n".join(table(headings, rows, width=width)), lambda title: title)


def markdown(groups: Sequence[Group]) -> str:
    """The same as Markdown."""
    return _pages(groups, markdown_table, lambda title: f"### {title}")


def _pages(
    groups: Sequence[Group],
    draw: Callable[[Sequence[str], Sequence[Sequence[str]]], str],
    heading: Callable[[str], str],
) -> str:
    pages: list[str] = []
    used: set[str] = set()
    for group in groups:
        notes: list[str] = []
        derived = [derive(entry.row) for entry in group.entries]
        names = [name for name in FORMULAE if any(name in found for found in derived)]
        used |= set(names)
        compared = any(entry.near for entry in group.entries)
        headings = ("System", "Hardware", "Round", "Result", *(["To ours"] if compared else []))
        headings += tuple(_NAMES[name] for name in names) + (("Likeness",) if compared else ()) + ("Notes",)
        rows = []
        for entry, found in zip(group.entries, derived, strict=True):
            row = entry.row
            cells = [_who(row), hardware(row), _where(row), words.quantity(row.value, row.unit)]
            cells += [_ratio(entry)] if compared else []
            cells += [found[name].short() if name in found else "-" for name in names]
            cells += [entry.near.likeness if entry.near else "-"] if compared else []
            rows.append((*cells, _numbers(entry, notes)))
        page = [heading(group.title), "", draw(headings, rows)]
        page += ["", *(f"[{number}] {note}" for number, note in enumerate(notes, 1))] if notes else []
        if group.why:
            page += ["", f"Nothing beside it: {group.why}."]
        if group.more:
            page.append(f"{group.more:,} more; see --limit and --with.")
        pages.append("\n".join(page))
    if used:
        lines = [f"{_NAMES[name]} = {formula}" for name, formula in FORMULAE.items() if name in used]
        pages.append("\n".join(lines))
    return "\n\n".join(pages)


def _who(row: PublishedResult) -> str:
    if row.origin == "own":
        return f"ours: {row.system_name or row.system} ({row.model_folder})"
    return f"{row.submitter}: {row.system_name or row.system}"


def hardware(row: PublishedResult) -> str:
    """`8 x NVIDIA L40S`, `2 x 48 cores AMD EPYC`, with the number of nodes when there are several."""
    count = accelerators(row)
    nodes = f", {row.nodes} nodes" if row.nodes and row.nodes > 1 else ""
    if count:
        return f"{count} x {row.accelerator or 'accelerator'}{nodes}"
    total = cores(row)
    cored = f", {words.count(total, 'core')}" if total else ""
    return f"{row.processor or 'processor not stated'}{cored}{nodes}"


def _where(row: PublishedResult) -> str:
    return " ".join(part for part in (row.round, row.division, row.category) if part) or "-"


def _ratio(entry: Entry) -> str:
    return f"{words.number(entry.near.ratio)}x" if entry.near else "1x"


def _numbers(entry: Entry, notes: list[str]) -> str:
    found = list(entry.near.cautions) if entry.near else []
    row = entry.row
    if not entry.near and row.origin == "published":
        found += ["not VALID"] if not row.valid else []
        found += ["inferred from another scenario"] if row.inferred else []
        found += [f"its model is its own: {row.model_folder}"] if row.division == "open" else []
        found += ["its accuracy is below the target"] if row.accuracy_met is False else []
    for note in found:
        if note not in notes:
            notes.append(note)
    return "".join(f"[{notes.index(note) + 1}]" for note in found) or "-"


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells as a table of Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def as_csv(groups: Sequence[Group]) -> str:
    """One line per row; each derived number with its unit and its formula in columns of their own."""
    out = io.StringIO()
    derived = [f"{name}{part}" for name in FORMULAE for part in ("", "_unit", "_formula")]
    columns = ["group", *_PLAIN, "accuracy", "ratio_to_ours", "distance", "likeness", "cautions", *derived]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for group in groups:
        for entry in group.entries:
            row, near = entry.row, entry.near
            line = {name: getattr(row, name) for name in _PLAIN}
            line |= {
                "group": group.title,
                "accuracy": "  ".join(f"{name}: {value:.10g}" for name, value in row.accuracy.items()),
                "ratio_to_ours": near.ratio if near else "",
                "distance": near.distance if near else "",
                "likeness": near.likeness if near else "",
                "cautions": "; ".join(near.cautions) if near else "",
            }
            for name, one in derive(row).items():
                line |= {name: one.value, f"{name}_unit": one.unit, f"{name}_formula": one.formula}
            writer.writerow(line)
    return out.getvalue()
