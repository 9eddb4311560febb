"""error.json: what a cell that failed leaves for whoever looks at it next."""

from __future__ import annotations

import contextlib
import os
import traceback
from typing import TYPE_CHECKING

from loadfleet import files
from loadfleet.errors import LoadfleetError
from loadfleet.results import failure

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, error: BaseException) -> None:
    """Say what went wrong, and at which stage."""
    stage = ""
    with contextlib.suppress(OSError, ValueError, KeyError):
        stage = str(files.read_json(folder / "status.json")["phase"])
    kind, message, fix = failure.of_error(error, stage)
    files.write_json(folder / "error.json", {"schema_version": 1, "class": kind, "error": message, "fix": fix})


class Abort:
    """What happens when a batch raises: LoadGen would wait for its answer for ever, so the process ends here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, error: BaseException) -> None:
        traceback.print_exception(error)
        write(self._folder, error)
        os._exit(LoadfleetError.exit_code)
