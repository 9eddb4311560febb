"""A failure explained: of which class, where, by which command, what it last said, how to mend it, how to repeat it.

The cell and the agent write it (`error.json`, `failure` in status.json), the collection writes it for a host that
cannot (`.failures/<host>.json` beside the hosts' folders); tables, reports and JUnit files read it.
"""

from __future__ import annotations

import re
import signal
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from loadfleet.errors import BadResultError, InputError, InterruptedRunError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

CLASSES: Final = (
    "input",
    "environment",
    "model",
    "loadgen",
    "accuracy",
    "connection",
    "timeout",
    "interrupted",
    "unknown",
)
HOST_FAILURES: Final = ".failures"
LINES: Final = 10
_WIDTH = 300
_TAIL_BYTES = 64 << 10
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FIXES: Final = {
    "input": "correct the named variable, then start again",
    "environment": "mend the host, then continue the run",
    "model": "verify the model with `loadfleet cache show` and run playbooks/prepare.yml, then continue the run",
    "loadgen": "read mlperf_log_summary.txt and mlperf_log_detail.txt beside the result",
    "accuracy": "check model and data set: `loadfleet cache show` verifies both",
    "connection": "bring the host back (ansible HOST -m ping shows when), then continue the run",
    "timeout": "raise benchmark_cell_timeout_s or benchmark_timeout, or run fewer queries",
    "interrupted": "continue the run: loadfleet resume RUN",
    "unknown": "read the lines above and stdout.log",
}
# What the last lines say about a failure that nothing else explains.
_SIGNS: Final = (
    (re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE), "environment", "free disk space"),
    (
        re.compile(r"MemoryError|Cannot allocate memory|bad_alloc|out of memory", re.IGNORECASE),
        "environment",
        "give the host more memory, or lower benchmark_instances or benchmark_batch_size",
    ),
    (
        re.compile(r"ModuleNotFoundError|ImportError|error while loading shared libraries"),
        "environment",
        "run playbooks/prepare.yml: a part of the environment is missing",
    ),
    (re.compile(r"Read-only file system|Permission denied"), "environment", "make the store writable"),
)


@dataclass(frozen=True)
class Failure:
    """Why a cell, or a whole host (`cell` is empty), failed.

    Attributes:
        kind: One of `CLASSES`; `class` in files.
        command: What was run, as a shell takes it; empty when nothing was.
        lines: The last useful lines it printed.
        replay: Path of `replay.sh` on the host; empty when there is none.
    """

    kind: str
    host: str
    cell: str
    error: str
    fix: str
    command: str = ""
    lines: tuple[str, ...] = ()
    replay: str = ""

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], host: str = "", cell: str = "") -> Failure:
        """From `error.json` or `failure` of a status; anything may be missing, since older files lack most."""
        kind = str(value.get("class") or "unknown")
        lines = value.get("lines")
        return cls(
            kind=kind if kind in CLASSES else "unknown",
            host=str(value.get("host") or host),
            cell=str(value.get("cell") or cell),
            error=str(value.get("error") or "it failed without a word"),
            fix=str(value.get("fix") or _FIXES.get(kind, _FIXES["unknown"])),
            command=str(value.get("command") or ""),
            lines=tuple(str(line) for line in lines) if isinstance(lines, list) else (),
            replay=str(value.get("replay") or ""),
        )

    def as_dict(self) -> dict[str, Any]:
        """The object of files and of `--json`."""
        return {
            "class": self.kind,
            "host": self.host,
            "cell": self.cell,
            "error": self.error,
            "fix": self.fix,
            "command": self.command,
            "lines": list(self.lines),
            "replay": self.replay,
        }

    def text(self, width: int = sys.maxsize) -> list[str]:
        """Lines for people; sentences are wrapped to `width`, what was run or printed is not."""
        facts = [
            ("error", self.error),
            ("command", self.command),
            *(("said" if not index else "", line) for index, line in enumerate(self.lines)),
            ("fix", self.fix),
            ("replay", f"on {self.host}: sh {self.replay}" if self.replay else ""),
        ]
        head = f"Failed: {self.cell} on {self.host}" if self.cell else f"Failed: host {self.host}"
        rows = [
            f"  {name if not index else '':9}{part}"
            for name, value in facts
            if value
            for index, part in enumerate(
                textwrap.wrap(value, max(width - 11, 20)) if name in {"error", "fix"} else value.splitlines()
            )
        ]
        return [f"{head} (class {self.kind})", *rows]


