"""Where results are published to: a git repository behind a URL, one in a folder, or a plain folder.

A branch only ever moves forward: nothing is force-pushed, and what others published meanwhile stays.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet import files as whole_files
from loadfleet.errors import InputError
from loadfleet.git import Remote, is_url
from loadfleet.results.publish import folders as work_trees
from loadfleet.results.publish import remotes
from loadfleet.results.publish.pushes import Published

if TYPE_CHECKING:
    from collections.abc import Mapping


def publish(
    to: str, branch: str, files: Mapping[str, bytes | Path], folders: list[str], message: str, *, push: bool
) -> Published:
    """Put `files` into what `to` names: a URL, a repository, a folder, or a folder that is made a repository.

    Args:
        to: URL or path.
        branch: Branch; empty for the repository's own.
        files: Content by name in the repository.
        folders: Folders that shall hold these files and no others.
        message: Commit message.
        push: Push a folder's commit to its remote; a URL is always pushed to.

    Raises:
        InputError: `to` or `branch` makes no sense.
        NotReadyError: git failed, or the remote refuses.
    """
    if branch and not re.fullmatch(r"(?![-/.])(?!.*(\.\.|//|@\{|\.lock$))[\w./+-]+(?<![/.])", branch):
        raise InputError(f"{branch!r} is no name of a branch")
    if is_url(to) and not Path(to).exists():
        return remotes.publish(Remote.of(to), branch, files, folders, message)
    path = Path(to).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: results are published to a folder or a git URL")
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return remotes.publish(Remote(path.as_uri()), branch, files, folders, message)
    folder = work_trees.folder_of(path)
    if folder is None:
        if branch or push:
            raise InputError(
                f"{path} is no git repository: it has no branch and nothing to push to",
                fix=f"Make it one with `git init {path}`, or leave --branch and --push out.",
            )
        return _to_plain(path, files)
    return folder.publish(branch, files, folders, message, push=push)


def _to_plain(path: Path, files: Mapping[str, bytes | Path]) -> Published:
    written = 0
    for name, content in files.items():
        target = path / name
        data = content if isinstance(content, bytes) else content.read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            whole_files.write_bytes(target, data)
            written += 1
    note = "a folder without git: nothing was committed" if written else "nothing new"
    return Published(str(path), "", None, written, pushed=False, note=note)
