"""Other versions than the locked ones: what a user may write, what is resolved, and what is said when it cannot be."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.loadfleet.mlperf.plugins.action.preflight import impossible
from ansible_collections.loadfleet.mlperf.plugins.filter.environment import environment
from ansible_collections.loadfleet.mlperf.plugins.filter.locked import locked
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils import _versions

ROOT = Path(__file__).resolve().parents[3]


def wheel(folder: Path, name: str, version: str, *requires: str) -> str:
    """A wheel without code; its digest."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package source with a runtime in three versions, and lock files: that of the runtime and one beside it."""
    source = tmp_path / "source"
    for version, needs in (("1.0", "helper<2"), ("1.2", "helper"), ("2.0", "helper")):
        wheel(source, "runtime", version, needs)
    wheel(source, "helper", "1.5")
    wheel(source, "helper", "2.5")
    wheel(source, "helper", "2.6")
    lines = f"""\
helper==2.5 \\
    --hash=sha256:{"0" * 64}
    # via runtime
runtime==2.0 \\
    --hash=sha256:{"1" * 64}
    # via
    #   -c ../requirements.lock
    #   -r runtime.in
"""
    (tmp_path / "runtime.lock").write_text(lines)
    (tmp_path / "beside.lock").write_text(lines.partition("runtime==")[0])
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(source))
    return tmp_path


def resolve(place: Path, version: Any, *constraints: str) -> Path:
    paths = [str(place / name) for name in constraints]
    return Path(_versions.resolved(str(place / "runtime.lock"), version, paths, cache=str(place / "cache")))


@pytest.mark.parametrize("version", ["", None, "2.0", ">=1.2", " 2.* "])
def test_the_shipped_lock_serves_whatever_it_fits(place: Path, version: Any) -> None:
    assert resolve(place, version) == place / "runtime.lock"
    assert not (place / "cache").exists()


def test_another_version_is_resolved_once_with_hashes(place: Path) -> None:
    path = resolve(place, "1.2")
    text = path.read_text()
    digest = hashlib.sha256((place / "source/runtime-1.2-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"runtime==1.2 \\\n    --hash=sha256:{digest}" in text
    assert "helper==2.5" in text, "what the lock had stays where it can, though there is a newer one"
    assert str(place) not in text, "the digest of a lock decides which environment is used: no paths in it"
    (place / "source/runtime-1.2-py3-none-any.whl").unlink()
    assert resolve(place, "1.2") == path
    assert [each.name for each in (place / "cache").rglob("*") if each.is_file() and each != path] == [".lock"]


def test_constraints_take_the_newest_that_fits(place: Path) -> None:
    assert "runtime==1.2 " in resolve(place, ">=1,<2").read_text()
    assert "runtime==1.0 " in resolve(place, "<1.2").read_text()


def test_what_lies_beside_it_holds(place: Path) -> None:
    assert "helper==1.5" in resolve(place, "1.0").read_text()
    with pytest.raises(_versions.VersionError, match=r"runtime==1.0 does not go with the harness's packages .*helper"):
        resolve(place, "1.0", "beside.lock")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("9.9", r"no version of runtime fits ==9\.9 .*; fix: choose one of `pip index versions runtime`"),
        ("newest", "is no version and no constraint; fix: write a version as"),
        ("~> 1", "is no version and no constraint"),
        (">=1 <2", "is no version and no constraint"),
        (1.2, "is a number, which cannot tell 1.2 from 1.20"),
    ],
)
def test_what_cannot_be_had_is_told_before_a_host_is_touched(place: Path, version: Any, words: str) -> None:
    with pytest.raises(_versions.VersionError, match=words):
        resolve(place, version)
    assert not list((place / "cache").rglob("*.lock/*"))


def test_preflight_names_the_variable(place: Path) -> None:
    wanted = {"variable": "backend_version", "version": "one", "lock": str(place / "runtime.lock")}
    (problem,) = impossible(wanted)
    assert problem.startswith("backend_version one is no version and no constraint; fix: ")
    assert impossible({**wanted, "version": ">=2"}) == []
    assert impossible({**wanted, "lock": str(place / "none.lock")}) == [], "an unknown backend is named elsewhere"
    with pytest.raises(AnsibleFilterError, match="version one is no version"):
        locked(str(place / "runtime.lock"), "one")


@pytest.mark.parametrize(
    "lock", [*sorted(ROOT.glob("roles/backend/files/[!a]*.lock")), ROOT / "roles/loadgen/files/requirements.lock"]
)
def test_every_lock_that_takes_a_version_has_one_package_of_its_own(lock: Path) -> None:
    package, versions = _versions.main_package(str(lock))
    assert len(versions) >= 1
    assert package in lock.read_text()


def test_a_version_of_several_backends_at_once_means_nothing() -> None:
    with pytest.raises(_versions.VersionError, match=r"could be of \w+ or \w+, which .*auto.lock names; fix: name the"):
        _versions.resolved(str(ROOT / "roles/backend/files/auto.lock"), "1.2")


def test_other_versions_have_an_environment_of_their_own() -> None:
    assert environment("onnxruntime") == environment("onnxruntime", "", "") == "onnxruntime"
    assert environment("onnxruntime", "1.20.1", "5.1.2") == "onnxruntime-1.20.1-loadgen5.1.2"
    names = {environment("onnxruntime", asked) for asked in ("1.22", "<1.22", ">=1.22", ">=1.20,<1.22")}
    assert len(names) == 4
    assert all(name.replace("-", "").replace("_", "").replace(".", "").isalnum() for name in names)
