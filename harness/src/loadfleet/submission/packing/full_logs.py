"""Full accuracy logs: too large to be submitted, kept to prove what was."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from loadfleet.errors import InputError, NotReadyError
from loadfleet.submission.packing.truncate import LOG, shortened

if TYPE_CHECKING:
    from pathlib import Path


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every full accuracy log below a folder -> SHA-256 of its cut form.

    Raises:
        InputError: There is no such folder, or no log in it.
        NotReadyError: A log cannot be read.
    """
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}", fix="name the folder of the full accuracy logs, such as results/"
        )
    found = {}
    for log in sorted(folder.rglob(LOG)):
        if log.is_file():
            try:
                data, sha256, _ = shortened(log)
            except OSError as error:
                raise NotReadyError(f"{log} cannot be read: {error.strerror}", fix="mend its permissions") from error
            found[sha256] = hashlib.sha256(data).hexdigest()
    if not found:
        raise InputError(f"{folder} holds no {LOG}", fix="name the folder of the full accuracy logs, such as results/")
    return found
