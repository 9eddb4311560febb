# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""What an environment's folder says of itself, and what pip's complaints mean. Private to this collection."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional

from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import read_json

STAMPS = ".loadfleet"


def stamp_path(folder: str, layer: str) -> str:
    """Where an environment notes that a layer is complete."""
    return os.path.join(folder, STAMPS, layer + ".json")


def stamp(folder: str, layer: str) -> Optional[str]:
    """The digest of an installed layer; None when it is missing or was interrupted."""
    value = read_json(stamp_path(folder, layer))
    return value.get("digest") if isinstance(value, dict) else None


def is_whole(folder: str) -> bool:
    """Whether the environment was made to the end and its interpreter still exists (an upgrade may have removed it)."""
    return stamp(folder, "environment") is not None and os.path.exists(os.path.join(folder, "bin", "python"))


def target(path: str, key: str) -> str:
    """The folder an environment's stable name stands for: of the given key, else the one it points at now."""
    if key:
        return "%s-%s" % (path, key[:12])
    return os.path.realpath(path)


def outdated(folder: str, layers: List[Dict[str, Any]]) -> List[str]:
    """Names of the layers that are missing or differ."""
    return [layer["name"] for layer in layers if stamp(folder, layer["name"]) != layer["digest"]]


_LACKING = r"No matching distribution|Could not find a version"


def is_lacking(text: str) -> bool:
    """Whether pip says that no source offers a package."""
    return re.search(_LACKING, text) is not None


# First match wins: what pip or venv prints, what it means, what to do.
COMPLAINTS = (
    (
        r"No space left on device|Errno 28",
        "the disk is full",
        "free space below {path}, or set store_path to a larger disk",
    ),
    (
        r"No module named '?(ensurepip|venv)|ensurepip is not available",
        "this Python cannot make environments",
        "install {package}, or run the role system_packages",
    ),
    (
        r"DO NOT MATCH THE HASHES|Hashes are required|Expected sha256",
        "a package is not the one that the lock names",
        "look at the package source (mirror, cache, wheelhouse) that this host uses",
    ),
    (
        _LACKING,
        "no source offers a package that the lock names for this Python and platform",
        "give the host a package source that has it (for a backend also by backend_index), or a folder of wheels by "
        "wheelhouse_path, or set python_venv_offline",
    ),
    (
        r"NewConnectionError|Temporary failure in name|Max retries|Connect(Timeout|ion refused|ion reset)|ProxyError",
        "the host reaches no package source",
        "set python_venv_offline, so that the controller brings the packages, or wheelhouse_path to a folder of wheels",
    ),
    (r"Permission denied|Errno 13", "the account may not write there", "set store_path to a folder of the login user"),
)


def explain(text: str, path: str, package: str) -> str:
    """One sentence on why pip or venv failed, with its last words when the reason is unknown."""
    for pattern, meaning, advice in COMPLAINTS:
        if re.search(pattern, text):
            return "%s; fix: %s" % (meaning, advice.format(path=path, package=package))
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "it said nothing"
