# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Which variables hold secrets: their names are written down, their values are not. Private to this collection."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Tuple

# The same pattern as in the harness (loadfleet.hidden): each side keeps secrets out of the files it writes.
NAME = re.compile(
    r"passw|passphrase|secret|credential|api_?key|(^|[_.-])(pass|pwd|auth|token|key)s?([_.-]|$)|(pass|token|key)$",
    re.IGNORECASE,
)
PLACE = re.compile(r"(file|path|dir)$", re.IGNORECASE)
# A user name alone is a token with http, and a name with ssh.
LOGIN = re.compile(r"://[^/\s:@]*:[^/\s@]+@|https?://[^/\s@]+@", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a variable of that name holds a secret. The place of one (..._FILE, ..._PATH) is none."""
    return bool(NAME.search(name)) and not PLACE.search(name)


def split(variables: Dict[str, Any]) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Variables that may be written down, and those that may not."""
    return (
        {name: value for name, value in variables.items() if not is_secret(name)},
        {name: value for name, value in variables.items() if is_secret(name)},
    )


def strip(variables: Dict[str, Any], prefix: str = "") -> Tuple[Dict[str, Any], List[str]]:
    """Variables without secrets, and the names of what was left out; those inside of objects with dots.

    A list that holds a secret anywhere, or a text with a password in an address, is left out whole.
    """
    kept: Dict[str, Any] = {}
    lost: List[str] = []
    for name, value in variables.items():
        place = prefix + str(name)
        if value is not None and not isinstance(value, bool) and is_secret(str(name)):
            lost.append(place)
        elif isinstance(value, dict):
            kept[name], inner = strip(value, place + ".")
            lost += inner
        elif _hides(value):
            lost.append(place)
        else:
            kept[name] = value
    return kept, lost


def _hides(value: Any) -> bool:
    if isinstance(value, str):
        return bool(LOGIN.search(value))
    if isinstance(value, dict):
        return bool(strip(value)[1])
    return isinstance(value, (list, tuple)) and any(_hides(part) for part in value)
