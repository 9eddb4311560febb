# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Explains failures as the harness does: class, command, last lines, fix, replay. Private to this collection."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List

from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import write_json

# What the exit status of a command of ours says about the class of a failure.
CLASSES = {2: "input", 3: "environment", 4: "interrupted"}
# Beside the hosts' folders: a host that failed as a whole may have none.
FOLDER = ".failures"


def text(failure: Dict[str, Any]) -> str:
    """A failure in lines."""
    facts = [("error", failure.get("error")), ("command", failure.get("command"))]
    facts += [("" if index else "said", line) for index, line in enumerate(failure.get("lines") or [])]
    facts.append(("fix", failure.get("fix")))
    if failure.get("replay"):
        facts.append(("replay", "on %s: sh %s" % (failure.get("host"), failure["replay"])))
    head = "%s on %s" % (failure.get("cell") or "the run", failure.get("host"))
    return "\n".join(
        ["%s (class %s)" % (head, failure.get("class", "unknown"))]
        + ["  %-9s%s" % (name, value) for name, value in facts if value]
    )


def of_host(kind: str, host: str, error: str, fix: str, command: str = "", lines: Iterable[str] = ()) -> Dict[str, Any]:
    """The failure of a whole host. An error with `fix:` in it keeps what stands before."""
    message, _mark, advice = error.partition("fix: ")
    return {
        "class": kind,
        "host": host,
        "cell": "",
        "error": message.rstrip(" ;\n"),
        "fix": advice.strip() or fix,
        "command": command,
        "lines": list(lines),
        "replay": "",
    }


def keep(run: str, failure: Dict[str, Any]) -> None:
    """Write a host's failure into the run's folder on the controller."""
    folder = os.path.join(run, FOLDER)
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, "%s.json" % failure["host"]), dict(failure, schema_version=1))


def forget(run: str, host: str) -> None:
    """A host that runs, or has run, has no failure any more."""
    path = os.path.join(run, FOLDER, "%s.json" % host)
    if os.path.exists(path):
        os.unlink(path)


def of_cells(status: Dict[str, Any]) -> List[str]:
    """The explained failures of a run's cells."""
    return [text(cell["failure"]) for cell in status.get("cells") or [] if cell.get("failure")]
