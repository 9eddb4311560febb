"""The lines a watched run prints, read back: `HOST  CELL  NN %  text`."""

from __future__ import annotations

import re

from loadfleet.fleet.request import Progress

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(
    r"(?P<host>\S+)\s+(?P<cell>[\w.-]+/[A-Z][A-Za-z]+/(?:performance|accuracy|TEST\d\d))\s+"
    r"(?:(?P<percent>\d{1,3}(?:\.\d+)?) ?%(?:\s+|$))?(?P<text>.*)"
)


def parse(output: str) -> list[Progress]:
    """Progress in the output of one event. A line without a percentage tells how a cell ended: its fraction is 1."""
    found = (_LINE.fullmatch(_COLOUR.sub("", line).strip()) for line in output.splitlines())
    return [
        Progress(
            host=match["host"],
            cell=match["cell"],
            fraction=min(float(match["percent"]) / 100, 1.0) if match["percent"] else 1.0,
            text=match["text"].strip(),
        )
        for match in found
        if match
    ]
