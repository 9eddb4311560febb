"""Read LoadGen's detail log and summary without ever failing: what is wrong is part of the answer.

A log is read once, in pieces, whatever its size. Lines of the form that LoadGen writes are recognised as bytes, and of
their values only those that somebody asks for are parsed; every other line goes through the JSON parser.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadfleet.submission.place import open_regular

if TYPE_CHECKING:
    from loadfleet.submission.place import Place

MARKER = ":::MLLOG"

_MARKER = MARKER.encode()
_PIECE = 1 << 20
_LINE_LIMIT = 16 << 20  # bytes; the longest real lines list the samples of a data set
_KEY_LIMIT = 10_000  # LoadGen knows a few hundred
_ERROR_LIMIT = 100
_BAD_LINE_LIMIT = 1_000
_SUMMARY_LIMIT = 1 << 20  # bytes; LoadGen's summaries have a few thousand
_LONG = 4096

_NUMBER = rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_TEXT = rb'"[ !#-\[\]-~]*"'  # neither escapes nor bytes beyond ASCII: such lines go through the JSON parser
_HEAD = rb':::MLLOG \{"key": (' + _TEXT + rb'), "value": '
_TAIL = (
    rb', "time_ms": ' + _NUMBER + rb', "namespace": ' + _TEXT + rb', "event_type": ' + _TEXT
    + rb', "metadata": \{"is_error": (true|false), "is_warning": (?:true|false), "file": ' + _TEXT
    + rb', "line_no": [0-9]+, "pid": [0-9]+, "tid": [0-9]+\}\}'
)  # fmt: skip
_LINE = re.compile(_HEAD + rb"(" + _NUMBER + rb"|" + _TEXT + rb"|true|false|null)" + _TAIL)
_LIST = re.compile(_HEAD + rb"\[")
_LIST_TAIL = re.compile(rb"\]" + _TAIL)
_IN_LISTS = b"0123456789, "


class LogValues(Mapping[str, Any]):
    """Key -> value, each parsed when it is asked for the first time."""

    def __init__(self, raw: dict[str, bytes], parsed: dict[str, Any]) -> None:
        self._raw = raw
        self._parsed = parsed

    def __getitem__(self, key: str) -> Any:
        if key not in self._parsed:
            self._parsed[key] = json.loads(self._raw[key])
        return self._parsed[key]

    def __contains__(self, key: object) -> bool:
        return key in self._raw or key in self._parsed

    def __iter__(self) -> Iterator[str]:
        yield from self._raw
        yield from (key for key in self._parsed if key not in self._raw)

    def __len__(self) -> int:
        return len(self._raw.keys() | self._parsed.keys())


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
    raw: dict[str, bytes] = field(default_factory=dict)
    parsed: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    problem: str = ""
    number: int = 0
    bad: int = 0

    def lines(self, lines: list[bytes]) -> None:
        match, raw, parsed = _LINE.fullmatch, self.raw, self.parsed
        for line in lines:
            self.number += 1
            found = match(line) if len(line) < _LONG else None
            if found is None:
                if line.strip():
                    self._other(line)
                continue
            quoted, value, is_error = found.groups()
            key = quoted[1:-1].decode("ascii")
            if key not in raw and key not in parsed:
                if len(raw) < _KEY_LIMIT:
                    raw[key] = value
                else:
                    self._bad(f"holds more than {_KEY_LIMIT} keys")
            if is_error == b"true":
                self._error(key, json.loads(value))

    def _other(self, line: bytes) -> None:
        """A line that is not of LoadGen's plain form: a list of samples, texts with escapes, or rubbish."""
        if not line.startswith(_MARKER):
            self._bad(f"line {self.number} does not begin with {MARKER}")
            return
        if self._samples(line):
            return
        try:
            entry = json.loads(line[len(_MARKER) :].decode("utf-8"))
            key, value = entry["key"], entry["value"]
            is_error = bool(entry["metadata"]["is_error"])
        except UnicodeDecodeError:
            self._bad("is not text")
            return
        except (ValueError, KeyError, TypeError, RecursionError):
            self._bad(f"line {self.number} is not a LoadGen entry")
            return
        if not isinstance(key, str):
            self._bad(f"line {self.number} is not a LoadGen entry")
            return
        if key not in self.raw and len(self.parsed) < _KEY_LIMIT:
            self.parsed.setdefault(key, value)
        if is_error:
            self._error(key, value)

    def _samples(self, line: bytes) -> bool:
        """Whether this is a list of numbers, such as the samples loaded: long, and no check asks for one."""
        head = _LIST.match(line)
        if head is None:
            return False
        end = line.rfind(b"]")
        tail = _LIST_TAIL.fullmatch(line, end)
        if tail is None or tail.group(1) == b"true" or line[head.end() : end].translate(None, _IN_LISTS):
            return False
        key = head.group(1)[1:-1].decode("ascii")
        if key not in self.raw and key not in self.parsed:
            self.raw[key] = line[head.end() - 1 : end + 1] if end - head.end() < _LONG else b"[]"
        return True

    def _bad(self, problem: str) -> None:
        self.problem = self.problem or problem
        self.bad += 1

    def _error(self, key: str, value: Any) -> None:
        if len(self.errors) < _ERROR_LIMIT:
            self.errors.append(f"{key}: {value}"[:500])


def read_detail(path: Place) -> DetailLog:
    """Parse mlperf_log_detail.txt; a missing, cut or binary file yields a log with `problem` set.

    Long lists of numbers (`loaded_qsl_set`) read as empty. Memory depends on the longest line, not on the log.
    """
    reader = _Reader()
    if not path.is_file():
        return DetailLog({}, problem="cannot be read: No such file or directory")
    try:
        handle = open_regular(path.path)
        try:
            _stream(handle, reader)
        finally:
            os.close(handle)
    except OSError as error:
        return DetailLog({}, problem=f"cannot be read: {error.strerror}")
    if not reader.raw and not reader.parsed and not reader.problem:
        reader.problem = "is empty"
    return DetailLog(LogValues(reader.raw, reader.parsed), tuple(reader.errors), reader.problem)


def _stream(handle: int, reader: _Reader) -> None:
    rest = b""
    while piece := os.read(handle, _PIECE):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        reader.lines(lines)
        if len(rest) > _LINE_LIMIT:
            reader.problem = reader.problem or f"line {reader.number + 1} is longer than {_LINE_LIMIT >> 20} MiB"
            return
        if reader.bad > _BAD_LINE_LIMIT:
            return
    if rest:
        reader.lines([rest])


def read_summary(path: Place) -> dict[str, str]:
    """The `name : value` lines of mlperf_log_summary.txt (`Result is` -> `VALID`); empty when it cannot be read."""
    data = path.read_bytes(_SUMMARY_LIMIT)
    text = "" if data is None else data.decode("utf-8", "replace")
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon and name.strip()}
