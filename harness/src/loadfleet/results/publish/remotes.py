"""A repository behind a URL: commit on top of what is there and push; when somebody was faster, do it again."""

from __future__ import annotations

import random
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet.errors import NotReadyError
from loadfleet.git import GitError, git
from loadfleet.results.publish.commits import commit, refuse_other_logs
from loadfleet.results.publish.pushes import ATTEMPTS, DEFAULT_BRANCH, README, Published, changed, push_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.git import Remote


def publish(
    remote: Remote, branch: str, files: Mapping[str, bytes | Path], folders: list[str], message: str
) -> Published:
    """Commit on top of what is there and push; when somebody was faster, do it again on top of theirs."""
    with tempfile.TemporaryDirectory(prefix="loadfleet-publish-") as temporary:
        clone = Path(temporary) / "clone.git"
        branch, known = _branch_of(remote, branch)
        git("init", "--quiet", "--bare", str(clone))
        git("remote", "add", "origin", remote.url, cwd=clone)
        for attempt in range(1, ATTEMPTS + 1):
            base = _fetch(clone, remote, branch) if known else None
            refuse_other_logs(clone, base, files, remote)
            content = dict(files) if base else {"README.md": README, **files}
            made = commit(clone, base, content, folders, message, remote)
            if made is None:
                return Published(remote.url, branch, None, 0, pushed=False, attempts=attempt, note="nothing new")
            count = changed(clone, base, made)
            refusal = push_refusal(clone, "origin", f"{made}:refs/heads/{branch}", remote)
            if refusal is None:
                return Published(remote.url, branch, made, count, pushed=True, attempts=attempt)
            known = True
            time.sleep(random.uniform(0.05, 0.4) * attempt)  # noqa: S311 - only so that two do not keep step
    raise NotReadyError(
        f"{remote.url}: branch {branch} moved {ATTEMPTS} times while results were published ({refusal})",
        fix="Publish again; nothing was lost.",
    )


def _branch_of(remote: Remote, wanted: str) -> tuple[str, bool]:
    """The branch to publish to, and whether the remote has it."""
    try:
        listed = git("ls-remote", "--symref", "--", remote.url, "HEAD", "refs/heads/*", remote=remote)
    except GitError as error:
        raise NotReadyError(f"{remote.url} cannot be reached: {error.message}", fix=error.fix) from error
    own = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", listed, re.MULTILINE)
    heads = set(re.findall(r"\trefs/heads/(\S+)$", listed, re.MULTILINE))
    branch = wanted or (own.group(1) if own else "") or _unborn(remote)
    return branch, branch in heads


def _unborn(remote: Remote) -> str:
    """The branch that an empty repository begins with: only a clone is told."""
    with tempfile.TemporaryDirectory(prefix="loadfleet-publish-") as temporary:
        clone = Path(temporary) / "clone.git"
        try:
            git("clone", "--quiet", "--bare", "--depth=1", "--", remote.url, str(clone), remote=remote)
            return git("symbolic-ref", "--short", "HEAD", cwd=clone)
        except GitError:
            return DEFAULT_BRANCH


def _fetch(clone: Path, remote: Remote, branch: str) -> str | None:
    """The remote's newest commit without the contents of files; None when the branch is not there yet."""
    arguments = ("fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "origin")
    try:
        git(*arguments, f"+refs/heads/{branch}:refs/remotes/origin/{branch}", cwd=clone, remote=remote)
    except GitError as error:
        if "couldn't find remote ref" in error.output:
            return None
        raise NotReadyError(f"{remote.url}: {error.message}", fix=error.fix) from error
    return git("rev-parse", f"refs/remotes/origin/{branch}", cwd=clone)
