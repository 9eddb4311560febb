"""Pack a submission: `mlperf_submission_N.tar.gz` and what belongs beside it. N is the attempt; nothing is overwritten.

The archive is the same byte for byte whenever the tree is: sorted names, one time stamp, no owner, no gzip time.
"""

from __future__ import annotations

import gzip
import os
import re
import shlex
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.errors import InputError
from loadfleet.submission.tree.generate import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadfleet.submission.check import Report
    from loadfleet.submission.official import Verdict

_TIME = 315532800  # 1980-01-01, the earliest that every archive tool can show
STAMPS = ("run", "host", "cell", "started", "finished", "clock_offset_ms")
"""Columns of .tstamps: the host's clock before and after each cell (UTC), and how far it is ahead of ours."""
SIDES = ("_summary.json", ".run", ".tstamps", ".md")
OWN = "<!-- What you write below this line is kept in the next attempt. -->"
_NAME = re.compile(r"mlperf_submission_(\d+)\.tar\.gz")


@dataclass(frozen=True)
class Packed:
    """An attempt; `reused` when the same submission had been packed as this attempt before."""

    attempt: int
    archive: Path
    sha256: str
    reused: bool


def pack(tree: Path, output: Path, report: Report, official: Sequence[Verdict] = ()) -> Packed:
    """Pack the submitter of a checked tree as the next attempt, or find that it is the last one already.

    Args:
        tree: The folder that holds the divisions.
        output: Where the archive and `_summary.json`, `.run`, `.tstamps`, `.md` go.
        report: Our check of the tree.
        official: Verdicts of MLCommons' own checkers, if they were run.

    Raises:
        InputError: The tree holds nothing of the report's submitter.
    """
    folders = [path for path in sorted(tree.glob(f"*/{report.submitter}")) if path.is_dir()]
    if not folders:
        raise InputError(f"{tree} holds no submitter {report.submitter!r}", fix="generate the tree first")
    output.mkdir(parents=True, exist_ok=True)
    record = _read_object(tree.parent / RECORD)
    with tempfile.NamedTemporaryFile(dir=output, prefix=".mlperf_submission.", delete=False) as stream:
        scratch = Path(stream.name)
        try:
            _write(stream, tree, folders)
            stream.flush()
            os.fsync(stream.fileno())
            scratch.chmod(0o644)
            packed = _place(scratch, output, report)
        finally:
            scratch.unlink(missing_ok=True)
    stem = output / f"mlperf_submission_{packed.attempt}"
    sides = {
        f"{stem}.run": _commands(record),
        f"{stem}.tstamps": _time_stamps(record),
        f"{stem}.md": _platform(report, record, official) + _own_words(output, packed.attempt),
    }
    for name, text in sides.items():
        if not Path(name).exists():
            files.write_text(Path(name), text)
    summary = Path(f"{stem}_summary.json")
    if not summary.exists():
        files.write_json(summary, _summary(packed, report, record, official))
    return packed


def attempts(output: Path) -> list[int]:
    """Numbers of the attempts in a folder, ascending."""
    found = (_NAME.fullmatch(path.name) for path in output.glob("mlperf_submission_*.tar.gz"))
    return sorted(int(match.group(1)) for match in found if match)


