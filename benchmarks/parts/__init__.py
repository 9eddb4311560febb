"""The parts of the benchmark: each module here has one, as `PART`; adding a part is adding a file."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.part import Part


def everything() -> list[Part]:
    """All parts, in the order of their first turn."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    parts: list[Part] = [importlib.import_module(f"{__name__}.{name}").PART for name in names]
    return sorted(parts, key=lambda part: (part.rank, part.name))


def chosen(names: Sequence[str]) -> list[Part]:
    """The parts of these names; without names, those that run by default.

    Raises:
        InputError: There is no such part.
    """
    parts = everything()
    known = [part.name for part in parts]
    for name in names:
        if name not in known:
            raise InputError(f"--parts has {name!r}, which is no part", fix=f"use some of {', '.join(known)}")
    return [part for part in parts if part.name in names or (not names and part.default)]
