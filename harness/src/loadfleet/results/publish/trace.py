"""From a published result, or a digest, back to the raw logs: where they are, and whether they are still the same.

Raw logs are those that `result.json` names by SHA-256. They stay where the run came home; a results repository and the
index of published results know their digests.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from loadfleet.errors import InputError
from loadfleet.files import sha256
from loadfleet.results.publish.content import DIGESTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

State = Literal["verified", "changed", "missing"]
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{8,64})")
_CELL = "*/*/*/*/result.json"
_HASH = re.compile(r"^hash=([0-9a-f]{64})\s*$", re.MULTILINE)
# Files of a scenario in a submission tree that are the cell's, under the same name.
_TREE_LOGS = (
    "performance/run_1/mlperf_log_detail.txt",
    "performance/run_1/mlperf_log_summary.txt",
    "accuracy/mlperf_log_detail.txt",
    "accuracy/mlperf_log_summary.txt",
)


@dataclass(frozen=True)
class Traced:
    """One raw log: its digest as published, where it was looked for, and what was found there."""

    log: str
    sha256: str
    run_id: str
    path: str
    state: State

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Log:
    """A raw log that some result.json names."""

    name: str
    sha256: str
    run_id: str
    path: Path


def trace(what: str, results_path: Path, stores: Sequence[Path] = (), index: Path | None = None) -> list[Traced]:
    """Find and verify raw logs.

    Args:
        what: SHA-256 of a raw log, of a published file or of an imported result (eight digits or more), or a path: a
            result.json, its folder, a run of a results repository, a scenario's folder or a file of a tree.
        results_path: Folder of runs that came home.
        stores: Folders of results repositories, for digests of published files.
        index: The index of published results, for digests of imported ones.

    Raises:
        InputError: It is neither a digest nor such a path, or nothing knows it.
    """
    path = Path(what)
    if path.exists():
        return _of_path(path, results_path)
    match = _DIGEST.fullmatch(what)
    if match is None:
        raise InputError(
            f"{what!r} is neither a SHA-256 nor a published result",
            fix="Give eight digits or more of a digest, or a path: a result.json, a scenario's folder, a run.",
        )
    wanted = match.group(1).lower()
    logs = [log for log in _home(results_path) if log.sha256.startswith(wanted)]
    if logs:
        return [_look(log) for log in _distinct(logs)]
    for store in stores:
        for digests in sorted(store.rglob(DIGESTS)):
            found = _in_digests(digests, wanted, results_path)
            if found:
                return found
    found = _in_index(wanted, index, results_path) if index else []
    if not found:
        raise InputError(
            f"no raw log and no published result has a SHA-256 that begins with {wanted}",
            fix="Name the folder of runs with --results-path, or the results repository with --store.",
        )
    return found


def _of_path(path: Path, results_path: Path) -> list[Traced]:
    folder = path if path.is_dir() else path.parent
    if path.name == "result.json" or (path / "result.json").is_file():
        return _of_result(folder / "result.json", results_path)
    if path.name == DIGESTS or (path / DIGESTS).is_file():
        return _of_run(folder / DIGESTS, results_path)
    if any((path / name).is_file() for name in _TREE_LOGS):
        digests = {name: sha256(path / name) for name in _TREE_LOGS if (path / name).is_file()}
        digests |= _full_accuracy(path / "accuracy" / "accuracy.txt")
        return _by_digest(digests, results_path)
    if path.is_file():
        return _by_digest(_full_accuracy(path) or {path.name: sha256(path)}, results_path)
    raise InputError(f"{path} is no published result", fix="Give a result.json, a scenario's folder or runs/<run id>.")


def _full_accuracy(path: Path) -> dict[str, str]:
    """The digest of the whole accuracy log, which accuracy.txt keeps when the log itself is cut."""
    if path.name != "accuracy.txt" or not path.is_file():
        return {}
    hashes = _HASH.findall(path.read_text(encoding="utf-8", errors="replace"))
    return {"accuracy/mlperf_log_accuracy.json": str(hashes[-1])} if hashes else {}


def _of_result(path: Path, results_path: Path) -> list[Traced]:
    value = _object(path)
    run_id, host, cell = (str(value.get(name) or "") for name in ("run_id", "host", "cell"))
    home = results_path / run_id / host / cell
    # A result.json that came home lies beside its logs; a published copy does not.
    folder = path.parent if (path.parent / "mlperf_log_detail.txt").is_file() else home
    logs = [_Log(name, digest, run_id, folder / name) for name, digest in _files(value).items()]
    if not logs:
        raise InputError(f"{path} names no raw log")
    return [_look(log) for log in logs]


def _of_run(path: Path, results_path: Path) -> list[Traced]:
    value = _object(path)
    run_id, raw = str(value.get("run_id") or ""), value.get("raw")
    found = [
        _look(_Log(f"{cell}/{name}", str(entry.get("sha256")), run_id, results_path / run_id / cell / name))
        for cell, logs in (raw.items() if isinstance(raw, dict) else ())
        for name, entry in (logs.items() if isinstance(logs, dict) else ())
        if isinstance(entry, dict)
    ]
    if not found:
        raise InputError(f"{path} names no raw log")
    return found


def _by_digest(digests: dict[str, str], results_path: Path) -> list[Traced]:
    """Each digest's log; equal files of several runs (a short summary, a user.conf) are looked for in the same run."""
    known: dict[str, list[_Log]] = {}
    for log in _home(results_path):
        if log.sha256 in digests.values():
            known.setdefault(log.sha256, []).append(log)
    runs = Counter(run for logs in known.values() for run in {log.run_id for log in logs})
    found = []
    for name, digest in digests.items():
        logs = sorted(known.get(digest, ()), key=lambda log: -runs[log.run_id])
        found.append(_look(logs[0]) if logs else Traced(name, digest, "", "", "missing"))
    return found


