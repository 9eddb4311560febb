"""Workloads: one module or package each, found by the name of their catalogue entry."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from loadfleet.errors import InputError
from loadfleet.workloads.base import Accuracy, Dataset, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Accuracy", "Dataset", "Workload", "load"]


def load(name: str) -> Workload:
    """The workload of a catalogue entry, ready to open data.

    Raises:
        InputError: The catalogue has no such workload, or its `implementation` names no workload class.
    """
    from loadfleet import catalogue  # noqa: PLC0415  a YAML parser, only needed here

    entry: Mapping[str, Any] = catalogue.get("workload", name).data
    return load_class(str(entry.get("implementation", "")), origin=f"workload {name}")


def load_class(target: str, *, origin: str) -> Workload:
    """Import `package.module:Class` and make one.

    Args:
        target: What to import.
        origin: Who names it, for the error message.

    Raises:
        InputError: `target` cannot be imported or is no `Workload`.
    """
    module_name, _, class_name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"{origin}: implementation {target!r} cannot be imported: {error}",
            fix="write it as package.module:Class, and install the package that holds it",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Workload)):
        raise InputError(
            f"{origin}: implementation {target!r} is not a Workload",
            fix="name a class derived from loadfleet.workloads.Workload",
        )
    return found()
