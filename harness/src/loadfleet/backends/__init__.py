"""What executes a model: one file per backend, its framework imported when it is used."""

from __future__ import annotations

import importlib

from loadfleet import catalogue
from loadfleet.backends.base import Backend, ModelFile, Options, Session
from loadfleet.errors import NotReadyError

__all__ = ["Backend", "ModelFile", "Options", "Session", "load"]


def load(name: str) -> Backend:
    """The backend of a catalogue entry.

    Raises:
        InputError: The catalogue has no backend of this name.
        NotReadyError: Its framework is not installed in this environment.
    """
    entry = catalogue.get("backend", name)
    module, _, attribute = entry.data["implementation"].partition(":")
    try:
        backend: type[Backend] = getattr(importlib.import_module(module), attribute)
        return backend()
    except ImportError as error:
        raise NotReadyError(
            f"the backend {name} cannot be used in this environment: {error}",
            fix="run the role loadfleet.mlperf.backend, or `pip install loadfleet[" + name + "]`",
        ) from error
