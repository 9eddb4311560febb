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

from loadfleet.submission.reading.place import open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.submission.reading.place import Place

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
_HEAD = rb':::MLLOG \{"key": "([ !#-\[\]-~]*)", "value": '
_TAIL = (
    rb', "time_ms": ' + _NUMBER + rb', "namespace": ' + _TEXT + rb', "event_type": ' + _TEXT
    + rb', "metadata": \{"is_error": (true|false), "is_warning": (?:true|false), "file": ' + _TEXT
    + rb', "line_no": [0-9]+, "pid": [0-9]+, "tid": [0-9]+\}\}'
)  # fmt: skip
# key, value, is_error, or else the whole line
_LINES = re.compile(
    rb"^(?:" + _HEAD + rb"(" + _NUMBER + rb"|" + _TEXT + rb"|true|false|null)" + _TAIL + rb"|(.+))$", re.MULTILINE
)
# what a run logs once; messages, errors and percentiles on the way to a result come often
_ONCE = (
    b"requested_",
    b"effective_",
    b"result_",
    b"early_stopping_met",
    b"early_stopping_latency",
    b"power_",
    b"qsl_rep",
)
_LIST_VALUE = b'"value": ['
_LIST_HEAD = re.compile(_HEAD + rb"\[")
_LIST_TAIL = re.compile(rb"\]" + _TAIL)
_IN_LISTS = b"0123456789, "
_WORDS = {b"true": True, b"false": False, b"null": None}


class LogValues(Mapping[str, Any]):
    """Key -> value, each parsed when it is asked for."""

    def __init__(self, raw: dict[bytes, bytes], parsed: dict[bytes, Any]) -> None:
        self._raw = raw
        self._parsed = parsed

    def __getitem__(self, key: str) -> Any:
        name = key.encode()
        if name in self._parsed:
            return self._parsed[name]
        return _value(self._raw[name])

    def get(self, key: str, default: Any = None) -> Any:
        name = key.encode()
        if name in self._parsed:
            return self._parsed[name]
        raw = self._raw.get(name)
        return default if raw is None else _value(raw)

    def __iter__(self) -> Iterator[str]:
        yield from (key.decode() for key in self._raw)
        yield from (key.decode() for key in self._parsed if key not in self._raw)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return bool(self._raw or self._parsed)


