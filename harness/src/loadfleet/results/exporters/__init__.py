"""Runs in the forms of others. One module here is one format, found by its name; adding one is adding one file.

A module has `HELP`, one line for `loadfleet results export --help`, and

    def export(run: RunResults) -> str

which returns the text of the file, without side effects; or, where the format is a service, sends and returns in words
what was sent where. What it needs beyond the harness itself it imports inside `export`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from loadfleet.results.model import RunResults


def names() -> list[str]:
    """Names of all formats."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def helps() -> dict[str, str]:
    """What each format is, in a line."""
    return {name: str(_module(name).HELP) for name in names()}


def export(name: str, run: RunResults) -> str:
    """The run in a format.

    Raises:
        InputError: There is no such format.
        NotReadyError: The format needs something that is missing here.
    """
    if name not in names():
        raise InputError(f"no format {name!r}; there are {', '.join(names())}")
    text: str = _module(name).export(run)
    return text


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")
