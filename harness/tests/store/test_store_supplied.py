"""Files that may not be downloaded freely: the operator supplies them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from store_helpers import CONTENT, sha256, visible

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HINT = "the validation photos, from https://photos.example.org after registration"
OPERATOR = {"type": "operator", "hint": HINT}


def test_nothing_supplied_says_what_to_get_and_where_to_put_it(store: Store, one_file: Callable[..., None]) -> None:
    one_file(OPERATOR)
    with pytest.raises(NotReadyError) as caught:
        store.ensure("dataset", "one")
    assert f"the operator: you have to supply it: {HINT}" in caught.value.message
    assert f"sha256 {sha256(CONTENT)}, 5.1 MB" in caught.value.message
    assert "--supplied one=/path/of/data.bin" in caught.value.fix
    assert "artifact_supplied: {one: /path/of/data.bin}" in caught.value.fix
    assert "artifact_mirrors" in caught.value.fix
    assert visible(store) == []


@pytest.mark.parametrize("form", ["file", "folder", "folder by checksum"])
def test_what_is_supplied_is_taken_first_and_offline(
    store: Store, one_file: Callable[..., None], tmp_path: Path, form: str
) -> None:
    one_file(OPERATOR)
    given = tmp_path / "photos.tar"
    if form == "file":
        given.write_bytes(CONTENT)
    else:
        given.mkdir()
        (given / ("data.bin" if form == "folder" else sha256(CONTENT))).write_bytes(CONTENT)
    entry = Store(store.path, [str(tmp_path)], supplied={"one": str(given)}, offline=True).ensure("dataset", "one")
    assert entry.source == f"supplied {given}"
    assert entry.file().read_bytes() == CONTENT
    assert given.exists()


def test_one_of_several_files_is_named_with_its_entry(store: Store, add: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(b"labels")
    (tmp_path / "photos").write_bytes(b"photos")
    declared = [{"name": f"{name}.bin", "sha256": sha256(name.encode())} for name in ("labels", "photos")]
    add("two", files=[{**file, "sources": [OPERATOR]} for file in declared])
    given = {f"two/{name}.bin": str(tmp_path / name) for name in ("labels", "photos")}
    with pytest.raises(NotReadyError) as caught:
        Store(store.path, supplied={"two/labels.bin": given["two/labels.bin"]}).ensure("dataset", "two")
    assert "--supplied two/photos.bin=/path/of/photos.bin" in caught.value.fix
    entry = Store(store.path, supplied=given).ensure("dataset", "two")
    assert entry.file("photos.bin").read_bytes() == b"photos"


def test_a_wrong_file_and_a_wrong_path_are_told(store: Store, one_file: Callable[..., None], tmp_path: Path) -> None:
    one_file(OPERATOR)
    (tmp_path / "wrong").write_bytes(b"wrong")
    for name, words in {"wrong": "another file: 5 bytes instead of 5,120,000", "absent": "not there"}.items():
        with pytest.raises(NotReadyError) as caught:
            Store(store.path, supplied={"one": str(tmp_path / name)}).ensure("dataset", "one")
        assert f"supplied {tmp_path / name}: {words}" in caught.value.message
    assert visible(store) == []


def test_a_hint_is_demanded(store: Store, one_file: Callable[..., None]) -> None:
    one_file({"type": "operator"})
    with pytest.raises(InputError, match="hint"):
        store.ensure("dataset", "one")