def _in_digests(path: Path, wanted: str, results_path: Path) -> list[Traced]:
    """Raw logs behind a published file: those of its own result, of a tree's file those of the whole run."""
    value = _object(path)
    files = value.get("files")
    for name, entry in files.items() if isinstance(files, dict) else ():
        if isinstance(entry, dict) and str(entry.get("sha256")).startswith(wanted):
            if name.endswith("/result.json"):
                return _of_result(path.parent / name, results_path)
            return _of_run(path, results_path)
    return [entry for entry in _of_run(path, results_path) if entry.sha256.startswith(wanted)]


def _in_index(wanted: str, index: Path, results_path: Path) -> list[Traced]:
    from loadfleet.results.history.index import reading  # noqa: PLC0415 - only for digests nothing else knows

    with reading(index) as opened:
        rows = opened.with_digest(wanted) if opened else []
    found = []
    for row in rows:
        source = Path(row.source)
        for name, digest in row.files.items():
            # An imported folder still holds its logs; an archive or a repository is named instead.
            local = source / name if source.is_dir() else None
            if local is not None and local.is_file():
                found.append(_look(_Log(name, digest, "", local)))
            else:
                home = _by_digest({name: digest}, results_path)[0]
                where = home.path or f"{row.source}: {name}"
                found.append(Traced(name, digest, home.run_id, where, home.state))
    return found


def _home(results_path: Path) -> Iterator[_Log]:
    """Every raw log that the results of runs name."""
    for path in sorted(results_path.glob(f"*/{_CELL}")):
        if path.parents[4].is_symlink() or ".replay." in path.parent.name:
            continue
        try:
            value = _object(path)
        except InputError:
            continue
        for name, digest in _files(value).items():
            yield _Log(name, digest, str(value.get("run_id") or ""), path.parent / name)


def _files(value: dict[str, Any]) -> dict[str, str]:
    files = value.get("files")
    found = files.items() if isinstance(files, dict) else ()
    return {str(name): str(entry["sha256"]) for name, entry in found if isinstance(entry, dict) and "sha256" in entry}


def _distinct(logs: Iterable[_Log]) -> list[_Log]:
    return list({log.path: log for log in logs}.values())


def _look(log: _Log) -> Traced:
    try:
        state: State = "verified" if sha256(log.path) == log.sha256 else "changed"
    except OSError:
        state = "missing"
    return Traced(log.name, log.sha256, log.run_id, str(log.path), state)


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: a JSON object is expected, found {type(value).__name__}")
    return value
