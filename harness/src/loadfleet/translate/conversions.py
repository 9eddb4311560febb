"""Single values: text of theirs to a value of ours. Which flag uses which conversion is in `data/flags.yml`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# where a value is to be put in by the reader: <NAME>, {NAME}, [NAME] or nothing at all
_PLACEHOLDER = re.compile(r"<[^<>]*>|\{[^{}]*\}|\[[^\[\]]*\]|\.\.\.|")


@dataclass(frozen=True)
class Converted:
    """A value of ours, or why there is none.

    Attributes:
        value: Meaningful when `status` is "set".
        status: "set", "not_needed", "not_yet" or "unknown".
        says: What is different, or why there is no value.
        playbook: The playbook that stands for the value, where one does.
    """

    value: Any = None
    status: str = "set"
    says: str = ""
    playbook: str = ""


def from_words(text: str, table: Mapping[str, Any]) -> Converted:
    """A word of a table in words.yml."""
    if text.lower() not in table:
        known = ", ".join(word for word in table if word)
        return Converted(status="unknown", says=f"the value {text!r} is not known; known are {known}")
    entry = table[text.lower()]
    if not isinstance(entry, dict):
        return Converted(entry)
    for status in ("not_yet", "not_needed"):
        if status in entry:
            return Converted(status=status, says=entry[status])
    if "playbook" in entry:
        return Converted(status="not_needed", says=entry["says"], playbook=entry["playbook"])
    return Converted(entry["is"], says=entry.get("says", ""))


def is_placeholder(text: str) -> bool:
    """Whether documentation leaves the value to the reader."""
    return _PLACEHOLDER.fullmatch(text) is not None


def _text(text: str) -> Converted:
    return Converted(text)


def _number_of(kind: Callable[[str], float], factor: float = 1) -> Callable[[str], Converted]:
    def convert(text: str) -> Converted:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            return Converted(status="unknown", says=f"a number is expected, found {text!r}")
        scaled = value * factor
        return Converted(int(scaled) if float(scaled).is_integer() else scaled)

    return convert


def _round(text: str) -> Converted:
    """A round as they write it (`5.1`, `v5.1`, `r5.1-dev`): one of the catalogue's."""
    match = re.fullmatch(r"[rv]?(\d+[._]\d+)(?:-dev)?(?:_default)?", text)
    known = [entry.name for entry in catalogue.entries("round")]
    if match:
        name = f"v{match[1].replace('_', '.')}"
        if name in known:
            return Converted(name)
        return Converted(status="not_yet", says=f"the catalogue has no round {name}; it has {', '.join(known)}")
    return Converted(status="not_needed", says=f"rounds are those of the catalogue: {', '.join(known)}")


CONVERSIONS: dict[str, Callable[[str], Converted]] = {
    "text": _text,
    "at_least": lambda text: Converted(f">={text}"),
    "at_most": lambda text: Converted(f"<={text}"),
    "integer": _number_of(int),
    "number": _number_of(float),
    "seconds": _number_of(float, 1000),
    "round": _round,
}