def of_error(error: BaseException, stage: str = "") -> tuple[str, str, str]:
    """Class, message and fix of an exception.

    Args:
        error: What was raised in a cell.
        stage: What the cell was doing: loading, warming up, running, judging; it tells the class of what nobody
            foresaw.
    """
    if isinstance(error, InputError) and stage in {"loading", "warming up"} and "cannot load" in error.message:
        return "model", error.message, error.fix or _FIXES["model"]
    for known, kind in (
        (InputError, "input"),
        (NotReadyError, "environment"),
        (BadResultError, "loadgen"),
        (InterruptedRunError, "interrupted"),
    ):
        if isinstance(error, known):
            return kind, error.message, error.fix or _FIXES[kind]
    message = f"{type(error).__name__}: {error}"
    for pattern, kind, fix in _SIGNS:
        if pattern.search(message):
            return kind, message, fix
    kind = {"loading": "model", "warming up": "model", "running": "model", "judging": "accuracy"}.get(stage, "unknown")
    return kind, message, _FIXES[kind] if kind != "unknown" else "see stdout.log beside this file"


def of_exit(code: int, lines: Iterable[str]) -> tuple[str, str, str]:
    """Class, message and fix of a process that ended before it could say why; negative codes are signals."""
    if code < 0:
        name = signal.Signals(-code).name if -code in {int(number) for number in signal.Signals} else f"signal {-code}"
        if -code == signal.SIGKILL:
            error = "the harness was killed (SIGKILL), as the kernel does when memory runs out"
            return "environment", error, "look for `oom` in dmesg; lower benchmark_instances or benchmark_batch_size"
        if -code in {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
            return "interrupted", f"the harness was ended from outside ({name})", _FIXES["interrupted"]
        return "unknown", f"the harness crashed ({name}) in native code", _FIXES["unknown"]
    error = f"the harness ended with status {code} before it wrote a result"
    for pattern, kind, fix in _SIGNS:
        for line in lines:
            if pattern.search(line):
                return kind, f"{error}: {line.strip()}", fix
    if code in {126, 127}:
        return "environment", error, "check that the command and benchmark_run_prefix exist on the host"
    return "unknown", error, _FIXES["unknown"]


def of_result(result: Mapping[str, Any]) -> tuple[str, str]:
    """Class and fix of a cell that ran to its end with a bad result (`result.json`)."""
    accuracy, validity = result.get("accuracy") or {}, result.get("validity") or {}
    if accuracy and accuracy.get("met") is not True and validity.get("loadgen") != "INVALID":
        return "accuracy", _FIXES["accuracy"]
    if any("latency" in str(reason).lower() for reason in validity.get("reasons") or []):
        return "loadgen", "lower benchmark_target_qps of the scenario: the host is too slow for the rate asked for"
    return "loadgen", _FIXES["loadgen"]


def fix_of(kind: str) -> str:
    """The general advice of a class."""
    return _FIXES.get(kind, _FIXES["unknown"])


def tail(path: Path, count: int = LINES) -> tuple[str, ...]:
    """The last lines of a log that are not blank, without colours, cut at 300 characters; () when there is no log."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ()
    lines = [_COLOUR.sub("", line).rstrip() for line in text.splitlines()]
    return tuple(line[:_WIDTH] for line in lines if line.strip())[-count:]
