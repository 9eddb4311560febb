"""What publishing shares, whatever the place: its outcome, and pushing without ever forcing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadfleet.errors import NotReadyError
from loadfleet.git import git, public

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.git import Remote

DEFAULT_BRANCH = "main"
ATTEMPTS = 6
README = b"""# Benchmark results

Published by Loadfleet. `runs/<run id>/` holds a run: its table (`summary.json`), one `result.json` per measurement, the
submission tree, and in `digests.json` the SHA-256 of every file and of every raw log. Whoever has the raw logs checks a
published result with `loadfleet results trace`.
"""


@dataclass(frozen=True)
class Published:
    """What publishing did. `commit` is None when nothing was new, or where there is no repository."""

    to: str
    branch: str
    commit: str | None
    files: int
    pushed: bool
    attempts: int = 1
    note: str = ""


def push_refusal(repository: Path, remote_name: str, refspec: str, remote: Remote | None = None) -> str | None:
    """Push without force. None when it went through, else why the branch did not take it (somebody was faster).

    Raises:
        NotReadyError: The remote cannot be reached, or refuses for a reason that trying again does not mend.
    """
    said = git("push", "--porcelain", "--", remote_name, refspec, cwd=repository, remote=remote, ok=(0, 1))
    line = next((line for line in said.splitlines() if line.startswith("!")), None)
    if line is None:
        return None
    reason = line.split("\t")[-1]
    if re.search(r"\[rejected\]|cannot lock ref|failed to update ref|incorrect old value|remote ref .*changed", reason):
        return public(reason)
    raise NotReadyError(
        f"the remote refused the push: {public(reason)}",
        fix="Ask who runs it for the right to push to this branch, or publish to another --branch.",
    )


def changed(repository: Path, base: str | None, made: str) -> int:
    """Files that differ between two commits, all of the second when there is no first."""
    arguments = ("diff-tree", "-r", "--name-only", "-z", *([base] if base else ["--root", "--no-commit-id"]), made)
    return sum(1 for name in git(*arguments, cwd=repository).split("\0") if name)
