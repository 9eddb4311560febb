from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from store_helpers import CONTENT, Handler, sha256, visible

from loadfleet.errors import NotReadyError
from loadfleet.store import Store, StoreEntry

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def entry(store: Store, one_file: Callable[..., None], overlay: Path) -> StoreEntry:
    (overlay / "datasets" / "data.bin").write_bytes(CONTENT)
    one_file({"type": "embedded", "path": "data.bin"})
    return store.ensure("dataset", "one")


def edit(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_files_are_not_writable_by_accident(entry: StoreEntry) -> None:
    assert entry.file().stat().st_mode & 0o222 == 0


def test_a_file_edited_by_hand_is_noticed_and_made_again(store: Store, entry: StoreEntry) -> None:
    edit(entry.file(), b"z" * len(CONTENT))
    assert store.find("dataset", "one") is None
    assert store.verify(entry)[0].startswith("data.bin has sha256")
    said: list[str] = []
    again = store.ensure("dataset", "one", report=said.append)
    assert again.changed is True
    assert again.file().read_bytes() == CONTENT
    assert any("making it again" in line for line in said)
    assert visible(store) == [f"artifacts/dataset/{entry.path.name}"]


def test_a_copied_store_is_hashed_once_and_kept(store: Store, entry: StoreEntry) -> None:
    os.utime(entry.file(), ns=(1, 1))
    assert store.find("dataset", "one") is None
    assert store.ensure("dataset", "one", dry_run=True).changed is True
    assert store.ensure("dataset", "one").changed is False
    found = store.find("dataset", "one")
    assert found is not None
    assert found.files[0].mtime_ns == 1


def test_a_missing_file_is_noticed(store: Store, entry: StoreEntry) -> None:
    entry.file().unlink()
    assert store.find("dataset", "one") is None
    assert store.verify(entry) == ["data.bin is missing"]
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 99}', '{"schema_version": 1}'])
def test_an_unreadable_entry_is_made_again(store: Store, entry: StoreEntry, text: str) -> None:
    (entry.path / "entry.json").write_text(text)
    assert store.find("dataset", "one") is None
    assert store.entries() == []
    assert store.ensure("dataset", "one").changed is True


def test_a_stray_digest_in_the_entry_is_not_believed(store: Store, entry: StoreEntry) -> None:
    """Somebody who replaces a file and its record must not get it served as the catalogue's."""
    edit(entry.file(), b"other")
    data = json.loads((entry.path / "entry.json").read_bytes())
    status = entry.file().stat()
    data["files"][0].update(sha256=sha256(b"other"), size=5, mtime_ns=status.st_mtime_ns + 1)
    (entry.path / "entry.json").write_text(json.dumps(data))
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT


def test_remove(store: Store, entry: StoreEntry) -> None:
    store.remove(entry)
    assert visible(store) == []
    assert store.entries() == []
    store.remove(entry)


def test_an_entry_stays_listed_when_the_catalogue_forgets_it(
    store: Store, entry: StoreEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOADFLEET_CATALOGUE")
    assert [each.name for each in store.entries()] == ["one"]


def test_two_processes_fetch_once(store: Store, server: type[Handler], one_file: Callable[..., None]) -> None:
    server.files["/data.bin"] = CONTENT
    one_file({"type": "url", "url": f"{server.url}/data.bin"})
    program = "import sys; from loadfleet.store import Store; print(Store(sys.argv[1]).ensure('dataset','one').changed)"
    command = [sys.executable, "-c", program, str(store.path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate(timeout=20)[0].strip() for process in processes) == ["False", "True"]
    assert len(server.seen) == 1


def test_a_waiting_process_says_so(store: Store, entry: StoreEntry) -> None:
    from loadfleet.store.guards import exclusive  # noqa: PLC0415

    store.remove(entry)
    lock = store.path / "locks" / f"dataset-{entry.path.name}.lock"
    said: list[str] = []

    class StopWaitingError(Exception):
        pass

    def report(line: str) -> None:
        said.append(line)
        raise StopWaitingError

    with exclusive(lock, lambda: None), pytest.raises(StopWaitingError):
        store.ensure("dataset", "one", report=report)
    assert "waiting for another process" in said[0]


def test_a_file_in_place_of_the_store(tmp_path: Path, entry: StoreEntry) -> None:
    (tmp_path / "file").write_text("")
    for action in (Store.find, Store.ensure):
        with pytest.raises(NotReadyError, match=r"cannot be used: .*Not a directory"):
            action(Store(tmp_path / "file"), "dataset", "one")


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.EACCES, "make the folder writable"), (errno.EROFS, "mount it writable"), (errno.ENOSPC, "free space")],
)
def test_a_store_that_cannot_be_written(
    store: Store, entry: StoreEntry, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    store.remove(entry)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), str(store.path))

    monkeypatch.setattr(shutil, "move", refuse)
    with pytest.raises(NotReadyError) as caught:
        store.ensure("dataset", "one")
    assert os.strerror(code) in caught.value.message
    assert advice in caught.value.fix
    assert visible(store) == []


def test_a_read_only_store_serves_what_it_has(store: Store, entry: StoreEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr("loadfleet.files.write_bytes", refuse)
    assert store.ensure("dataset", "one").changed is False
