"""A repository with a work tree in a folder, perhaps below its top; made when the folder is missing or empty."""

from __future__ import annotations

import contextlib
import fcntl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet.errors import InputError, NotReadyError
from loadfleet.git import GitError, git
from loadfleet.results.publish.commits import commit, refuse_other_logs
from loadfleet.results.publish.pushes import ATTEMPTS, DEFAULT_BRANCH, README, Published, changed, push_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOCK_WAIT_S = 120.0
_INIT_WAIT_S = 5.0


def folder_of(path: Path) -> Folder | None:
    """The repository that a folder belongs to, made when the folder is missing or empty; None for a plain folder."""
    empty = not path.exists() or not any(path.iterdir())
    top = _top(path)
    if top is not None and (top == path.resolve() or not _ignored(top, path)):
        below = path.resolve().relative_to(top).as_posix()
        return Folder(top, "" if below == "." else below)
    if not empty:
        return None
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotReadyError(f"{path} cannot be made: {error.strerror}", fix="Choose another folder.") from error
    git("init", "--quiet", f"--initial-branch={DEFAULT_BRANCH}", str(path))
    return Folder(path.resolve(), "")


def _top(path: Path) -> Path | None:
    """Top folder of the work tree around a path that may not exist; waits for a repository that is being made."""
    above = next(parent for parent in (path, *path.parents) if parent.is_dir())
    deadline = time.monotonic() + _INIT_WAIT_S
    while True:
        try:
            top = Path(git("rev-parse", "--show-toplevel", cwd=above)).resolve()
        except GitError as error:
            why = error
        else:
            return top
        if not (path / ".git").exists():
            return None
        if time.monotonic() > deadline:
            raise NotReadyError(f"{path} has a .git, and {why.message}", fix=why.fix or "Mend it.")
        time.sleep(0.05)


def _ignored(top: Path, path: Path) -> bool:
    """Whether the repository around a folder ignores it: then it is none of its business."""
    try:
        git("check-ignore", "--quiet", "--no-index", "--", f"{path}/x", cwd=top)
    except GitError:
        return False
    return True


@dataclass(frozen=True)
class Folder:
    """A repository with a work tree; results go below `prefix` in it."""

    top: Path
    prefix: str

    def publish(
        self, branch: str, files: Mapping[str, bytes | Path], folders: list[str], message: str, *, push: bool
    ) -> Published:
        current = self._current()
        branch = branch or current
        below = f"{self.prefix}/" if self.prefix else ""
        content = {f"{below}{name}": data for name, data in files.items()}
        where = [f"{below}{folder}" for folder in folders]
        with self._lock():
            base = self._tip(branch)
            refuse_other_logs(self.top, base, content)
            if base is None and not self.prefix:
                content = {"README.md": README, **content}
            made = commit(self.top, base, content, where, message)
            if made:
                self._land(branch, current, base, made)
            attempts, pushed = self._push(branch, current) if push else (1, False)
            count = changed(self.top, base, made) if made else 0
            # A push that had to be put on top of others' work has another id.
            made = self._tip(branch) if made else None
        return Published(str(self.top), branch, made, count, pushed, attempts, "" if made else "nothing new")

    def _current(self) -> str:
        try:
            return git("symbolic-ref", "--quiet", "--short", "HEAD", cwd=self.top)
        except GitError:
            raise InputError(
                f"{self.top} is on no branch (a detached HEAD)", fix="Check a branch out there: git switch main."
            ) from None

    def _tip(self, branch: str) -> str | None:
        found = git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", cwd=self.top, ok=(0, 1))
        return found or None

    def _land(self, branch: str, current: str, base: str | None, made: str) -> None:
        """Move the branch forward; of the branch that is checked out the work tree follows."""
        if branch != current:
            git("update-ref", "-m", "publish results", f"refs/heads/{branch}", made, base or "0" * 40, cwd=self.top)
            return
        try:
            git("merge", "--ff-only", "--quiet", made, cwd=self.top)
        except GitError as error:
            raise NotReadyError(
                f"{self.top}: branch {branch} cannot take the results: {error.message}",
                fix="Commit or put away what was changed there below runs/, then publish again.",
            ) from error

    def _push(self, branch: str, current: str) -> tuple[int, bool]:
        """Push the branch; when the remote has more, put our commits on top of it first."""
        name = git("config", f"branch.{branch}.remote", cwd=self.top, ok=(0, 1)) or "origin"
        if name not in git("remote", cwd=self.top).splitlines():
            raise InputError(
                f"{self.top} has no remote {name}: there is nothing to push to",
                fix=f"git -C {self.top} remote add {name} URL, or leave --push out.",
            )
        for attempt in range(1, ATTEMPTS + 1):
            refusal = push_refusal(self.top, name, f"refs/heads/{branch}:refs/heads/{branch}")
            if refusal is None:
                return attempt, True
            self._rebase(name, branch, current, refusal)
        raise NotReadyError(f"{self.top}: {name} moved {ATTEMPTS} times while results were pushed", fix="Push again.")

    def _rebase(self, remote: str, branch: str, current: str, refusal: str) -> None:
        fix = f"Pull there (git -C {self.top} pull --rebase), then publish again with --push; the commit is kept."
        if branch != current or git("status", "--porcelain", "--untracked-files=no", cwd=self.top):
            raise NotReadyError(
                f"the push of {branch} was rejected ({refusal}): {remote} has commits that {self.top} lacks, and its "
                "work tree is changed or on another branch",
                fix=fix,
            )
        git("fetch", "--quiet", remote, f"refs/heads/{branch}", cwd=self.top)
        try:
            git("rebase", "--quiet", "FETCH_HEAD", cwd=self.top)
        except GitError as error:
            with contextlib.suppress(GitError):
                git("rebase", "--abort", cwd=self.top)
            raise NotReadyError(
                f"the push of {branch} was rejected ({refusal}), and our commits do not fit on top of {remote}'s: "
                f"{error.message}",
                fix=fix,
            ) from error

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One publisher at a time in this repository."""
        path = Path(git("rev-parse", "--absolute-git-dir", cwd=self.top)) / "loadfleet-publish.lock"
        deadline = time.monotonic() + _LOCK_WAIT_S
        with path.open("a") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise NotReadyError(
                            f"another process publishes to {self.top}", fix="Wait until it has ended."
                        ) from None
                time.sleep(0.1)
            yield
