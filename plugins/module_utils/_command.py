# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Calls the command loadfleet and understands its answers. Private to this collection."""

from __future__ import annotations

import json
from typing import Any, Dict

# Exit statuses of every loadfleet command.
MEANINGS = {
    1: "the result is bad",
    2: "wrong input",
    3: "not ready",
    4: "interrupted; the same call continues",
}


def answer(text: str) -> Dict[str, Any]:
    """The JSON object a command printed, {} when there is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def complaint(status: int, out: str, err: str) -> str:
    """What a failed command wants to tell the user: its message and its fix."""
    value = answer(out)
    message = value.get("error") or err.strip() or out.strip() or "it said nothing"
    if message.startswith("loadfleet: "):
        message = message[len("loadfleet: ") :]
    if len(message) > 4000:
        message = "... " + message[-4000:]
    if value.get("fix") and value["fix"] not in message:
        message += "\n  fix: " + value["fix"]
    return "%s (%s)" % (message, MEANINGS.get(status, "exit status %d" % status))
