"""What a results repository holds of a run, made of the run's folder and of nothing that changes from call to call.

runs/<run id>/summary.json                  the table of the run
runs/<run id>/digests.json                  SHA-256 of every file beside it and of every raw log of the run
runs/<run id>/results/<host>/<workload>/<Scenario>/<mode>/result.json
runs/<run id>/submission/<division>/...     the submission tree, when there is one
runs/<run id>/submission.json               its summary
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import BadResultError, InputError
from loadfleet.files import sha256
from loadfleet.results.summary import submission, summarise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadfleet.results.model import RunResults

DIGESTS = "digests.json"
# Of this machine, or of this moment: what is published is the same wherever and whenever it is published.
_LOCAL = ("path", "report", "submission")
_CREDENTIALS = re.compile(rb"://[^\s/:@'\"]*:[^\s/@'\"]+@|https?://[^\s/:@'\"]+@")
_SCANNED = 8 << 20


@dataclass(frozen=True)
class Content:
    """Files of one run by their name in the repository, and a line about it for the commit."""

    run_id: str
    files: dict[str, bytes | Path]
    line: str

    @property
    def folder(self) -> str:
        return f"runs/{self.run_id}"


def of_run(run: RunResults) -> Content:
    """What is published of a run.

    Raises:
        InputError: It has no result, or its id is no name of a folder.
        BadResultError: A raw log is missing or is not the one that was judged, or a file holds credentials.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", run.run_id):
        raise InputError(f"{run.path}: {run.run_id!r} is no run id")
    if not run.results:
        raise InputError(f"{run.path} has no result to publish", fix="Run its cells first: loadfleet resume.")
    summary = summarise(run)
    files: dict[str, bytes | Path] = dict(_tree(run.path))
    raw: dict[str, Any] = {}
    for cell in run.cells:
        if cell.result is None:
            continue
        place = f"{cell.host}/{cell.cell}"
        files[f"results/{place}/result.json"] = cell.folder / "result.json"
        raw[place] = {
            name: {"sha256": digest.sha256, "bytes": digest.bytes} for name, digest in sorted(cell.result.files.items())
        }
        for name, digest in cell.result.files.items():
            _verify(cell.folder / name, digest.sha256)
    packed = submission(run.path)
    if packed:
        files["submission.json"] = run.path / "submission" / str(packed["summary"]).rpartition("/")[2]
    public = {key: value for key, value in summary.items() if key not in _LOCAL}
    # Findings name files by their path on this machine.
    files["summary.json"] = _json({"schema_version": 1, **public}).replace(f"{run.path}/".encode(), b"")
    listed = {name: _digest(content) for name, content in sorted(files.items())}
    files[DIGESTS] = _json({"schema_version": 1, "run_id": run.run_id, "files": listed, "raw": raw})
    for name, content in files.items():
        _refuse_credentials(name, content)
    return Content(run.run_id, files, f"{run.run_id}: {summary['verdict']}")


def _tree(run: Path) -> Iterator[tuple[str, Path]]:
    """Files of the submission tree; links and anything that is no file are no part of a submission."""
    tree = run / "submission" / "tree"
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield f"submission/{path.relative_to(tree).as_posix()}", path


def _verify(path: Path, wanted: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise BadResultError(
            f"{path}: {error.strerror}: a result whose raw log is missing cannot be traced",
            fix="Bring the logs home again: playbooks/collect.yml.",
        ) from error
    if found != wanted:
        raise BadResultError(
            f"{path} changed after the run: its SHA-256 is {found}, result.json says {wanted}",
            fix="Bring the logs home again: playbooks/collect.yml.",
        )


def _digest(content: bytes | Path) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return {"sha256": sha256(content), "bytes": content.stat().st_size}


def _refuse_credentials(name: str, content: bytes | Path) -> None:
    """Nothing that is published holds `://user:password@`, wherever it came from."""
    if not isinstance(content, bytes):
        with content.open("rb") as stream:
            content = stream.read(_SCANNED)
    if _CREDENTIALS.search(content):
        raise BadResultError(
            f"{name} holds a URL with credentials: it is not published", fix="Take them out of what the run was given."
        )


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
