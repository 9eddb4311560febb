# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Puts what Ansible says of a lost or broken host into words, for action plugins. Private to this collection."""

from __future__ import annotations

import functools
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.loadfleet.mlperf.plugins.module_utils._connection import Reason, explain, text

# What a module that could not even start leaves behind, instead of an answer of its own.
CRASHED = ("module_stderr", "module_stdout")


def explained(run: Any) -> Any:
    """Decorate `ActionModule.run`: a lost connection and a module that could not run give class, host and fix.

    A host out of reach is reported as unreachable, which Ansible shows without a line of code: there is nothing in the
    playbook to look at.
    """

    @functools.wraps(run)
    def guarded(self: Any, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            result: dict[str, Any] = run(self, tmp, task_vars)
        except AnsibleConnectionFailure as error:
            # Ansible would try to remove it, and show that failure in the place of this one.
            self._connection._shell.tmpdir = None
            return lost(str(error), task_vars or {})
        return understood(result, task_vars or {})

    return guarded


def lost(message: str, task_vars: dict[str, Any]) -> dict[str, Any]:
    """The result of a host that is out of reach."""
    host, reason = _reason(message, task_vars)
    what = "cannot be reached" if reason.kind in ("connection", "unknown") else "cannot be worked on"
    return {"changed": False, "unreachable": True, "class": reason.kind, "msg": text(host, what, reason)}


def understood(result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
    """The result as it is; one of a module that could not run, in words."""
    if not (result.get("failed") and any(result.get(name) for name in CRASHED)) and not _no_interpreter(result):
        return result
    parts = [str(result.get(name) or "") for name in (*CRASHED, "msg")]
    host, reason = _reason("\n".join(part for part in parts if part), task_vars)
    words = text(host, "cannot run a module", reason)
    return {"changed": False, "failed": True, "rc": 3, "class": reason.kind, "msg": words, "output": parts[0][-4000:]}


def _no_interpreter(result: dict[str, Any]) -> bool:
    return bool(result.get("failed")) and "module interpreter" in str(result.get("msg", ""))


def _reason(message: str, task_vars: dict[str, Any]) -> tuple[str, Reason]:
    host = str(task_vars.get("inventory_hostname") or "the host")
    return host, explain(message, host, str(task_vars.get("ansible_host") or host))
