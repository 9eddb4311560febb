"""A build that unpacks an archive: what it takes, and what it refuses."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from store_helpers import sha256, visible

from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import Store

PHOTOS = {"val/a/1.jpg": b"one", "val/a/2.jpg": b"two", "val/readme.txt": b"text"}


def tarball(files: dict[str, bytes], *more: tarfile.TarInfo, gz: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if gz else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return buffer.getvalue()


def odd(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


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
    unpacked(tarball(PHOTOS, odd("val", tarfile.DIRTYPE)), members=["*.jpg"], strip=2, files=2)
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
    unpacked(tarball({**PHOTOS, "readme.txt": b"x"}, gz=True))
    assert [each.name for each in store.ensure("dataset", "unpacked").files] == sorted([*PHOTOS, "readme.txt"])


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", bytes(30_000_000))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("archive", "parameters", "words"),
    [
        (tarball({"../evil": b"x"}), {}, "the path '../evil' leads out"),
        (tarball({"/etc/evil": b"x"}), {}, "the path '/etc/evil' leads out"),
        (tarball({}, odd("link", tarfile.SYMTYPE, "/etc/passwd")), {}, "link is a link"),
        (tarball({}, odd("hard", tarfile.LNKTYPE, "/etc/passwd")), {}, "hard is a link"),
        (tarball({}, odd("null", tarfile.CHRTYPE)), {}, "null is a device"),
        (tarball({"readme.txt": b"1", "./readme.txt": b"2"}), {}, "it holds readme.txt twice"),
        (tarball({"a": b"1", "a/b": b"2"}), {}, "it holds a/b twice"),
        (tarball({"entry.json": b"{}"}), {}, "it holds entry.json"),
        (tarball(PHOTOS), {"strip": 3}, "nothing is left of val/a/1.jpg without 3 folders"),
        (tarball(PHOTOS), {"files": 50_000}, "it holds 3 files instead of 50,000"),
        (tarball(PHOTOS), {"bytes": 8}, "it unpacks to more than"),
        (tarball(PHOTOS, gz=True)[:-30], {}, "it is damaged, cut off or no archive"),
        (bomb(), {}, "it unpacks to more than"),
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
