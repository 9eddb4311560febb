"""Stores that many hosts share, and what other tools have downloaded: used or taken instead of fetched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from store_helpers import CONTENT, sha256, visible

from loadfleet.errors import NotReadyError
from loadfleet.store import Store
from loadfleet.store.elsewhere import caches

if TYPE_CHECKING:
    from collections.abc import Callable

FAR = {"type": "url", "url": "http://127.0.0.1:9/data.bin"}


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below a folder, with what a write would change."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (s.st_mtime_ns, s.st_mode, s.st_ino) for path in paths for s in [path.lstat()]}


@pytest.fixture
def owner(tmp_path: Path, one_file: Callable[..., None]) -> Store:
    """A shared store that has the data set."""
    one_file(FAR)
    (tmp_path / "given").write_bytes(CONTENT)
    owner = Store(tmp_path / "nfs")
    Store(owner.path, supplied={"one": str(tmp_path / "given")}).ensure("dataset", "one")
    return owner


@pytest.fixture
def store(tmp_path: Path, owner: Store) -> Store:
    return Store(tmp_path / "store", shared=[tmp_path / "not mounted", owner.path], offline=True)


def test_a_shared_entry_is_used_in_place_and_nothing_is_written_there(store: Store, owner: Store) -> None:
    before = snapshot(owner.path)
    assert store.lacking("dataset", "one") == []
    said: list[str] = []
    planned = store.ensure("dataset", "one", dry_run=True, report=said.append)
    assert (planned.changed, planned.source) == (True, f"shared store {owner.path}")
    assert not store.path.exists()
    entry = store.ensure("dataset", "one", report=said.append)
    assert any("not mounted is not used: it is no folder" in line for line in said)
    assert entry.changed
    assert entry.file().resolve().is_relative_to(owner.path)
    assert (entry.size, entry.takes, entry.shared) == (len(CONTENT), 0, str(owner.path))
    assert entry.source == f"shared store {owner.path}"
    # whoever opens the store afterwards needs to know nothing of the shared one
    plain = Store(store.path, offline=True)
    assert not plain.ensure("dataset", "one").changed
    found = plain.find("dataset", "one")
    assert found is not None
    assert plain.verify(found) == []
    os.utime(plain.path / "artifacts" / "dataset" / entry.path.name / "entry.json")
    store.pin(found)
    store.remove(found)
    assert visible(store) == []
    assert snapshot(owner.path) == before


def test_a_shared_entry_with_other_times_is_hashed_once(
    store: Store, owner: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = owner.find("dataset", "one")
    assert found is not None
    os.utime(found.file(), ns=(1, 1))
    assert store.ensure("dataset", "one").changed
    monkeypatch.setattr("loadfleet.files.sha256", lambda _: pytest.fail("hashed"))
    assert not store.ensure("dataset", "one").changed


def test_a_damaged_shared_entry_is_not_used(store: Store, owner: Store) -> None:
    found = owner.find("dataset", "one")
    assert found is not None
    found.file().chmod(0o644)
    found.file().write_bytes(b"z" * len(CONTENT))
    said: list[str] = []
    with pytest.raises(NotReadyError, match=r"no source has data\.bin"):
        store.ensure("dataset", "one", report=said.append)
    assert any("data.bin has sha256" in line and "not used" in line for line in said)
    assert visible(store) == []


def test_damage_in_a_shared_store_that_no_stat_shows_is_not_used_again(store: Store, owner: Store) -> None:
    entry = store.ensure("dataset", "one")
    place = entry.file().resolve()
    before = place.stat()
    place.chmod(0o644)
    place.write_bytes(b"z" * len(CONTENT))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.verify(entry) != []
    with pytest.raises(NotReadyError, match=r"no source has data\.bin"):
        store.ensure("dataset", "one")


def test_a_shared_store_that_went_away_is_noticed(store: Store, owner: Store, tmp_path: Path) -> None:
    store.ensure("dataset", "one")
    owner.path.rename(tmp_path / "away")
    assert store.find("dataset", "one") is None
    fetching = Store(store.path, [str(tmp_path)], supplied={"one": str(tmp_path / "given")}, offline=True)
    assert fetching.ensure("dataset", "one").shared is None
    assert fetching.find("dataset", "one") is not None


def test_a_prepared_shared_entry_needs_none_of_its_inputs(
    store: Store, owner: Store, add: Callable[..., None], tmp_path: Path
) -> None:
    build = {"entry_point": "store_helpers:copy_inputs", "version": 1, "requires": [{"kind": "dataset", "name": "one"}]}
    add("made", build=build, files=[{"name": "data.bin", "size": len(CONTENT)}])
    owner.ensure("dataset", "made")
    entry = store.ensure("dataset", "made")
    assert entry.recipe == {"entry_point": "store_helpers:copy_inputs", "version": 1, "parameters": {}}
    assert [each["name"] for each in entry.requires] == ["one"]
    assert visible(store) == [f"artifacts/dataset/{entry.path.name}"]


def test_the_owner_of_a_shared_store_may_name_it_too(owner: Store, one_file: Callable[..., None]) -> None:
    found = owner.find("dataset", "one")
    assert found is not None
    owner.remove(found)
    with pytest.raises(NotReadyError):
        Store(owner.path, shared=[owner.path], offline=True).ensure("dataset", "one")


@pytest.mark.parametrize("variable", [None, "CM_REPOS", "MLC_REPOS", "CK_TOOLS"])
def test_caches_of_cm_mlc_and_ck_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("CM_REPOS", "MLC_REPOS", "CK_TOOLS"):
        monkeypatch.delenv(name, raising=False)
    assert caches() == []
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "there"))
        (tmp_path / "there/local/cache").mkdir(parents=True)
        assert caches() == [tmp_path / ("there" if variable == "CK_TOOLS" else "there/local/cache")]
    else:
        for name in ("CM", "MLC"):
            (tmp_path / name / "repos/local/cache").mkdir(parents=True)
        assert caches() == [tmp_path / "CM/repos/local/cache", tmp_path / "MLC/repos/local/cache"]


def test_what_another_tool_downloaded_is_taken_by_its_checksum(
    tmp_path: Path, add: Callable[..., None], one_file: Callable[..., None]
) -> None:
    cache = tmp_path / "cache"
    for number, content in enumerate((b"x" * len(CONTENT), CONTENT)):
        (cache / f"download-file_{number}").mkdir(parents=True)
        (cache / f"download-file_{number}" / "model.onnx").write_bytes(content)
    (cache / "loop").symlink_to(cache / "nowhere")
    one_file(FAR)
    said: list[str] = []
    store = Store(tmp_path / "store", elsewhere=[cache], offline=True)
    entry = store.ensure("dataset", "one", report=said.append)
    assert entry.source == f"found {cache}/download-file_1/model.onnx"
    assert entry.file().read_bytes() == CONTENT
    assert any("another file: sha256" in line for line in said), "the same size, another content"
    assert (cache / "download-file_1/model.onnx").exists()
    md5 = hashlib.md5(b"sizeless", usedforsecurity=False).hexdigest()
    (cache / "download-file_0/vocab.txt").write_bytes(b"sizeless")
    add("two", files=[{"name": "vocab.txt", "md5": md5, "sources": []}])
    assert store.ensure("dataset", "two").files[0].sha256 == sha256(b"sizeless")
