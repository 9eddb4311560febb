"""Environments: stamps, digests, wheels, and what failures are called."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.loadfleet.mlperf.plugins.action.venv import wheel
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _environment, _python, _source
from ansible_collections.loadfleet.mlperf.plugins.modules import venv as module_venv

PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "tiny"
version = "1"
[tool.hatch.build.targets.wheel]
packages = ["src/tiny"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src/tiny/store").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "src/tiny/__init__.py").write_text("")
    (folder / "src/tiny/store/__init__.py").write_text("A = 1\n")
    return folder


def test_stamps_decide_what_is_outdated(tmp_path: Path) -> None:
    layers = [{"name": "a", "digest": "1"}, {"name": "b", "digest": "2"}]
    assert _environment.outdated(str(tmp_path), layers) == ["a", "b"]
    stamps = tmp_path / _environment.STAMPS
    stamps.mkdir()
    (stamps / "a.json").write_text(json.dumps({"digest": "1"}))
    (stamps / "b.json").write_text('{"digest": "2')  # cut off
    assert _environment.outdated(str(tmp_path), layers) == ["b"]


def test_an_environment_without_its_interpreter_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / _environment.STAMPS).mkdir()
    (tmp_path / _environment.STAMPS / "environment.json").write_text('{"digest": "3.11.2"}')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3.99")
    assert not _environment.is_whole(str(tmp_path))
    (tmp_path / "bin/python").unlink()
    (tmp_path / "bin/python").write_text("")
    assert _environment.is_whole(str(tmp_path))


def test_the_folder_is_named_after_the_key(tmp_path: Path) -> None:
    path = str(tmp_path / "onnxruntime")
    assert _environment.target(path, "0123456789abcdef") == path + "-0123456789ab"
    (tmp_path / "onnxruntime-aa").mkdir()
    Path(path).symlink_to("onnxruntime-aa")
    assert _environment.target(path, "") == str((tmp_path / "onnxruntime-aa").resolve())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("The virtual environment was not created because ensurepip is not available", "python3-venv"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "not the one that the lock names"),
        ("WARNING: Retrying ... NewConnectionError(...)\nERROR: Could not install", "wheelhouse_path"),
        ("ERROR: Could not find a version that satisfies numpy==9", "no source offers"),
        ("first\nsecond\nthird\nfourth\n", "second / third / fourth"),
        ("", "it said nothing"),
    ],
)
def test_failures_are_named(text: str, words: str) -> None:
    assert words in _environment.explain(text, "/srv/venv", "python3-venv")


def test_another_index_is_asked_only_for_what_the_hosts_sources_lack() -> None:
    answers = [
        (1, "", "ERROR: No matching distribution found for torch==2.13.0+cpu"),
        (0, "", ""),
        (1, "", "ERROR: [Errno 28] No space left on device"),
    ]
    calls: list[list[str]] = []
    failures: list[str] = []

    def run_command(command: list[str], **_options: object) -> tuple[int, str, str]:
        calls.append(command)
        return answers[len(calls) - 1]

    module = SimpleNamespace(
        params={"path": "/srv/venv", "key": "", "layers": []},
        run_command=run_command,
        fail_json=lambda msg, **_facts: failures.append(msg),
    )
    environment = module_venv.Environment(module)
    environment._run(["pip"], "not installed", otherwise=["pip", "more"])
    assert not failures
    environment._run(["pip"], "not installed", otherwise=["pip", "more"])
    assert "disk is full" in failures[0]
    assert calls == [["pip"], ["pip", "more"], ["pip"]]


def test_the_digest_follows_the_sources_only(project: Path) -> None:
    before = _source.project_digest(str(project))
    (project / "src/tiny/__pycache__").mkdir()
    (project / "src/tiny/__pycache__/x.pyc").write_text("x")
    (project / "notes.txt").write_text("x")
    assert _source.project_digest(str(project)) == before
    (project / "src/tiny/store/__init__.py").write_text("A = 2\n")
    assert _source.project_digest(str(project)) != before


def test_a_wheel_is_built_once_and_holds_every_source(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A .gitignore above must not thin out the wheel.
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("store/\n")
    cache = str(tmp_path / "cache")
    first = wheel(str(project), "digest", cache)
    assert "tiny/store/__init__.py" in zipfile.ZipFile(first).namelist()
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_kwargs: pytest.fail("built twice"))
    assert wheel(str(project), "digest", cache) == first


def test_a_broken_project_fails_with_pips_words(project: Path, tmp_path: Path) -> None:
    (project / "pyproject.toml").write_text("nonsense =")
    with pytest.raises(AnsibleActionFail, match="could not be built"):
        wheel(str(project), "digest", str(tmp_path / "cache"))


def test_an_interpreter_that_is_too_old_or_broken_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_python.shutil, "which", lambda name: f"/usr/bin/{name}")
    answers = {"/usr/bin/python3.13": (127, ""), "/usr/bin/python3.12": (0, "3.12.1\n")}
    monkeypatch.setattr(_python.sys, "version_info", (3, 9, 1))
    assert _python.find("", (3, 11), lambda c: answers.get(c[0], (0, "3.9.1"))) == "/usr/bin/python3.12"
    assert _python.find("python3", (3, 11), lambda _c: (0, "3.9.1\n")) is None
