"""A Markdown table, for a comment on a change or a wiki."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loadfleet.results.summary import headings, row, several_models, summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadfleet.results.model import RunResults

HELP = "a Markdown table with verdict and reasons"
_RIGHT = {"Result"}
# What would be taken for markup; `-` and `.` matter at the start of a line only and stay readable.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~#])")


def export(run: RunResults) -> str:
    """Verdict, table, numbered reasons."""
    data = summarise(run)
    facts = ", ".join(str(data[key]) for key in ("workload", "round", "execution") if data[key])
    lines = [f"**{_text(run.run_id)}**{f' ({_text(facts)})' if facts else ''}: {_text(data['verdict'])}", ""]
    models = several_models(run)
    names = headings(models=models)
    lines += [_line(names), "|" + "|".join(" ---: " if name in _RIGHT else " --- " for name in names) + "|"]
    lines += [_line(row(cell, entry, models=models)) for cell, entry in zip(run.cells, data["cells"], strict=True)]
    if data["reasons"]:
        lines += ["", *(f"{number}. {_text(reason)}" for number, reason in enumerate(data["reasons"], 1))]
    return "\n".join(lines) + "\n"


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(map(_text, texts)) + " |"


def _text(text: str) -> str:
    """A text that means itself, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
