"""What the commands about a store share: its option, and entries by words and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from loadfleet import catalogue
from loadfleet.errors import InputError
from loadfleet.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.store import StoreEntry


def select(store: Store, tags: tuple[str, ...]) -> list[StoreEntry]:
    """Entries that every tag fits, by what the catalogue says of them, or by kind and name alone."""
    return [entry for entry in store.entries() if catalogue.matches(listed(entry) or _bare(entry), tags)]


def listed(entry: StoreEntry) -> catalogue.Entry | None:
    """What the catalogue says of an entry."""
    try:
        return catalogue.get(entry.kind, entry.name, _imported(entry))
    except InputError:  # removed from the catalogue since, or of an overlay that is not set now
        return None


def _imported(entry: StoreEntry) -> Path:
    """Where the entry's store keeps what was imported into it."""
    return Store(entry.path.parents[2]).catalogue


def _bare(entry: StoreEntry) -> catalogue.Entry:
    return catalogue.Entry(entry.kind, entry.name, {}, entry.path)


def state_of(entry: StoreEntry) -> str:
    """`current`; `old` when the catalogue now wants another digest; `unlisted` without it; `touched` to be verified."""
    if not entry.untouched():
        return "touched"
    if listed(entry) is None:
        return "unlisted"
    from loadfleet.store.recipe import resolve  # noqa: PLC0415

    return "current" if f"sha256:{resolve(entry.kind, entry.name, _imported(entry)).digest}" == entry.digest else "old"


def facts(entry: StoreEntry) -> dict[str, Any]:
    """What an entry is, for JSON."""
    return {
        "kind": entry.kind,
        "name": entry.name,
        "path": str(entry.path),
        "digest": entry.digest,
        "size": entry.size,
        "source": entry.source,
        "files": [record.name for record in entry.files],
    }


def say(line: str) -> None:
    """Tell people what is going on."""
    click.echo(line, err=True)
