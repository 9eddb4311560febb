"""Wheels for hosts without a network: which of a lock file, for which platforms, and their archive."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.loadfleet.mlperf.plugins.action import venv
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _wheels

LOCK = """\
# Made by a tool.
alpha==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via beta
beta==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:ba
beta==2.1 ; python_full_version >= '3.12' \\
    --hash=sha256:bb
gamma[fast]==3 ; sys_platform == 'win32' or platform_machine == 'aarch64' \\
    --hash=sha256:ca
"""


@pytest.fixture
def facts() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", _wheels.FACTS], capture_output=True, text=True, check=True)
    value: dict[str, Any] = json.loads(done.stdout)
    return value | {
        "python_version": "3.12", "python_full_version": "3.12.3", "platform_machine": "aarch64",
        "sys_platform": "linux", "libc": ["glibc", "2.18"],
    }  # fmt: skip


def test_markers_are_those_of_the_host(facts: dict[str, Any]) -> None:
    assert _wheels.applicable(LOCK, facts).splitlines() == [
        "alpha==1.0 --hash=sha256:aa --hash=sha256:ab",
        "beta==2.1 --hash=sha256:bb",
        "gamma[fast]==3 --hash=sha256:ca",
    ]
    older = facts | {"python_version": "3.11", "python_full_version": "3.11.9", "platform_machine": "x86_64"}
    assert [line.split()[0] for line in _wheels.applicable(LOCK, older).splitlines()] == ["alpha==1.0", "beta==2.0"]


@pytest.mark.parametrize("line", ["alpha==1.0", "--index-url https://packages.example.org"])
def test_a_lock_file_holds_packages_with_hashes_only(facts: dict[str, Any], line: str) -> None:
    with pytest.raises(_wheels.WheelsError, match="is not a package with hashes"):
        _wheels.applicable(line, facts)


def test_platforms_go_down_from_the_hosts_glibc(facts: dict[str, Any]) -> None:
    tags = _wheels.platforms(facts)
    assert tags[:3] == ["manylinux_2_18_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"]
    assert tags[-3:] == ["manylinux_2_5_aarch64", "manylinux1_aarch64", "linux_aarch64"]
    assert _wheels.platforms(facts | {"libc": ["", ""]})[0] == "musllinux_1_2_aarch64"
    with pytest.raises(_wheels.WheelsError, match="not darwin"):
        _wheels.platforms(facts | {"sys_platform": "darwin"})


def test_wheels_are_resolved_once_per_lock_file_and_platform(
    tmp_path: Path, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def pip(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        dest = Path(command[command.index("--dest") + 1])
        dest.mkdir()
        (dest / "alpha-1.0-py3-none-any.whl").write_text("wheel")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(venv.subprocess, "run", pip)
    lock, cache = tmp_path / "lock", str(tmp_path / "cache")
    lock.write_text(LOCK)
    first = venv.wheels(str(lock), facts, cache)
    assert venv.wheels(str(lock), facts | {"platform_release": "other kernel"}, cache) == first
    assert len(calls) == 1
    assert "--require-hashes" in calls[0]
    assert calls[0][calls[0].index("--python-version") + 1] == "3.12"
    assert venv.wheels(str(lock), facts | {"libc": ["glibc", "2.31"]}, cache) != first
    (tmp_path / "out").mkdir()
    _wheels.unpack(first, str(tmp_path / "out"))
    assert (tmp_path / "out/alpha-1.0-py3-none-any.whl").read_text() == "wheel"


def test_a_package_without_a_wheel_fails_with_pips_words_and_leaves_nothing(
    tmp_path: Path, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, cache = tmp_path / "lock", tmp_path / "cache"
    lock.write_text(LOCK)
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found for alpha==1.0")
    monkeypatch.setattr(venv.subprocess, "run", lambda *_args, **_options: failed)
    with pytest.raises(AnsibleActionFail, match="No matching distribution found for alpha"):
        venv.wheels(str(lock), facts, str(cache))
    assert [path.name for path in cache.rglob("*") if path.is_file()] == [".lock"]


def test_an_index_is_asked_only_for_what_other_sources_lack(
    tmp_path: Path, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def pip(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        calls.append([*command])
        if "--extra-index-url" in command:
            dest = Path(command[command.index("--dest") + 1])
            dest.mkdir()
            (dest / "alpha-1.0-py3-none-any.whl").write_text("wheel")
            return subprocess.CompletedProcess(command, 0, "", "")
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(venv.subprocess, "run", pip)
    lock, cache = tmp_path / "lock", str(tmp_path / "cache")
    lock.write_text(LOCK)
    said = "ERROR: Could not install: No space left on device"
    with pytest.raises(AnsibleActionFail, match="No space left"):
        venv.wheels(str(lock), facts, cache, "https://index.example/cpu")
    said = "ERROR: No matching distribution found for alpha==1.0"
    assert venv.wheels(str(lock), facts, cache, "https://index.example/cpu").endswith("wheels.tar")
    assert [call[-1] for call in calls].count("https://index.example/cpu") == 1
    assert len(calls) == 3


@pytest.mark.parametrize("name", ["../alpha.whl", "alpha.tar.gz", "/etc/alpha.whl"])
def test_an_archive_of_anything_but_wheels_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "wheels.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    (tmp_path / "out").mkdir()
    with pytest.raises(_wheels.WheelsError, match="holds"):
        _wheels.unpack(str(tmp_path / "wheels.tar"), str(tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []
