"""A build that unpacks an archive: what it takes, and what it refuses."""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from archive_helpers import odd, tar_of, zip_of
from store_helpers import sha256, visible

from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import Store

PHOTOS = {"val/a/1.jpg": b"one", "val/a/2.jpg": b"two", "val/readme.txt": b"text"}


@pytest.fixture
def unpacked(add: Callable[..., None], overlay: Path) -> Callable[..., None]:
    """Add a data set "unpacked", made of an archive with the given parameters."""

    def unpacked(archive: bytes, **parameters: Any) -> None:
        (overlay / "datasets" / "archive").write_bytes(archive)
        source = {"type": "embedded", "path": "archive"}
        add("raw", files=[{"name": "a.tar", "sha256": sha256(archive), "size": len(archive), "sources": [source]}])
        build = {"entry_point": "loadfleet.store.unpack:build", "version": 1}
        requires = [{"kind": "dataset", "name": "raw"}]
        add(
            "unpacked",
            build={**build, "requires": requires, "parameters": {"archive": "raw/a.tar", **parameters}},
            files=[{"name": "1.jpg"}] if parameters.get("strip") else [{"name": "readme.txt"}],
        )

    return unpacked


def test_members_by_pattern_without_leading_folders(store: Store, unpacked: Callable[..., None]) -> None:
    unpacked(tar_of(PHOTOS, odd("val", tarfile.DIRTYPE)), members=["*.jpg"], strip=2, files=2)
    entry = store.ensure("dataset", "unpacked")
    assert {each.name: (entry.path / each.name).read_bytes() for each in entry.files} == {
        "1.jpg": b"one",
        "2.jpg": b"two",
    }
    assert entry.recipe is not None
    assert entry.recipe["parameters"]["members"] == ["*.jpg"]
    assert entry.requires[0]["name"] == "raw"
    assert store.find("dataset", "unpacked") is not None


def test_everything_with_its_folders(store: Store, unpacked: Callable[..., None]) -> None:
    unpacked(gzip.compress(tar_of({**PHOTOS, "readme.txt": b"x"})))
    assert [each.name for each in store.ensure("dataset", "unpacked").files] == sorted([*PHOTOS, "readme.txt"])


@pytest.mark.parametrize(
    ("archive", "parameters", "words"),
    [
        (tar_of({"../evil": b"x"}), {}, "the path '../evil' leads out"),
        (tar_of({"/etc/evil": b"x"}), {}, "the path '/etc/evil' leads out"),
        (tar_of({}, odd("link", tarfile.SYMTYPE, "/etc/passwd")), {}, "link is a link"),
        (tar_of({}, odd("hard", tarfile.LNKTYPE, "/etc/passwd")), {}, "hard is a link"),
        (tar_of({}, odd("null", tarfile.CHRTYPE)), {}, "null is a device"),
        (tar_of({"readme.txt": b"1", "./readme.txt": b"2"}), {}, "it holds readme.txt twice"),
        (tar_of({"a": b"1", "a/b": b"2"}), {}, "it holds a/b twice"),
        (tar_of({"entry.json": b"{}"}), {}, "it holds entry.json"),
        (tar_of(PHOTOS), {"strip": 3}, "nothing is left of val/a/1.jpg without 3 folders"),
        (tar_of(PHOTOS), {"files": 50_000}, "it holds 3 files instead of 50,000"),
        (tar_of(PHOTOS), {"bytes": 8}, "it unpacks to more than"),
        (gzip.compress(tar_of(PHOTOS))[:-30], {}, "it is damaged, cut off or no archive"),
        (zip_of({"readme.txt": bytes(30_000_000)}), {}, "it unpacks to more than"),
        (b"<html>not found</html>", {}, "it is damaged, cut off or no archive"),
    ],
)
def test_what_is_refused(
    store: Store,
    unpacked: Callable[..., None],
    tmp_path: Path,
    archive: bytes,
    parameters: dict[str, Any],
    words: str,
) -> None:
    unpacked(archive, **parameters)
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.path)}
    with pytest.raises(NotReadyError) as caught:
        store.ensure("dataset", "unpacked")
    assert words in caught.value.message
    assert "nothing of it was kept" in caught.value.message
    assert [name.split("-")[0] for name in visible(store)] == ["artifacts/dataset/raw"]
    assert outside == {path for path in tmp_path.rglob("*") if not path.is_relative_to(store.path)}
