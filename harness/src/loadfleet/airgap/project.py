"""The files of a clone that belong into a bundle."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from loadfleet.errors import InputError

# What tools and runs leave in a clone; counts only where git cannot be asked.
_LEFT_BEHIND = frozenset(
    {
        *(".git", ".venv", ".ansible", ".cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"),
        *("results", "store", "dist", "build"),
    }
)


def require_clone(project: Path) -> None:
    """Refuse what `make setup` could not be run in.

    Raises:
        InputError: It is an installed collection or something else.
    """
    for name in ("galaxy.yml", "Makefile", "requirements.lock", "harness/pyproject.toml"):
        if not (project / name).is_file():
            raise InputError(
                f"{project} is no clone of Loadfleet: it has no {name}",
                fix="run the command in a clone, or name one with --project",
            )


def paths(project: Path) -> list[str]:
    """Relative paths of a clone's files and links, sorted: those under version control, as they are on disk."""
    listed = _git(project, "ls-files", "-z", "--cached")
    if listed is None:
        return sorted(_walk(project))
    return sorted({name for name in listed.split("\0") if name and os.path.lexists(project / name)})


def strays(project: Path) -> list[str]:
    """Files of a clone that are neither under version control nor ignored; none where git cannot be asked."""
    listed = _git(project, "ls-files", "-z", "--others", "--exclude-standard") or ""
    return [name for name in listed.split("\0") if name]


def commit(project: Path) -> str:
    """The clone's commit, with a word when files differ from it; empty when it is not known."""
    head = _git(project, "rev-parse", "HEAD")
    if head is None:
        return ""
    changed = _git(project, "status", "--porcelain", "--untracked-files=no")
    return head.strip() + (" with changes" if changed else "")


def _git(project: Path, *words: str) -> str | None:
    """What git says of a folder that is the top of a work tree; None where it is not or git is missing."""
    if not (project / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(project), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def _walk(project: Path) -> list[str]:
    found = []
    for base, folders, names in os.walk(project):
        linked = [name for name in folders if (Path(base) / name).is_symlink()]
        folders[:] = [
            name
            for name in folders
            if name not in linked and name not in _LEFT_BEHIND and not name.endswith(".egg-info")
        ]
        found += [(Path(base) / name).relative_to(project).as_posix() for name in (*names, *linked)]
    return found
