from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadfleet.errors import InputError
from loadfleet.git import GitError, Remote, git, is_url, public

TOKEN = "t0ken" * 6


@pytest.mark.parametrize(
    ("text", "url", "user", "password"),
    [
        ("https://example.org/a.git", "https://example.org/a.git", "", ""),
        ("https://me:s%40fe@example.org:8443/a.git", "https://example.org:8443/a.git", "me", "s@fe"),
        (f"https://{TOKEN}@example.org/a.git", "https://example.org/a.git", "git", TOKEN),
        ("https://alice@example.org/a.git", "https://example.org/a.git", "alice", ""),
        ("https://[::1]:8443/a.git?token=x#y", "https://[::1]:8443/a.git", "", ""),
        ("ssh://git@example.org:22/a.git", "ssh://git@example.org:22/a.git", "", ""),
        ("ssh://git:secret@example.org/a.git", "ssh://git@example.org/a.git", "", ""),
        ("git@example.org:lab/a.git", "git@example.org:lab/a.git", "", ""),
        ("git@example.org:/srv/a.git", "git@example.org:/srv/a.git", "", ""),
        ("lab:results.git", "lab:results.git", "", ""),
        ("file:///srv/a.git", "file:///srv/a.git", "", ""),
    ],
)
def test_urls_without_their_credentials(text: str, url: str, user: str, password: str) -> None:
    remote = Remote.of(text)

    assert (remote.url, remote.user, remote.password) == (url, user, password)
    assert not password or password not in repr(remote)
    assert is_url(text)


@pytest.mark.parametrize("text", ["results", "/srv/a.git", "../x:y", "ext::sh", "a:b", "C:/x", "https://", "-o:x"])
def test_what_is_no_url(text: str) -> None:
    assert not is_url(text)
    with pytest.raises(InputError, match="no URL"):
        Remote.of(text)


def test_a_port_that_is_none() -> None:
    with pytest.raises(InputError) as caught:
        Remote.of("https://me:secret@example.org:port/a.git")
    assert "secret" not in str(caught.value)


def test_texts_with_urls() -> None:
    text = "fatal: unable to access 'https://me:secret@example.org/a.git?key=secret': ssh://git:secret@h/x failed"

    assert public(text) == "fatal: unable to access 'https://example.org/a.git ssh://git@h/x failed"


def test_git_asks_nobody_and_sees_no_outer_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_TRACE", "1")
    git("init", "-q", str(tmp_path / "r"))

    assert git("rev-parse", "--show-toplevel", cwd=tmp_path / "r") == os.path.realpath(tmp_path / "r")
    with pytest.raises(GitError, match=r"^git rev-parse failed: bad revision") as caught:
        git("rev-parse", "no-such-name", "--", cwd=tmp_path / "r")
    assert caught.value.exit_code == 3


def test_a_machine_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(GitError, match="no program git"):
        git("version")


def test_who_only_names_a_user_is_asked_for_by_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "git"
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/log\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    git("ls-remote", remote=Remote.of("https://alice@example.org/a.git"))

    assert "credential.username=alice" in Path(tmp_path / "log").read_text()
