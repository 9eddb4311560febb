# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""The digest of a Python project's sources. Private to this collection."""

from __future__ import annotations

import hashlib
import os
from typing import List

from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import CHUNK

SKIPPED_FOLDERS = frozenset(("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"))


def project_files(folder: str) -> List[str]:
    """What goes into a project's wheel: pyproject.toml, README.md and src/, without what tools leave behind."""
    found = [name for name in ("pyproject.toml", "README.md") if os.path.isfile(os.path.join(folder, name))]
    for base, folders, names in os.walk(os.path.join(folder, "src")):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS and not name.endswith(".egg-info")]
        found += [os.path.relpath(os.path.join(base, name), folder) for name in names if not name.endswith(".pyc")]
    return sorted(found)


def project_digest(folder: str) -> str:
    """SHA-256 over the names and contents of a project's files."""
    digest = hashlib.sha256()
    for name in project_files(folder):
        path = os.path.join(folder, name)
        digest.update(("%s\0%d\0" % (name, os.path.getsize(path))).encode())
        with open(path, "rb") as stream:
            for piece in iter(lambda: stream.read(CHUNK), b""):
                digest.update(piece)
    return digest.hexdigest()
