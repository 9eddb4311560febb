"""One catalogue entry and the names of the kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KINDS: tuple[str, ...] = (
    "workload",
    "model",
    "dataset",
    "backend",
    "implementation",
    "platform",
    "round",
    "compliance",
)


@dataclass(frozen=True)
class Entry:
    """A file of the catalogue.

    Attributes:
        kind: One of `KINDS`.
        name: Its name, equal to the file's name without `.yml`.
        data: The whole YAML mapping, `name` included.
        path: The file.
        shipped: True for entries of the distribution, False for those of a folder in `LOADFLEET_CATALOGUE`.
    """

    kind: str
    name: str
    data: Mapping[str, Any]
    path: Path
    shipped: bool = True

    @property
    def title(self) -> str:
        """One line for people; the name when the file gives none."""
        return str(self.data.get("title", self.name))

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(str(tag) for tag in self.data.get("tags", ()))


def folder_of(kind: str) -> str:
    """The folder that holds the files of a kind: its plural."""
    return kind if kind == "compliance" else f"{kind}s"


def kind_of(word: str) -> str:
    """The kind a user's word stands for: singular or plural, any case.

    Raises:
        InputError: There is no such kind.
    """
    wanted = word.lower()
    for kind in KINDS:
        if wanted in {kind, folder_of(kind)}:
            return kind
    raise InputError(f"unknown kind {word!r} of catalogue entry", fix=f"use one of: {', '.join(KINDS)}")
