"""Conditions on published results as users write them: `submitter=NVIDIA accelerator~H100 round>=v5.0`."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from loadfleet.errors import InputError
from loadfleet.results.history.index import COLUMNS, Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FORM = re.compile(r"(?P<name>\w+)\s*(?P<sign>!=|>=|<=|=|~|<|>)(?P<value>.*)", re.DOTALL)
_TEXT_SIGNS = {"=", "!=", "~"}
_HIDDEN = {"accuracy", "latency_ms", "files", "origin"}
NAMES = tuple(name for name in COLUMNS if name not in _HIDDEN)


def parse(texts: Iterable[str]) -> list[Condition]:
    """Conditions of filters; blanks between conditions, quotes around values with blanks, `all` for none.

    `=` and `!=` ignore case and know `*` and `?`; `~` means contains; `<`, `<=`, `>`, `>=` compare numbers and rounds.

    Raises:
        InputError: A part is no condition, names no column, or compares a text as a number.
    """
    found = []
    for text in texts:
        try:
            parts = shlex.split(text)
        except ValueError as error:
            raise InputError(f"filter {text!r}: {error}", fix="Close the quotes.") from error
        found += [_condition(part) for part in parts if part not in {"all", "*"}]
    return found


def _condition(text: str) -> Condition:
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is no condition",
            fix="Write name=value, name~part or number>=value, for example submitter=NVIDIA.",
        )
    name, sign, value = match["name"], match["sign"], match["value"]
    if name not in NAMES:
        raise InputError(f"a published result has no {name!r}", fix=f"Use one of {', '.join(NAMES)}.")
    kind = COLUMNS[name]
    if name == "round" and sign not in _TEXT_SIGNS:
        return Condition(f"round_key {sign} ?", ([int(part) for part in re.findall(r"\d+", value)],))
    if kind in {"INTEGER", "DOUBLE"}:
        return _number(name, sign, value)
    if kind == "BOOLEAN":
        return _boolean(name, sign, value)
    if sign not in _TEXT_SIGNS:
        raise InputError(f"{name} is a text: {text!r} compares it as a number", fix=f"Use {name}=... or {name}~...")
    return equal(name, value, negate=sign == "!=") if sign != "~" else contains(name, value)


def equal(name: str, value: str, *, negate: bool = False) -> Condition:
    """Equal whatever the letter case; `*` and `?` stand for any characters and for one."""
    return Condition(f"{'NOT ' if negate else ''}lower({name}) GLOB ?", (_glob(value.lower()),))


def contains(name: str, value: str) -> Condition:
    """Contains, whatever the letter case."""
    return Condition(f"contains(lower({name}), ?)", (value.lower(),))


def _glob(text: str) -> str:
    """Brackets and backslashes stand for themselves: names of systems have them."""
    return re.sub(r"[\[\]\\]", lambda found: rf"\{found.group()}", text)


def _number(name: str, sign: str, value: str) -> Condition:
    try:
        number = float(value)
    except ValueError:
        raise InputError(f"{name}{sign}{value}: {value!r} is no number", fix=f"Write {name}>=8, say.") from None
    if sign == "~":
        raise InputError(f"{name} is a number: ~ is for texts", fix=f"Use {name}={value} or {name}>={value}.")
    return Condition(f"{name} {sign} ?", (number,))


def _boolean(name: str, sign: str, value: str) -> Condition:
    truth = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(value.lower())
    if truth is None or sign not in {"=", "!="}:
        raise InputError(f"{name} is yes or no, not {value!r}", fix=f"Write {name}=yes or {name}=no.")
    return Condition(f"{name} {sign} ?", (truth,))


def any_of(columns: Mapping[str, str | Iterable[str]]) -> list[Condition]:
    """One condition per column: equal to the text, or to any of the texts.

    Raises:
        InputError: There is no such column of texts.
    """
    found = []
    for name, wanted in columns.items():
        if name not in NAMES or COLUMNS[name] != "VARCHAR":
            raise InputError(f"a published result has no text {name!r}")
        parts = [equal(name, value) for value in ([wanted] if isinstance(wanted, str) else wanted)]
        sql = " OR ".join(part.sql for part in parts) or "false"
        found.append(Condition(f"({sql})", tuple(value for part in parts for value in part.values)))
    return found