@dataclass(frozen=True)
class DetailLog:
    """Keys of mlperf_log_detail.txt; of a repeated key the first value counts, as in MLCommons' checkers.

    Attributes:
        values: key -> value.
        errors: Texts of the lines with `is_error`.
        problem: Why the file is not a detail log, in words; empty when it is one.
        repeated: Settings and results that stand there again with another value: the log is not of one run.
    """

    values: Mapping[str, Any]
    errors: tuple[str, ...] = ()
    problem: str = ""
    repeated: tuple[str, ...] = ()

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
    raw: dict[bytes, bytes] = field(default_factory=dict)
    parsed: dict[bytes, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    problem: str = ""
    repeated: set[str] = field(default_factory=set)
    before: int = 0
    bad: int = 0

    @property
    def enough(self) -> bool:
        """Whether reading on would tell nobody anything."""
        return self.bad > _BAD_LINE_LIMIT or len(self.raw) + len(self.parsed) > _KEY_LIMIT

    def lines(self, data: bytes) -> None:
        """Whole lines."""
        start = 0
        while (found := data.find(_LIST_VALUE, start)) >= 0:
            begin = data.rfind(b"\n", start, found) + 1 or start
            end = data.find(b"\n", found)
            end = len(data) if end < 0 else end
            self._plain(data, start, begin)
            if not self._samples(data, begin, end):
                self._other(data, data[begin:end])
            start = end + 1
        self._plain(data, start, len(data))
        if len(self.raw) + len(self.parsed) > _KEY_LIMIT:
            self.problem = self.problem or f"holds more than {_KEY_LIMIT} keys"

    def _plain(self, data: bytes, start: int, end: int) -> None:
        raw, parsed = self.raw, self.parsed
        for key, value, is_error, other in _LINES.findall(data, start, end):
            if other:
                self._other(data, other)
                continue
            if key not in raw:
                raw[key] = value
                if key in parsed:
                    self._again(key, _value(value), parsed[key])
            elif raw[key] != value:
                self._again(key, value, raw[key])
            if is_error == b"true":
                self._error(key.decode(), _value(value))

    def _samples(self, data: bytes, begin: int, end: int) -> bool:
        """Whether this is a list of numbers, such as the samples loaded: long, and no check asks for one."""
        head = _LIST_HEAD.match(data, begin, end)
        close = data.rfind(b"]", begin, end)
        if head is None or close < head.end():
            return False
        tail = _LIST_TAIL.fullmatch(data, close, end)
        if tail is None or tail.group(1) == b"true" or data[head.end() : close].translate(None, _IN_LISTS):
            return False
        self.raw.setdefault(head.group(1), b"[]" if close - head.end() > _LONG else data[head.end() - 1 : close + 1])
        return True

    def _other(self, data: bytes, line: bytes) -> None:
        """A line that is not of LoadGen's plain form: with escapes, objects, or rubbish."""
        if not line.strip():
            return
        if not line.startswith(_MARKER):
            self._bad(data, line, f"does not begin with {MARKER}")
            return
        try:
            entry = json.loads(line[len(_MARKER) :].decode("utf-8"))
            key, value = entry["key"], entry["value"]
            is_error = bool(entry["metadata"]["is_error"])
            raw_key = key.encode()
        except UnicodeDecodeError:
            self._bad(data, line, "is not UTF-8 text")
            return
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._bad(data, line, "is not a LoadGen entry")
            return
        if raw_key in self.raw:
            self._again(raw_key, value, _value(self.raw[raw_key]))
        else:
            self._again(raw_key, value, self.parsed.setdefault(raw_key, value))
        if is_error:
            self._error(key, value)

    def _bad(self, data: bytes, line: bytes, problem: str) -> None:
        self.bad += 1
        if not self.problem:
            number = self.before + data.count(b"\n", 0, data.find(line)) + 1
            self.problem = f"line {number} {problem}"

    def _again(self, key: bytes, value: Any, before: Any) -> None:
        if value != before and key.startswith(_ONCE):
            self.repeated.add(key.decode())

    def _error(self, key: str, value: Any) -> None:
        if len(self.errors) < _ERROR_LIMIT:
            self.errors.append(f"{key}: {value}"[:500])


def _value(text: bytes) -> Any:
    """The value of a plain line: a number, a text without escapes, a word or a list."""
    if text in _WORDS:
        return _WORDS[text]
    if text.startswith(b'"'):
        return text[1:-1].decode("ascii")
    if text.startswith(b"["):
        return json.loads(text)
    return float(text) if b"." in text or b"e" in text or b"E" in text else int(text)


def read_detail(path: Path | Place) -> DetailLog:
    """Parse mlperf_log_detail.txt; a missing, cut or binary file yields a log with `problem` set.

    Long lists of numbers (`loaded_qsl_set`) read as empty. Memory depends on the longest line, not on the log.
    """
    reader = _Reader()
    if not path.is_file():
        return DetailLog({}, problem="cannot be read: No such file or directory")
    try:
        handle, size = open_regular(os.fspath(path))
        try:
            _stream(handle, size, reader)
        finally:
            os.close(handle)
    except OSError as error:
        return DetailLog({}, problem=f"cannot be read: {error.strerror}")
    if not reader.raw and not reader.parsed and not reader.problem:
        reader.problem = "is empty"
    values = LogValues(reader.raw, reader.parsed)
    return DetailLog(values, tuple(reader.errors), reader.problem, tuple(sorted(reader.repeated)))


def _stream(handle: int, size: int, reader: _Reader) -> None:
    rest, left = b"", size
    while left > 0 and not reader.enough and (piece := os.read(handle, min(left, _PIECE))):
        left -= len(piece)
        data = rest + piece if rest else piece
        end = data.rfind(b"\n") + 1 if left > 0 else len(data)
        rest = data[end:]
        reader.lines(data[:end])
        if rest or left:
            reader.before += data.count(b"\n", 0, end)
        if len(rest) > _LINE_LIMIT:
            reader.problem = reader.problem or f"line {reader.before + 1} is longer than {_LINE_LIMIT >> 20} MiB"
            return
    if rest:
        reader.lines(rest)


class SummaryLog:
    """The `name : value` lines of mlperf_log_summary.txt, looked for when they are asked for."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def get(self, name: str) -> str | None:
        """The value that stands last for a name (`Result is` -> `VALID`), None when there is none."""
        found = re.findall(rb"^[ \t]*" + re.escape(name.encode()) + rb"[ \t]*:(.*)$", self._text, re.MULTILINE)
        return found[-1].decode("utf-8", "replace").strip() if found else None


def read_summary(path: Place) -> SummaryLog:
    """The summary of a run; without lines when it cannot be read."""
    return SummaryLog(path.read_bytes(_SUMMARY_LIMIT) or b"")
