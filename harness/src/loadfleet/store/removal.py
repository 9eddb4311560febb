"""What may be removed of a store: not what is pinned, not what a run is reading."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from loadfleet.errors import InputError
from loadfleet.store import usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from loadfleet.store.entry import StoreEntry
    from loadfleet.store.store import Store

PINNED = "pinned"
_AGE = re.compile(r"(\d+)([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}


def before(age: str | None) -> datetime.datetime:
    """The instant that lies so long ago; without an age any instant that was.

    Raises:
        InputError: It is no age.
    """
    now = datetime.datetime.now(datetime.UTC)
    if age is None:
        return datetime.datetime.max.replace(tzinfo=datetime.UTC)
    match = _AGE.fullmatch(age.strip())
    if match is None:
        raise InputError(f"--older-than is {age!r}, which is no age", fix="write it as 30d, 12h or 2w")
    try:
        return now - datetime.timedelta(hours=int(match[1]) * _HOURS[match[2]])
    except OverflowError:
        raise InputError(f"--older-than is {age}, which is too long", fix="write it as 30d, 12h or 2w") from None


def split(
    store: Store, chosen: Iterable[StoreEntry], use: Mapping[Path, usage.Use], *, even_pinned: bool
) -> tuple[list[StoreEntry], list[tuple[StoreEntry, str]]]:
    """What may go, and what is kept with the reason."""
    going, kept = [], []
    for entry in chosen:
        if runs := usage.running(store.path, use[entry.path]):
            kept.append((entry, f"in use by the run {runs[-1]}"))
        elif store.pinned(entry) and not even_pinned:
            kept.append((entry, PINNED))
        else:
            going.append(entry)
    return going, kept
