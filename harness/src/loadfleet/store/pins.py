"""Pins: entries that nobody removes by accident. `<store>/pins/<kind>/<folder of the entry>.json`."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from loadfleet import files

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.store.entry import StoreEntry


def path(store: Path, entry: StoreEntry) -> Path:
    """Where the pin of an entry is, if it has one."""
    return store / "pins" / entry.kind / f"{entry.path.name}.json"


def pinned(store: Path, entry: StoreEntry) -> bool:
    """Whether an entry is pinned."""
    return path(store, entry).exists()


def pin(store: Path, entry: StoreEntry) -> bool:
    """Pin an entry; whether it was not pinned before.

    Raises:
        OSError: The store cannot be written.
    """
    place = path(store, entry)
    if place.exists():
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    files.write_json(place, {"schema_version": 1, "kind": entry.kind, "name": entry.name, "pinned": now})
    return True


def unpin(store: Path, entry: StoreEntry) -> bool:
    """Take a pin away; whether there was one.

    Raises:
        OSError: The store cannot be written.
    """
    place = path(store, entry)
    there = place.exists()
    place.unlink(missing_ok=True)
    return there
