"""What somebody has to bring before an entry can be made without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from store_helpers import CONTENT, sha256

from loadfleet.errors import InputError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

FAR = {"type": "url", "url": "https://data.example.org/data.bin"}


def names(store: Store, name: str) -> list[tuple[str, str]]:
    return [(each.name, file.name) for each, file in store.lacking("dataset", name)]


def test_what_is_brought_is_all_that_was_missing(
    store: Store, one_file: Callable[..., None], add: Callable[..., None], tmp_path: Path
) -> None:
    one_file(FAR)
    Path(tmp_path / "catalogue/datasets/near.txt").write_text("near")
    near = {"name": "near.txt", "sha256": sha256(b"near"), "sources": [{"type": "embedded", "path": "near.txt"}]}
    add("near", files=[near])
    requires = [{"kind": "dataset", "name": name} for name in ("one", "near")]
    add("made", build={"entry_point": "m:f", "version": 1, "requires": requires}, files=[{"name": "made.txt"}])
    again = [*requires, {"kind": "dataset", "name": "made"}]
    add("twice", build={"entry_point": "m:f", "version": 1, "requires": again}, files=[{"name": "made.txt"}])
    assert names(store, "one") == names(store, "made") == names(store, "twice") == [("one", "data.bin")]
    assert names(store, "near") == []
    (tmp_path / "brought").mkdir()
    ((_, file),) = store.lacking("dataset", "one")
    (tmp_path / "brought" / file.checksum[1]).write_bytes(CONTENT)
    Store(store.path, [str(tmp_path / "brought")], offline=True).ensure("dataset", "one")
    assert names(store, "twice") == []


def test_a_copied_entry_counts_when_its_content_is_right(store: Store, one_file: Callable[..., None]) -> None:
    one_file(FAR)
    (store.path / "downloads").mkdir(parents=True)
    (store.path / "downloads/data.bin").write_bytes(CONTENT)
    path = Store(store.path, [str(store.path / "downloads")], offline=True).ensure("dataset", "one").file()
    path.touch()
    assert names(store, "one") == []
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert names(store, "one") == [("one", "data.bin")]


def test_an_unknown_name_is_refused(store: Store) -> None:
    with pytest.raises(InputError):
        store.lacking("dataset", "nothing")
