"""How much a store may still take: what the disk has free, and the quota; with advice on what could go."""

from __future__ import annotations

import math
import re
import shutil
from typing import TYPE_CHECKING

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store.guards import MARGIN, megabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from loadfleet.store.usage import Removable

_SHOWN = 5
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtKMGT]?)(i?)[bB]?\s*")


def parse(text: str) -> int | None:
    """Bytes of a quota such as `200 GB` or `500GiB`; None for none.

    Raises:
        InputError: It is no size.
    """
    if not text.strip():
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InputError(f"store_quota is {text!r}, which is no size", fix="write it as 200GB, 1.5TB or 500GiB")
    base = 1024.0 if match[3] else 1000.0
    return round(float(match[1]) * math.pow(base, _UNITS[match[2].upper()]))


def disk_free(folder: Path) -> int:
    """Bytes that the disk of a folder has free, or that it would be on."""
    return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free


class Room:
    """The room of a store.

    Args:
        store: Its folder; may not exist yet.
        quota: Most bytes that its artefacts and downloads may take; None for no limit.
        used: Bytes that they take.
        removable: What could be removed, longest unused first.
    """

    def __init__(
        self,
        store: Path,
        quota: int | None,
        used: Callable[[], int],
        removable: Callable[[], Sequence[Removable]],
    ) -> None:
        self._store = store
        self._quota = quota
        self._used = used
        self._removable = removable

    def require(self, needed: int, label: str) -> None:
        """Refuse early what cannot end well.

        Args:
            needed: Bytes to be written.
            label: What for.

        Raises:
            NotReadyError: The disk or the quota has less room; says how much less, and what could be removed.
        """
        free = disk_free(self._store)
        wanted = needed + MARGIN
        if free < wanted:
            self._refuse(
                f"{self._store} has {megabytes(free)} free, {megabytes(wanted)} are needed: "
                f"{megabytes(needed)} for {label}, and {megabytes(MARGIN)} for everybody else",
                wanted - free,
                "choose another store_path",
            )
        if self._quota is not None and (used := self._used()) + needed > self._quota:
            self._refuse(
                f"store_quota lets {self._store} have {megabytes(self._quota)}: {megabytes(used)} are used, "
                f"{megabytes(needed)} are needed for {label}",
                used + needed - self._quota,
                "raise store_quota",
            )

    def _refuse(self, words: str, lacking: int, otherwise: str) -> None:
        """Fail, with the entries that make room if they go, longest unused first."""
        chosen: list[Removable] = []
        for each in self._removable():
            if sum(one.size for one in chosen) >= lacking or len(chosen) == _SHOWN:
                break
            chosen.append(each)
        if not chosen:
            raise NotReadyError(
                f"{words}; nothing in it can be removed", fix=f"free {megabytes(lacking)}, or {otherwise}"
            )
        lines = "".join(f"\n  {each.label}, {megabytes(each.size)}, {each.words}" for each in chosen)
        enough = "" if sum(one.size for one in chosen) >= lacking else f"; {megabytes(lacking)} are lacking"
        raise NotReadyError(
            f"{words}; unused for longest{enough}:{lines}",
            fix=f"`loadfleet cache rm {chosen[0].label}` (or `--older-than 30d`), or {otherwise}",
        )
