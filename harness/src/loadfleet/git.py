"""The git program: it never asks, never shows a secret, and what fails is said in words.

Credentials of a URL go to git through its credential protocol and the environment of that one process: they are in no
argument list, no configuration file and no message.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from loadfleet.errors import InputError, NotReadyError
from loadfleet.hidden import blot, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# With a scheme; or as ssh takes it, host:path, which git knows by having no slash before the colon.
_URL = re.compile(r"(?:https?|ssh|git|file)://\S+|(?:[\w.-]+@)?(?!-)[\w.-]{2,}:(?!//|:)\S+", re.IGNORECASE)
_TIMEOUT_S = 3600
_TOKEN = 20  # characters; the shortest tokens of the common servers have as many, names of people have not
_HELPER = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$LF_GIT_USER" "$LF_GIT_PASSWORD"; }; f'


class GitError(NotReadyError):
    """A git command failed; `output` is what it said, without secrets."""

    def __init__(self, message: str, *, output: str = "", fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.output = output


@dataclass(frozen=True)
class Remote:
    """A repository's URL without credentials, and those apart from it."""

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def hidden(self) -> list[str]:
        """Texts that must not be shown."""
        return texts([self.user, self.password]) if self.password else []

    @classmethod
    def of(cls, text: str) -> Remote:
        """Take a URL apart. What stands alone before the @ of an http URL is a token when it is as long as one.

        Raises:
            InputError: It is no URL, or its port is none.
        """
        text = text.strip()
        if not _URL.fullmatch(text):
            raise InputError(f"{public(text)!r} is no URL of a git repository")
        if "://" not in text:
            return cls(text)
        try:
            parts = urlsplit(text)
            host = parts.hostname or ""
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:
            raise InputError(f"{public(text)!r} is no URL of a git repository: {error}") from error
        host = f"[{host}]" if ":" in host else host
        name, secret = unquote(parts.username or ""), unquote(parts.password or "")
        if parts.scheme.lower() in {"http", "https"}:
            if not secret and len(name) >= _TOKEN:
                # What name stands beside a token does not matter to any server that takes one.
                name, secret = "git", name
            return cls(urlunsplit((parts.scheme, host + port, parts.path, "", "")), name, secret)
        at = f"{parts.username}@" if parts.username and parts.scheme.lower() == "ssh" else ""
        return cls(urlunsplit((parts.scheme, at + host + port, parts.path, "", "")))


def is_url(text: str) -> bool:
    """Whether a text is a repository's URL: scheme://..., host:path or user@host:path."""
    return bool(_URL.fullmatch(text.strip()))


def public(text: str) -> str:
    """A text with the credentials and the query of URLs in it taken out."""
    text = re.sub(r"(?i)\b((?:https?|git|file)://)[^\s/@]*@", r"\1", text)
    text = re.sub(r"(?i)\b(ssh://[^\s/@:]*):[^\s/@]*@", r"\1@", text)
    return re.sub(r"(?i)\b((?:https?|ssh|git)://[^\s?#]*)[?#]\S*", r"\1", text)


def git(
    *arguments: str,
    cwd: Path | None = None,
    remote: Remote | None = None,
    env: Mapping[str, str] | None = None,
    data: bytes | None = None,
    ok: Sequence[int] = (0,),
) -> str:
    """Run git and return what it printed, without the last line break.

    Args:
        *arguments: Command and arguments.
        cwd: Folder of the repository.
        remote: The remote that may be asked for credentials.
        env: Additions to the environment.
        data: Standard input.
        ok: Exit statuses that are no failure.

    Raises:
        GitError: There is no git, it failed, or it took longer than an hour.
    """
    program = shutil.which("git")
    if program is None:
        raise GitError("there is no program git", fix="Install the package git.")
    options, surroundings = ["-c", "core.quotePath=false", "-c", "gc.auto=0"], _environment(env)
    if remote and remote.password:
        options += ["-c", "credential.helper=", "-c", f"credential.helper={_HELPER}"]
        surroundings |= {"LF_GIT_USER": remote.user, "LF_GIT_PASSWORD": remote.password}
    elif remote and remote.user:
        options += ["-c", f"credential.username={remote.user}"]
    hidden = remote.hidden if remote else []
    try:
        ended = subprocess.run(
            [program, *options, *arguments],
            cwd=cwd,
            env=surroundings,
            input=data if data is not None else b"",
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            # Without a terminal ssh cannot ask for passwords or host keys: it says what is missing and ends.
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {arguments[0]} took longer than an hour") from error
    if ended.returncode not in ok:
        said = public(blot(ended.stderr.decode("utf-8", "replace").strip(), hidden))
        why = _telling(said) or f"exit status {ended.returncode}"
        raise GitError(f"git {arguments[0]} failed: {why}", output=said, fix=_advice(said))
    return blot(ended.stdout.decode("utf-8", "surrogateescape").rstrip("\n"), hidden)


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's environment, but nothing asks, nothing is translated, and no outer repository shows through."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}
        and not name.startswith("GIT_TRACE")
    }
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C", **(env or {})}


def _telling(said: str) -> str:
    """The lines of an error that say what is wrong, on one line; the last one when none is marked."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))]
    return "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in (marked or lines[-1:])[:4])


def _advice(said: str) -> str:
    low = said.lower()
    for sign, advice in (
        (
            "dubious ownership",
            "The folder belongs to somebody else: git config --global --add safe.directory names it.",
        ),
        ("could not read username", "Give credentials: a credential helper of git, or an ssh URL with a key."),
        ("authentication failed", "The credentials were refused: renew them."),
        ("permission denied (publickey", "No ssh key of yours is accepted: add one to the agent."),
        ("host key verification failed", "Connect once with ssh to accept the host's key."),
        ("could not resolve host", "The host's name is unknown here: look at the URL and the network."),
        ("repository not found", "Look at the URL; a private repository needs credentials."),
        ("does not appear to be a git repository", "Look at the URL: there is no repository."),
        ("does not exist", "Look at the URL: there is no repository."),
        ("remote branch", "Look at --branch: the repository has no such branch."),
    ):
        if sign in low:
            return advice
    return ""