def _write(stream: Any, tree: Path, folders: Sequence[Path]) -> None:
    documents = [path for path in sorted(tree.iterdir()) if path.is_file()]
    with (
        gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=9, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in [*documents, *_walk(tree, folders)]:
            entry = archive.gettarinfo(path, arcname=path.relative_to(tree).as_posix())
            if entry is None:  # a socket or pipe
                continue
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = _TIME, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() else 0o644
            if entry.isreg():
                with path.open("rb") as content:
                    archive.addfile(entry, content)
            else:
                archive.addfile(entry)


def _walk(tree: Path, folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield folder.parent
        yield folder
        yield from sorted(folder.rglob("*"), key=lambda path: path.relative_to(tree).parts)


def _place(scratch: Path, output: Path, report: Report) -> Packed:
    """Give the archive the next number; a link fails when the name is taken, so two packers never overwrite."""
    sha256 = files.sha256(scratch)
    known = attempts(output)
    if known and _same(output, known[-1], sha256, report):
        return Packed(known[-1], output / f"mlperf_submission_{known[-1]}.tar.gz", sha256, reused=True)
    number = known[-1] + 1 if known else 1
    while True:
        archive = output / f"mlperf_submission_{number}.tar.gz"
        try:
            archive.hardlink_to(scratch)
        except FileExistsError:
            number += 1
        else:
            files.sync_folder(output)
            return Packed(number, archive, sha256, reused=False)


def _same(output: Path, number: int, sha256: str, report: Report) -> bool:
    if files.sha256(output / f"mlperf_submission_{number}.tar.gz") != sha256:
        return False
    summary = _read_object(output / f"mlperf_submission_{number}_summary.json")
    # Without a summary the last call was interrupted after the archive: this call completes it.
    return not summary or (summary.get("round"), summary.get("accepted")) == (report.round, report.accepted)


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty when it is missing or something else."""
    try:
        value = files.read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _summary(packed: Packed, report: Report, record: Mapping[str, Any], official: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "attempt": packed.attempt,
        "archive": packed.archive.name,
        "sha256": packed.sha256,
        "bytes": packed.archive.stat().st_size,
        **report.as_json(),
        "official": [verdict.as_json() for verdict in official],
        "request": record.get("request"),
        "systems": record.get("systems", []),
        "not_submittable": record.get("not_submittable", []),
    }


def _cells(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    cells: list[Mapping[str, Any]] = record.get("cells", [])
    return cells


def _commands(record: Mapping[str, Any]) -> str:
    lines = ["#!/bin/sh", "# The exact commands of this submission's measurements.", "set -eu"]
    for play in dict.fromkeys(shlex.join(cell["play"]) for cell in _cells(record)):
        lines += ["", "# From a checkout of Loadfleet, for the hosts of an inventory:", play]
    lines += ["", "# What ran on the machines, in the folders of the cells:"]
    for cell in _cells(record):
        lines.append(f"# {cell['run_id']} {cell['host']} {cell['cell']}: {shlex.join(cell['command'])}")
    return "\n".join(lines) + "\n"


def _time_stamps(record: Mapping[str, Any]) -> str:
    lines = ["\t".join(STAMPS)]
    for cell in sorted(_cells(record), key=lambda cell: str(cell["time"].get("started") or "")):
        time = cell["time"]
        offset = time.get("clock_offset_ms")
        stamps = (
            str(time.get("started") or ""),
            str(time.get("finished") or ""),
            "" if offset is None else f"{offset:g}",
        )
        lines.append("\t".join((cell["run_id"], cell["host"], cell["cell"], *stamps)))
    return "\n".join(lines) + "\n"


def _own_words(output: Path, attempt: int) -> str:
    """The part of the description that people write, as it stands in the last attempt that has one."""
    for number in range(attempt - 1, 0, -1):
        try:
            text = (output / f"mlperf_submission_{number}.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        _, mark, own = text.partition(OWN)
        if mark:
            return f"\n{OWN}{own}"
    return f"\n{OWN}\n## Highlights\n"


def _platform(report: Report, record: Mapping[str, Any], official: Sequence[Verdict]) -> str:
    lines = [f"# MLPerf Inference {report.round}, {report.submitter}", "", report.summary, ""]
    lines += ["| system | model | scenario | result | accuracy | accepted |", "|---|---|---|---|---|---|"]
    for row in report.rows:
        accuracy = ", ".join(f"{metric} {value:.10g}" for metric, value in row.accuracy.items()) or "-"
        value = "-" if row.value is None else f"{row.value:,.6g} {row.unit}"
        model = row.model if row.model == row.official_name else f"{row.model} ({row.official_name})"
        accepted = "yes" if row.accepted else "no"
        lines.append(f"| {row.columns['Platform']} | {model} | {row.scenario} | {value} | {accuracy} | {accepted} |")
    seen: set[str] = set()
    for row in report.rows:
        if row.columns["Platform"] in seen:
            continue
        seen.add(row.columns["Platform"])
        lines += ["", f"## {row.columns['SystemName']}", ""]
        for title, name in (
            ("Processor", "host_processor_model_name"),
            ("Cores", "host_processor_core_count"),
            ("Accelerator", "accelerator_model_name"),
            ("Framework", "framework"),
            ("Operating system", "operating_system"),
            ("Notes", "notes"),
        ):
            if row.columns[name]:
                lines.append(f"- {title}: {row.columns[name]}")
    for verdict in official:
        lines += [
            "",
            f"MLCommons' {verdict.checker} checker: {'accepted' if verdict.accepted else 'refused'}, "
            f"{verdict.results} results.",
        ]
    if record.get("not_submittable"):
        lines += ["", "## Not submittable", ""]
        lines += [f"- {entry['cell']}: {'; '.join(entry['reasons'])}" for entry in record["not_submittable"]]
    return "\n".join(lines) + "\n"
