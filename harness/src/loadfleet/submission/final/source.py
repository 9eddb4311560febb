"""Rows of a summary.csv, ours or one of MLCommons' checkers'."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_NEEDED = (
    "Organization",
    "Availability",
    "Division",
    "SystemType",
    "SystemName",
    "Platform",
    "Model",
    "MlperfModel",
    "Scenario",
    "Result",
    "Location",
    "Units",
    "version",
)
_VALUE = re.compile(r'(?:^|,)(?:"(?P<quoted>.*?)"(?=,|$)|(?P<plain>[^,]*))')
_LARGEST = 64 << 20  # bytes; a round of all submitters has about ten


def read(path: Path) -> list[dict[str, str]]:
    """Column -> value of every result.

    MLCommons' checkers put quotes around values and leave those inside as they are: such lines are read, too.

    Raises:
        InputError: The file cannot be read, or is no summary of results.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} has {path.stat().st_size:,} bytes", fix="name the summary.csv of a checker")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", fix="name a summary.csv or a tree") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text", fix="name the summary.csv of a checker") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> list[dict[str, str]]:
    """Like `read`, of the content; `name` is for messages."""
    head, _, body = text.partition("\n")
    columns = next(csv.reader([head]), [])
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        raise InputError(
            f"{name} is no summary of results: its first line has no {', '.join(missing)}",
            fix="name the file that loadfleet submission check --csv, or MLCommons' checker, wrote",
        )
    # Without escapes every line is a record; with them a value may hold a line break.
    plain = [_unescaped(line) for line in body.splitlines() if line]
    records = plain if all(len(record) == len(columns) for record in plain) else _escaped(body, name)
    rows = []
    for number, record in enumerate(records, start=2):
        if len(record) != len(columns):
            raise InputError(
                f"{name} has {len(record)} values in record {number}, its first line names {len(columns)}",
                fix="write the summary again",
            )
        rows.append(dict(zip(columns, record, strict=True)))
    return rows


def _unescaped(line: str) -> list[str]:
    """Values whose quotes end before a comma or the end of the line. Doubled quotes are escapes and become one."""
    return [
        plain if quoted is None else quoted.replace('""', '"')
        for quoted, plain in ((found.group("quoted"), found.group("plain")) for found in _VALUE.finditer(line))
    ]


def _escaped(body: str, name: str) -> list[list[str]]:
    try:
        return [record for record in csv.reader(io.StringIO(body)) if record]
    except csv.Error as error:
        raise InputError(f"{name} is no CSV: {error}", fix="write the summary again") from error
