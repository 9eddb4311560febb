"""Where things are in a store, and how an entry appears and disappears: by one rename, under a lock."""

from __future__ import annotations

import datetime
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadfleet import files
from loadfleet.store.entry import FileRecord, Report, StoreEntry
from loadfleet.store.guards import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadfleet.store.recipe import Recipe


PACKAGES = "packages-"  # beginning of the names of folders with packages that are being unpacked
STALE_S = 86400.0  # longer than any download


def silent(_message: str) -> None:
    """Report to nobody."""


class Layout:
    """The folders of a store.

    Args:
        path: `store_path` of the host; may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.artifacts = path / "artifacts"
        self.downloads = path / "downloads"
        self.locks = path / "locks"

    def entries(self) -> list[StoreEntry]:
        """Everything that lies there, by kind and name.

        Raises:
            OSError: The store cannot be read.
        """
        folders = sorted(self.artifacts.glob("*/*/"))
        found = [StoreEntry.read(folder) for folder in folders if not folder.name.startswith(".")]
        return [entry for entry in found if entry is not None]

    def folder(self, wanted: Recipe) -> Path:
        """The folder of a recipe's entry."""
        return self.artifacts / wanted.kind / wanted.folder

    def read(self, wanted: Recipe) -> StoreEntry | None:
        """The entry of a recipe, if its records are what the catalogue declares; its files are not looked at."""
        entry = StoreEntry.read(self.folder(wanted))
        if entry is None or entry.digest != f"sha256:{wanted.digest}":
            return None
        recorded = {record.name: record.sha256 for record in entry.files}
        for file in wanted.files:
            if file.name not in recorded or file.sha256 not in {None, recorded[file.name]}:
                return None
        return entry

    @contextmanager
    def lock(self, name: str, report: Report) -> Iterator[None]:
        """Hold the lock of an entry or a download; whoever waits for it says so."""
        with exclusive(
            self.locks / f"{name}.lock",
            lambda: report(f"waiting for another process that has the lock of {name}"),
        ):
            yield

    @contextmanager
    def staged(self, wanted: Recipe) -> Iterator[Path]:
        """An empty folder beside the entry's, for the holder of its lock; gone afterwards unless it was published."""
        folder = self.folder(wanted)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in folder.parent.glob(f".{folder.name}.*"):  # of killed processes: we hold the lock
            shutil.rmtree(leftover)
        staging = folder.parent / f".{folder.name}.{os.getpid()}.new"
        staging.mkdir()
        try:
            yield staging
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def entry(self, wanted: Recipe, records: tuple[FileRecord, ...], source: str) -> StoreEntry:
        """What is written of an entry that was made just now."""
        return StoreEntry(
            kind=wanted.kind,
            name=wanted.name,
            path=self.folder(wanted),
            digest=f"sha256:{wanted.digest}",
            files=records,
            source=source,
            created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            recipe=wanted.build.describe() if wanted.build else None,
            requires=tuple(
                {"kind": each.kind, "name": each.name, "digest": f"sha256:{each.digest}"} for each in wanted.requires
            ),
            changed=True,
        )


def publish(entry: StoreEntry, staging: Path) -> None:
    """Make a staging folder the entry's folder, in one rename, after everything in it has reached the disk."""
    for record in entry.files if entry.shared is None else ():
        (staging / record.name).chmod(0o444)
        with (staging / record.name).open("rb") as stream:
            os.fsync(stream.fileno())
    entry.write(staging)
    if entry.path.exists():
        discard(entry.path)
    staging.rename(entry.path)
    files.sync_folder(entry.path.parent)


def discard(folder: Path) -> None:
    """Take a folder out of sight, then delete it."""
    hidden = folder.parent / f".{folder.name}.{os.getpid()}.old"
    folder.rename(hidden)
    shutil.rmtree(hidden)
