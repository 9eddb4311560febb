"""What is imported, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadfleet.store import StoreEntry


@dataclass(frozen=True)
class Request:
    """A model that a user brings. One of `path`, `url` and `huggingface` is given.

    Attributes:
        name: What it is called from now on.
        workload: What it shall be run for.
        path: A file on this host.
        url: Where to fetch it.
        huggingface: `owner/repository/path@revision`.
        sha256: What the file must hash to; needed for a URL.
        temporary: `path` will be gone afterwards: it is no place to take the file from again.
        shapes: Input -> whole shape, for a workload whose inputs are made.
        samples: How many inputs are made; None for the default.
        preprocessing: How data sets must be prepared for it, where models of the workload differ in that.
    """

    name: str
    workload: str
    path: Path | None = None
    url: str = ""
    huggingface: str = ""
    sha256: str = ""
    temporary: bool = False
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    samples: int | None = None
    preprocessing: str = ""


@dataclass(frozen=True)
class Imported:
    """An import.

    Attributes:
        model: The model's entry of the store; None when it lacks files.
        dataset: Name of the data set that was described for it; empty for a workload that has its own.
        changed: Whether anything was written, or would be.
        lacks: Files that are not on this host, by name.
    """

    model: StoreEntry | None
    dataset: str = ""
    changed: bool = False
    lacks: tuple[str, ...] = ()
