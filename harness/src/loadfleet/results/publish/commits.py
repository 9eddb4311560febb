"""Commits made of objects: no work tree is needed, nothing is half written, and nobody's index is touched."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet.errors import BadResultError
from loadfleet.git import GitError, git
from loadfleet.results.publish.content import DIGESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.git import Remote


def commit(
    repository: Path,
    base: str | None,
    files: Mapping[str, bytes | Path],
    folders: list[str],
    message: str,
    remote: Remote | None = None,
) -> str | None:
    """A commit on top of `base` in which `folders` hold exactly `files`; everything else stays.

    Returns:
        Its id, or None when `base` holds the same already.

    Raises:
        GitError: git failed, for want of room say.
    """
    with tempfile.TemporaryDirectory(prefix="loadfleet-publish-") as temporary:
        env = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        blobs = _blobs(repository, files)
        lines = [f"100644 {blobs[name]}\t{name}" for name in sorted(files)]
        if base:
            git("read-tree", base, cwd=repository, env=env, remote=remote)
            listed = git("ls-files", "-z", "--", *folders, cwd=repository, env={**env, **_bare(repository)})
            old = [name for name in listed.split("\0") if name and name not in files]
            lines = [f"0 {'0' * 40}\t{name}" for name in old] + lines
        git("update-index", "-z", "--index-info", cwd=repository, env=env, data=_joined(lines))
        # Of a clone without contents, unchanged files are missing: they are on the other side.
        tree = git("write-tree", "--missing-ok", cwd=repository, env=env)
    if base and tree == git("rev-parse", f"{base}^{{tree}}", cwd=repository):
        return None
    parents = ["-p", base] if base else []
    return git(
        "commit-tree", tree, *parents, "-F", "-", cwd=repository, env=_identity(repository), data=message.encode()
    )


def _blobs(repository: Path, files: Mapping[str, bytes | Path]) -> dict[str, str]:
    """Ids of contents, written as they are: without filters line ends stay what the digests are of."""
    made, paths = {}, {}
    for name, content in files.items():
        if isinstance(content, bytes):
            made[name] = git("hash-object", "-w", "--stdin", cwd=repository, data=content)
        else:
            paths[name] = str(content.resolve())
    for name, path in paths.items():
        if "\n" in path or "\0" in name:
            raise BadResultError(f"{path!r}: a name with a line break cannot be published")
    if paths:
        data = "".join(f"{path}\n" for path in paths.values()).encode("utf-8", "surrogateescape")
        ids = git("hash-object", "-w", "--no-filters", "--stdin-paths", cwd=repository, data=data).splitlines()
        made |= dict(zip(paths, ids, strict=True))
    return made


def refuse_other_logs(
    repository: Path, base: str | None, files: Mapping[str, bytes | Path], remote: Remote | None = None
) -> None:
    """A run that is there already may get more results, but not other raw logs for the same ones.

    Raises:
        BadResultError: The same cell of the same run was published from another log.
    """
    for name, content in files.items():
        if base is None or not name.endswith(f"/{DIGESTS}") or not isinstance(content, bytes):
            continue
        if not git("ls-tree", base, "--", name, cwd=repository):
            continue
        there = _raw(git("cat-file", "blob", f"{base}:{name}", cwd=repository, remote=remote).encode())
        for cell, logs in _raw(content).items():
            for log, digest in logs.items():
                before = there.get(cell, {}).get(log, digest)
                if before != digest:
                    raise BadResultError(
                        f"{name.removesuffix(DIGESTS)} is published already, and there {log} of {cell} has the SHA-256 "
                        f"{before}, here {digest}",
                        fix="Measure under a new run id, or take the published run out of the repository yourself.",
                    )


def _raw(content: bytes) -> dict[str, dict[str, str]]:
    """Cell -> log -> SHA-256 of a digests.json; empty when it is none."""
    try:
        raw = json.loads(content)["raw"]
        return {cell: {log: str(entry["sha256"]) for log, entry in logs.items()} for cell, logs in raw.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\0" for line in lines).encode("utf-8", "surrogateescape")


def _bare(repository: Path) -> dict[str, str]:
    """ls-files wants a work tree, and the temporary index is all it looks at."""
    return {"GIT_WORK_TREE": str(repository), "GIT_DIR": git("rev-parse", "--absolute-git-dir", cwd=repository)}


def _identity(repository: Path) -> dict[str, str]:
    """The user's name as git knows it, else ours: a fresh machine has none."""
    try:
        git("var", "GIT_COMMITTER_IDENT", cwd=repository)
    except GitError:
        name, mail = "Loadfleet", "loadfleet@localhost"
        return {
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": mail,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": mail,
        }
    return {}
