"""Files from elsewhere become an entry only if they are what the catalogue declares."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from store_helpers import CONTENT, sha256, visible

from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import Store

DIGEST = f"sha256:{sha256(CONTENT)}"


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    folder = tmp_path / "brought"
    folder.mkdir()
    (folder / "data.bin").write_bytes(CONTENT)
    return folder


def test_right_files_become_an_entry(one_file: Callable[..., None], store: Store, brought: Path) -> None:
    one_file()
    entry = store.adopt("dataset", "one", DIGEST, brought, source="a bundle")
    assert entry.changed
    assert entry.source == "a bundle"
    assert store.verify(entry) == []
    assert not list(brought.iterdir())
    found = store.find("dataset", "one")
    assert found is not None
    assert found.file().read_bytes() == CONTENT


def test_an_entry_that_is_there_stays(one_file: Callable[..., None], store: Store, brought: Path) -> None:
    one_file()
    first = store.adopt("dataset", "one", DIGEST, brought, source="first")
    (brought / "data.bin").write_bytes(b"whatever")
    second = store.adopt("dataset", "one", DIGEST, brought, source="second")
    assert (second.changed, second.source, second.path) == (False, "first", first.path)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_another_content_is_refused(one_file: Callable[..., None], store: Store, brought: Path, content: bytes) -> None:
    one_file()
    (brought / "data.bin").write_bytes(content)
    with pytest.raises(NotReadyError, match="not what the catalogue declares"):
        store.adopt("dataset", "one", DIGEST, brought, source="a bundle")
    assert visible(store) == []


def test_missing_and_undeclared_files_are_refused(one_file: Callable[..., None], store: Store, brought: Path) -> None:
    one_file()
    (brought / "more").write_text("more")
    with pytest.raises(NotReadyError, match="nobody declared: more"):
        store.adopt("dataset", "one", DIGEST, brought, source="a bundle")
    with pytest.raises(NotReadyError, match=r"lacks data\.bin"):
        store.adopt("dataset", "one", DIGEST, brought, source="a bundle")
    assert visible(store) == []


def test_an_md5_is_compared_where_nothing_better_is_known(
    add: Callable[..., None], store: Store, brought: Path
) -> None:
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    file = {"name": "data.bin", "md5": md5, "checksum_note": "none", "sources": [{"type": "url", "url": "file:///no"}]}
    add("weak", files=[file])
    named = json.dumps([["data.bin", f"md5:{md5}"]], separators=(",", ":"))
    digest = f"sha256:{sha256(named.encode())}"
    (brought / "data.bin").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(NotReadyError, match="has md5"):
        store.adopt("dataset", "weak", digest, brought, source="a bundle")
    brought.mkdir(exist_ok=True)
    (brought / "data.bin").write_bytes(CONTENT)
    assert store.adopt("dataset", "weak", digest, brought, source="a bundle").files[0].sha256 == sha256(CONTENT)


def test_another_catalogue_is_noticed(one_file: Callable[..., None], store: Store, brought: Path) -> None:
    one_file()
    with pytest.raises(InputError, match="use the same version"):
        store.adopt("dataset", "one", f"sha256:{'0' * 64}", brought, source="a bundle")
