"""One JSON object: the table of the run as in summary.json, and every result.json whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from loadfleet.results.summary import summarise

if TYPE_CHECKING:
    from loadfleet.results.model import RunResults

HELP = "one JSON object: summary and every result.json"


def export(run: RunResults) -> str:
    """The object, indented."""
    value = {"schema_version": 1, **summarise(run), "results": [dict(result.raw) for result in run.results]}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
