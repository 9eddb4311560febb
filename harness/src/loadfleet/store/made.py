"""What runs made for themselves in a store, and make again where it is missing: compiled models, chosen backends."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadfleet.store.guards import exclusive
from loadfleet.store.leftovers import size_of

if TYPE_CHECKING:
    from pathlib import Path

# folder of the store -> what lies where in it
_PLACES = {"compiled": ("*/*/", "a compiled model"), "choices": ("*.json", "a choice of a backend")}


@dataclass(frozen=True)
class Made:
    """A file or folder that a run made.

    Attributes:
        path: Where it lies.
        size: Bytes.
        what: What it is, in words.
    """

    path: Path
    size: int
    what: str


def of(store: Path) -> list[Made]:
    """Everything that runs made.

    Raises:
        OSError: The store cannot be read.
    """
    return [
        Made(path, size_of(path), what)
        for folder, (pattern, what) in _PLACES.items()
        for path in sorted((store / folder).glob(pattern))
    ]


def of_entry(store: Path, entry: str) -> list[Made]:
    """The compiled forms of a model.

    Args:
        store: Folder of the store.
        entry: Name of the model's own folder, which the names of its compiled forms begin with.

    Raises:
        OSError: The store cannot be read.
    """
    return [each for each in of(store) if each.path.is_dir() and each.path.name.startswith(f"{entry}-")]


def drop(found: list[Made]) -> list[Made]:
    """Remove what nobody is making now; what was removed. A run that is using it has it open, and goes on.

    Raises:
        OSError: The store cannot be written.
    """
    removed = []
    for each in found:
        if each.path.is_dir():
            with exclusive(each.path.parent / f"{_lock(each.path.name)}.lock", None) as mine:
                if not mine:
                    continue
                shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)
        removed.append(each)
    return removed


def _lock(name: str) -> str:
    """As `loadfleet.backends.compiled` names the lock of a folder, also of one that is not finished."""
    return name.rpartition(".")[0] if name.startswith(".") else f".{name}"
