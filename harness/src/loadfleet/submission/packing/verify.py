"""Check a pack as whoever receives it would: all five files, unpacked, held against the rules once more."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.errors import InputError
from loadfleet.submission.check import Report, check
from loadfleet.submission.packing.pack import SIDES, STAMPS

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"(mlperf_submission_\d+)\.tar\.gz")
_UNPACKED_LIMIT = 20 << 30  # bytes


@dataclass(frozen=True)
class Verified:
    """What is wrong with a pack, in words, and our check of its content (None when it cannot be unpacked)."""

    archive: Path
    problems: tuple[str, ...]
    report: Report | None

    @property
    def good(self) -> bool:
        return not self.problems and self.report is not None and self.report.accepted


def verify(archive: Path, jobs: int | None = None) -> Verified:
    """Verify `mlperf_submission_N.tar.gz` and the four files beside it.

    Raises:
        InputError: There is no such archive, or it has another name.
    """
    match = _NAME.fullmatch(archive.name)
    if match is None or not archive.is_file():
        raise InputError(f"{archive} is no pack", fix="name an existing mlperf_submission_N.tar.gz")
    sides = {side: archive.with_name(match.group(1) + side) for side in SIDES}
    problems = [f"{path.name} is missing" for path in sides.values() if not path.is_file()]
    summary = _summary(sides["_summary.json"])
    if sides["_summary.json"].is_file():
        problems += _against(archive, summary)
    problems += _commands(sides[".run"]) if sides[".run"].is_file() else []
    problems += _stamps(sides[".tstamps"]) if sides[".tstamps"].is_file() else []
    round_name, submitter = summary.get("round"), summary.get("submitter")
    if not isinstance(round_name, str) or not isinstance(submitter, str):
        return Verified(archive, (*problems, f"{sides['_summary.json'].name} names no round and submitter"), None)
    with tempfile.TemporaryDirectory(prefix="loadfleet-verify.") as scratch:
        found = list(_unpack(archive, Path(scratch)))
        if found:
            return Verified(archive, (*problems, *found), None)
        report = check(Path(scratch), round_name, submitter, jobs=jobs)
    if summary.get("accepted") is not report.accepted:
        words = {True: "accepted", False: "refused"}
        problems.append(
            f"{sides['_summary.json'].name} says {words.get(bool(summary.get('accepted')))}, its content is "
            f"{words[report.accepted]}"
        )
    if sides[".md"].is_file() and report.summary not in sides[".md"].read_text(encoding="utf-8", errors="replace"):
        problems.append(f"{sides['.md'].name} does not say: {report.summary}")
    return Verified(archive, tuple(problems), report)


def _summary(path: Path) -> dict[str, Any]:
    try:
        value = files.read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _against(archive: Path, summary: dict[str, Any]) -> Iterator[str]:
    for name, real in (
        ("archive", archive.name),
        ("sha256", files.sha256(archive)),
        ("bytes", archive.stat().st_size),
    ):
        if summary.get(name) != real:
            yield f"the summary's {name} is {summary.get(name)}, the archive's is {real}"


def _unpack(archive: Path, folder: Path) -> Iterator[str]:
    """Unpack folders and regular files; anything else is a problem, and then nothing more is unpacked."""
    size = 0
    try:
        with tarfile.open(archive, "r:gz") as content:
            for entry in content:
                size += entry.size
                if not (entry.isreg() or entry.isdir()):
                    yield f"{archive.name} holds {entry.name!r}, which is neither a file nor a folder"
                    return
                if size > _UNPACKED_LIMIT:
                    yield f"{archive.name} holds more than {_UNPACKED_LIMIT >> 30} GiB"
                    return
                content.extract(entry, folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        yield f"{archive.name} cannot be unpacked: {error}"


def _commands(path: Path) -> list[str]:
    """Problems of the commands: they are a script that a shell can read."""
    shell = shutil.which("sh")
    if shell is None:
        return []
    done = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, errors="replace", check=False)
    return [f"{path.name} is no script: {done.stderr.strip()}"] if done.returncode else []


def _stamps(path: Path) -> Iterator[str]:
    """Problems of the time stamps: every cell has two, in this order."""
    lines = list(csv.reader(path.read_text(encoding="utf-8", errors="replace").splitlines(), delimiter="\t"))
    if not lines or tuple(lines[0]) != STAMPS:
        yield f"{path.name} does not begin with {', '.join(STAMPS)}"
        return
    if len(lines) == 1:
        yield f"{path.name} names no cell"
    for line in lines[1:]:
        values = dict(zip(STAMPS, line, strict=False))
        started, finished = values.get("started", ""), values.get("finished", "")
        if not started or not finished or started > finished:
            yield f"{path.name}: {values.get('cell')} started {started or '-'} and finished {finished or '-'}"
