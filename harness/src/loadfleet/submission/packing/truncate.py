"""Shorten accuracy logs for submission and record the hash of the full log, as MLCommons' truncate script does.

Full log: its SHA-256 is appended to accuracy.txt (a blank line, then `hash=<64 hex>`); the log keeps its first and last
4096 characters. The originals stay where the results are.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadfleet import files
from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round

KEPT = 4096
"""Characters kept at each end; LoadGen writes ASCII, so characters are bytes."""
_ELLIPSIS = b"\n\n...\n\n"
_CHUNK = 1 << 20
_HASH_LINE = re.compile(rb"^hash=([0-9A-Za-z_]+)[ \t\r]*$", re.MULTILINE)
LOG = "mlperf_log_accuracy.json"
TEXT = "accuracy.txt"


@dataclass(frozen=True)
class Truncated:
    """One accuracy log: `path` below the tree, the full log's SHA-256, sizes in bytes, whether anything was written."""

    path: str
    sha256: str
    before: int
    after: int
    changed: bool


def shortened(log: Path) -> tuple[bytes, str, int]:
    """The short form of a log, the SHA-256 of the full one, and its size; reads the file once, in pieces.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    head = tail = b""
    with log.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if len(head) < KEPT:
                head = (head + chunk)[:KEPT]
            tail = (tail + chunk)[-KEPT:]
    data = log.read_bytes() if size < KEPT else head + _ELLIPSIS + tail
    return data, digest.hexdigest(), size


def with_hash(text: bytes, sha256: str) -> bytes:
    """accuracy.txt with exactly one hash line, the given one; other lines untouched."""
    if recorded_hash(text) == sha256:
        return text
    return _HASH_LINE.sub(b"", text).rstrip(b"\n") + f"\n\nhash={sha256}\n".encode()


def recorded_hash(text: bytes) -> str | None:
    """The value of the hash line, None when there is none."""
    found = _HASH_LINE.search(text)
    return found.group(1).decode() if found else None


def truncate(
    tree: Path, rules: Round, submitter: str, *, skip_unscored: bool = False, keep: Path | None = None
) -> list[Truncated]:
    """Shorten every accuracy log of a submitter in a tree, in place. Running it again changes nothing.

    The full logs go to the same places below `keep`, where one is given.

    The hash is written before the log is cut, so an interruption between the two is mended by the next call.
    A log without accuracy.txt is an error, or with `skip_unscored` left as it is (the check names it).

    Raises:
        InputError: The tree has no such submitter, or a log has no accuracy.txt beside it.
    """
    folders = [tree / division / submitter for division in rules.divisions]
    if not any(folder.is_dir() for folder in folders):
        raise InputError(
            f"{tree} holds no submitter {submitter!r}",
            fix="name the folder that holds open/ or closed/, and --submitter",
        )
    return [
        _one(tree, log, rules.layout.accuracy_log_max_bytes, keep)
        for folder in folders
        for log in _logs(folder)
        if log.with_name(TEXT).is_file() or not skip_unscored
    ]


def _logs(folder: Path) -> Iterator[Path]:
    """Accuracy logs of accuracy runs and of compliance tests; those of performance runs hold no responses."""
    for part in ("results", "compliance"):
        yield from sorted(path for path in (folder / part).glob(f"**/accuracy/{LOG}") if path.is_file())


def _one(tree: Path, log: Path, limit: int, keep: Path | None) -> Truncated:
    name = str(log.relative_to(tree))
    text = log.with_name(TEXT)
    if not text.is_file():
        raise InputError(f"{name} has no {TEXT} beside it", fix="score the accuracy run before truncating its log")
    before = text.read_bytes()
    known = recorded_hash(before)
    size = log.stat().st_size
    if known is not None and size <= limit:
        return Truncated(name, known, size, size, changed=False)
    data, sha256, size = shortened(log)
    if keep is not None and len(data) != size:
        _keep(log, keep / name, sha256)
    files.write_bytes(text, with_hash(before, sha256))
    if len(data) != size:
        files.write_bytes(log, data)
    return Truncated(name, sha256, size, len(data), changed=True)


def _keep(log: Path, target: Path, sha256: str) -> None:
    """Keep a full log as `target` before it is cut; a log that is there already must be the same.

    Raises:
        InputError: Another log is kept there.
        NotReadyError: It cannot be written.
    """
    try:
        if target.exists():
            if files.sha256(target) != sha256:
                raise InputError(f"{target} is another log than {log}", fix="name another folder with --keep")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(log)  # the cut log takes a file of its own, so this one stays whole
        except OSError:
            scratch = target.with_name(f".{target.name}.tmp")
            shutil.copyfile(log, scratch)
            scratch.replace(target)
        files.sync_folder(target.parent)
    except OSError as error:
        raise NotReadyError(f"{target} cannot be written: {error.strerror}", fix="name another folder") from error
