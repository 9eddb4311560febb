"""Which wheels a lock file means for a Python and a platform, and that pip brings exactly those."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from loadfleet.airgap import project as projects
from loadfleet.airgap import wheels
from loadfleet.errors import InputError, NotReadyError

ROOT = Path(__file__).resolve().parents[3]
HASH = f"--hash=sha256:{'0' * 64}"


def lock(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text("# comment\n" + "".join(f"{line}\n    # via something\n" for line in lines))
    return path


def test_markers_are_those_of_the_wanted_python(tmp_path: Path) -> None:
    path = lock(
        tmp_path,
        f"always==1 \\\n    {HASH} \\\n    {HASH[:-1]}1",
        f"old==1 ; python_full_version < '3.12' \\\n    {HASH}",
        f"old==2 ; python_full_version >= '3.12' \\\n    {HASH}",
        f"arm==1 ; platform_machine == 'aarch64' \\\n    {HASH}",
        f"windows==1 ; sys_platform == 'win32' \\\n    {HASH}",
    )
    assert sorted(wheels.pins(path, wheels.Target("3.11", ("manylinux_2_28_x86_64",)).environment())) == [
        ("always", "1"), ("old", "1"),
    ]  # fmt: skip
    newer = wheels.pins(path, wheels.Target("3.12", ("manylinux_2_28_aarch64",)).environment())
    assert sorted(newer) == [("always", "1"), ("arm", "1"), ("old", "2")]
    assert newer["always", "1"] == f"always==1 {HASH} {HASH[:-1]}1"
    assert wheels.Target("3.12", ("manylinux2014_x86_64",)).environment()["platform_machine"] == "x86_64"


def test_a_line_without_a_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="loose>=1"):
        wheels.pins(lock(tmp_path, f"loose>=1 {HASH}"), wheels.Target("3.11").environment())


def test_wheels_of_older_systems_will_do() -> None:
    tags = wheels.compatible("manylinux_2_28_x86_64")
    assert tags[0] == "manylinux_2_28_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64", "linux_x86_64"} <= set(tags)
    assert "manylinux_2_29_x86_64" not in tags
    assert wheels.compatible("musllinux_1_2_x86_64") == ["musllinux_1_2_x86_64"]


def test_a_python_is_named_by_its_version() -> None:
    with pytest.raises(InputError, match="give major and minor version"):
        wheels.Target("3.11.4")


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(InputError, match="use one of: auto, onnxruntime"):
        wheels.locks(ROOT, "tensorrt")


def test_the_locks_of_this_repository_are_understood() -> None:
    for path in wheels.locks(ROOT, "onnxruntime"):
        for python in ("3.11", "3.12", "3.13"):
            assert wheels.pins(path, wheels.Target(python).environment())


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip may look at; it offers `tiny` 1 for one Python and one platform."""
    folder = tmp_path / "offered"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1-cp312-cp312-manylinux2014_aarch64.whl", "w") as wheel:
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp312-cp312-manylinux2014_aarch64\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_pip_brings_the_wheel_of_another_python_and_platform(offered: Path, tmp_path: Path) -> None:
    (wheel,) = offered.iterdir()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    path = lock(tmp_path, f"tiny==1 --hash=sha256:{digest}")
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    wheels.download([path, path], wheels.Target("3.12", ("manylinux_2_28_aarch64",)), folder)
    assert [each.name for each in folder.iterdir()] == [wheel.name]
    with pytest.raises(NotReadyError, match="No matching distribution"):
        wheels.download([path], wheels.Target("3.12", ("manylinux_2_28_x86_64",)), tmp_path)


def test_a_wheel_that_the_lock_does_not_know_is_refused(offered: Path, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="pip cannot bring the wheels"):
        wheels.download(
            [lock(tmp_path, f"tiny==1 {HASH}")], wheels.Target("3.12", ("manylinux2014_aarch64",)), tmp_path
        )


def test_a_clone_is_what_is_under_version_control() -> None:
    paths = projects.paths(ROOT)
    assert {"requirements.lock", "collections/ansible_collections/loadfleet/mlperf/roles"} <= set(paths)
    assert not [path for path in paths if path.startswith((".venv/", "results/"))]


def test_an_installed_collection_is_no_clone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no clone of Loadfleet"):
        projects.require_clone(tmp_path)


def test_another_version_comes_with_what_it_needs_and_goes_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, folder = tmp_path / "source", tmp_path / "wheelhouse"
    for each in (source, folder):
        each.mkdir()
    for name, version, needs in (("runtime", "1.0", "helper"), ("helper", "2.5", ""), ("helper", "2.6", "")):
        with zipfile.ZipFile(source / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            info, requires = f"{name}-{version}.dist-info", f"Requires-Dist: {needs}\n" if needs else ""
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
            wheel.writestr(f"{info}/METADATA", text)
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(source))
    own, beside = tmp_path / "runtime.lock", tmp_path / "beside.lock"
    own.write_text(f"runtime==2.0 {HASH}\n    # via\n    #   -c ../requirements.lock\n    #   -r runtime.in\n")
    beside.write_text(f"helper==2.5 {HASH}\n")
    wheels.other(own, "<2", beside, wheels.Target("3.11"), folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "helper-2.5-py3-none-any.whl",
        "runtime-1.0-py3-none-any.whl",
    ]
    with pytest.raises(NotReadyError, match=r"pip cannot bring runtime 9 and what it needs: .*runtime==9"):
        wheels.other(own, "9", beside, wheels.Target("3.11"), folder)
    with pytest.raises(InputError, match="'nine' is no version and no constraint"):
        wheels.other(own, "nine", beside, wheels.Target("3.11"), folder)
