"""Read LoadGen's detail log and summary without ever failing: what is wrong is part of the answer."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MARKER = ":::MLLOG"


@dataclass(frozen=True)
class DetailLog:
    """Keys of mlperf_log_detail.txt; of a repeated key the first value counts, as in MLCommons' checkers.

    Attributes:
        values: key -> value.
        errors: Texts of the lines with `is_error`.
        problem: Why the file is not a detail log, in words; empty when it is one.
    """

    values: Mapping[str, Any]
    errors: tuple[str, ...] = ()
    problem: str = ""

    def integer(self, key: str) -> int | None:
        """The value as an integer, None when it is missing or something else."""
        value = self.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def number(self, key: str) -> float | None:
        """The value as a finite number, None when it is missing or something else."""
        value = self.values.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None

    def text(self, key: str) -> str:
        """The value as text, empty when it is missing or something else."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""


@dataclass
class _Reader:
    values: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    problem: str = ""

    def line(self, number: int, text: str) -> None:
        if not text.startswith(MARKER):
            self.problem = self.problem or f"line {number} does not begin with {MARKER}"
            return
        try:
            entry = json.loads(text[len(MARKER) :])
            key, value = entry["key"], entry["value"]
            is_error = bool(entry["metadata"]["is_error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            self.problem = self.problem or f"line {number} is not a LoadGen entry"
            return
        if not isinstance(key, str):
            self.problem = self.problem or f"line {number} is not a LoadGen entry"
            return
        self.values.setdefault(key, value)
        if is_error:
            self.errors.append(f"{key}: {value}")


def read_detail(path: Path) -> DetailLog:
    """Parse mlperf_log_detail.txt; a missing, cut or binary file yields a log with `problem` set."""
    reader = _Reader()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return DetailLog({}, problem=f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return DetailLog({}, problem="is not text")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            reader.line(number, line)
    if not reader.values and not reader.problem:
        reader.problem = "is empty"
    return DetailLog(reader.values, tuple(reader.errors), reader.problem)


def read_summary(path: Path) -> dict[str, str]:
    """The `name : value` lines of mlperf_log_summary.txt (`Result is` -> `VALID`); empty when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon and name.strip()}
