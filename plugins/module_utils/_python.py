# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Finds a Python that can make environments. Private to this collection."""

from __future__ import annotations

import re
import shutil
import sys
from typing import Callable, List, Optional, Tuple

Runner = Callable[[List[str]], Tuple[int, str]]
NAMES = ("python3.13", "python3.12", "python3.11", "python3")
_ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


def version(interpreter: str, run: Runner) -> Optional[Tuple[int, ...]]:
    """The version of an interpreter, None when it does not run (a version manager's shim, say)."""
    status, text = run([interpreter, "-c", _ASK])
    match = re.match(r"(\d+)\.(\d+)\.(\d+)$", text.strip()) if status == 0 else None
    return tuple(int(part) for part in match.groups()) if match else None


def find(wanted: str, minimum: Tuple[int, ...], run: Runner) -> Optional[str]:
    """The interpreter to use: the wanted one, else the running one, else the newest on PATH; None without one."""
    if not wanted and sys.version_info[: len(minimum)] >= minimum and sys.executable:
        return sys.executable
    for name in (wanted,) if wanted else NAMES:
        path = shutil.which(name)
        found = version(path, run) if path else None
        if path and found and found >= minimum:
            return path
    return None


def can_make_environments(interpreter: str, run: Runner) -> bool:
    """Whether `python -m venv` will work. Debian splits ensurepip off into a package of its own."""
    return run([interpreter, "-c", "import ensurepip, venv"])[0] == 0
