"""Quota, pins, who uses what, and what a store advises to remove."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from typing import TYPE_CHECKING

import pytest
from store_helpers import CONTENT, Handler, sha256, visible

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import Store, room

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Usage = namedtuple("Usage", "total used free")
NAMES = ("first", "second", "third")


@pytest.fixture
def three(store: Store, add: Callable[..., None], overlay: Path) -> Callable[..., Store]:
    """Three data sets of 1 MB each, of which two are there, "first" unused for longest; a store with a quota."""
    for name in NAMES:
        content = name.encode() * 1000
        (overlay / "datasets" / name).write_bytes(content)
        source = {"type": "embedded", "path": name}
        add(name, files=[{"name": "a", "sha256": sha256(content), "size": len(content), "sources": [source]}])
    for age, name in ((86400 * 40, "first"), (60, "second")):
        path = store.ensure("dataset", name).path / "entry.json"
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
    return lambda quota: Store(store.path, quota=quota)


def run_of(store: Store, run: str, name: str) -> None:
    entry = store.find("dataset", name)
    assert entry is not None
    folder = store.path / "runs" / run
    folder.mkdir(parents=True)
    cell = {"dataset": {"name": name, "digest": entry.digest}, "model": {"name": "m", "digest": "sha256:0"}}
    (folder / "plan.json").write_text(json.dumps({"cells": [cell, cell]}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("1000", 1000),
        ("200GB", 200 * 10**9),
        ("1.5 TB", 15 * 10**11),
        ("2GiB", 2 * 2**30),
        ("3m", 3 * 10**6),
    ],
)
def test_a_quota_is_read(text: str, expected: int | None) -> None:
    assert room.parse(text) == expected


@pytest.mark.parametrize("text", ["lots", "-1", "12 parsecs", "80%", "GB"])
def test_a_quota_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="store_quota is"):
        room.parse(text)


def test_a_quota_is_kept_and_says_what_could_go(three: Callable[..., Store]) -> None:
    assert three(20_000).ensure("dataset", "third").changed
    Store(three(0).path).remove(three(0).find("dataset", "third"))
    with pytest.raises(NotReadyError) as caught:
        three(15_000).ensure("dataset", "third")
    assert (
        "are needed for dataset third; unused for longest:\n  dataset first, 5.0 kB, last used" in caught.value.message
    )
    assert "second" not in caught.value.message, "the first is enough"
    assert "`loadfleet cache rm dataset first`" in caught.value.fix
    assert "raise store_quota" in caught.value.fix
    assert len(visible(three(0))) == 2


def test_what_is_here_costs_nothing_of_a_quota(three: Callable[..., Store]) -> None:
    assert not three(1).ensure("dataset", "first").changed


def test_pinned_entries_are_not_advised(three: Callable[..., Store]) -> None:
    store = three(15_000)
    first = store.find("dataset", "first")
    assert first is not None
    assert (store.pin(first), store.pin(first), store.pinned(first)) == (True, False, True)
    with pytest.raises(NotReadyError) as caught:
        store.ensure("dataset", "third")
    assert "dataset second" in caught.value.message
    assert "dataset first" not in caught.value.message
    assert (store.unpin(first), store.unpin(first), store.pinned(first)) == (True, False, False)


def test_a_pin_goes_with_its_entry(three: Callable[..., Store]) -> None:
    store = three(None)
    first = store.find("dataset", "first")
    assert first is not None
    store.pin(first)
    store.remove(first)
    assert not store.pinned(store.ensure("dataset", "first"))


def test_runs_count_as_use(three: Callable[..., Store]) -> None:
    store = three(15_000)
    run_of(store, "29990102T030405Z-bert-00aa", "first")
    run_of(store, "20260102T030405Z-bert-00ab", "first")
    (store.path / "runs/20260102T030405Z-bert-00ac").mkdir()
    (store.path / "runs/20260102T030405Z-bert-00ac/plan.json").write_text("{")
    first = store.find("dataset", "first")
    assert first is not None
    use = store.use()[first.path]
    assert use.runs == ["20260102T030405Z-bert-00ab", "29990102T030405Z-bert-00aa"]
    assert use.last.year == 2999
    with pytest.raises(NotReadyError, match=r"unused for longest:\n  dataset second"):
        store.ensure("dataset", "third")


def test_ensuring_counts_as_use(three: Callable[..., Store]) -> None:
    store = three(None)
    first, second = (store.find("dataset", name) for name in NAMES[:2])
    assert first is not None
    assert second is not None
    assert store.use()[first.path].last < store.use()[second.path].last
    store.ensure("dataset", "first")
    assert store.use()[first.path].last > store.use()[second.path].last


def test_an_entry_says_what_was_made_of_it(
    store: Store, add: Callable[..., None], three: Callable[..., Store], overlay: Path
) -> None:
    requires = [{"kind": "dataset", "name": "first"}]
    build = {"entry_point": "shutil:copytree", "version": 1, "requires": requires}
    add("made", build={**build, "entry_point": "store_helpers:copy_inputs"}, files=[{"name": "a", "size": 5000}])
    store.ensure("dataset", "made")
    first = store.find("dataset", "first")
    assert first is not None
    assert store.use()[first.path].entries == ["dataset made"]


def test_everything_that_an_entry_needs_is_counted_before_anything_is_fetched(
    store: Store, server: type[Handler], add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"type": "url", "url": f"{server.url}/raw"}
    add("raw", files=[{"name": "raw", "sha256": "0" * 64, "size": 6 * 10**9, "sources": [source]}])
    build = {"entry_point": "m:f", "version": 1, "requires": [{"kind": "dataset", "name": "raw"}]}
    add("made", build=build, files=[{"name": "a", "size": 30 * 10**9}])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 0, 10**9))
    with pytest.raises(NotReadyError, match=r"36\.1 GB are needed: 36\.0 GB for dataset made"):
        store.ensure("dataset", "made")
    assert server.seen == []


def test_a_length_that_only_the_server_knows_counts_for_the_quota(
    store: Store, server: type[Handler], one_file: Callable[..., None]
) -> None:
    server.files["/data.bin"] = CONTENT
    one_file({"type": "url", "url": f"{server.url}/data.bin"}, with_size=False)
    with pytest.raises(NotReadyError, match=r"have 1\.0 MB: 0 B are used, 5\.1 MB are needed for dataset one"):
        Store(store.path, quota=10**6).ensure("dataset", "one")
    assert visible(store) == []


def test_partial_downloads_are_counted_and_removed_unless_somebody_downloads(store: Store) -> None:
    from loadfleet.store.guards import exclusive  # noqa: PLC0415

    (store.path / "downloads").mkdir(parents=True)
    for name in ("a", "b"):
        (store.path / "downloads" / f"{name * 64}.part").write_bytes(b"12345")
    (store.path / "downloads" / f"{'a' * 64}.origin").write_text("https://x\n1\n")
    assert store.used() == 10
    with exclusive(store.path / "locks" / f"{'b' * 64}.lock", lambda: None):
        assert [each.path.name[0] for each in store.drop_leftovers()] == ["a"]
    assert [path.name[0] for path in (store.path / "downloads").iterdir()] == ["b"]


def test_what_killed_processes_left_is_found_and_removed(three: Callable[..., Store]) -> None:
    store = three(None)
    first, second = (store.find("dataset", name) for name in NAMES[:2])
    assert first is not None
    assert second is not None
    staging = first.path.parent / f".{first.path.name}.4242.new"
    staging.mkdir()
    (staging / "half.npy").write_bytes(b"1234567")
    (second.path / "entry.json").unlink()
    packages = store.path / "downloads" / "packages-xyz"
    packages.mkdir()
    assert {each.what: each.path for each in store.leftovers()} == {
        "an entry that was not finished": staging,
        "a folder without a description": second.path,
    }, "packages may be of a process that is at work"
    then = packages.stat().st_mtime - 90_000
    os.utime(packages, (then, then))
    assert sum(each.size for each in store.leftovers()) == 7 + second.size
    assert len(store.drop_leftovers()) == 3
    assert store.leftovers() == []
    assert [entry.name for entry in store.entries()] == ["first"]


def made_in(store: Store, entry: str) -> Path:
    """What a run leaves: a compiled form of a model, one that is being made, and a choice."""
    folder = store.path / "compiled" / "runtime" / f"{entry}-0123456789ab"
    for each in (folder, folder.parent / f".{folder.name}.new1"):
        each.mkdir(parents=True)
        (each / "graph").write_bytes(b"1234567")
    (store.path / "choices").mkdir(exist_ok=True)
    (store.path / "choices" / "bert.json").write_bytes(b"{}")
    return folder


def test_what_runs_made_counts_and_goes_unless_somebody_makes_it(store: Store) -> None:
    from loadfleet.store.guards import exclusive  # noqa: PLC0415

    folder = made_in(store, "model-1")
    assert store.used() == 16
    assert {each.what for each in store.made()} == {"a compiled model", "a choice of a backend"}
    with exclusive(folder.parent / f".{folder.name}.lock", lambda: None):
        assert [each.path.name for each in store.drop_made()] == ["bert.json"]
    assert len(store.drop_made()) == 2
    assert store.made() == []


def test_what_runs_made_is_advised_first_and_goes_with_its_entry(three: Callable[..., Store]) -> None:
    store = three(15_000)
    first, second = (store.find("dataset", name) for name in NAMES[:2])
    assert first is not None
    assert second is not None
    folder, other = made_in(store, first.path.name), made_in(store, second.path.name)
    with pytest.raises(NotReadyError, match=r"--made, 30 B, what runs made and make again\n  dataset first") as caught:
        store.ensure("dataset", "third")
    assert "`loadfleet cache rm --made`" in caught.value.fix
    store.remove(first)
    assert (folder.exists(), other.exists()) == (False, True)
