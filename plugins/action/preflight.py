# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks the variables of a host on the controller; the host is not touched."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _brought, _preflight
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._versions import VersionError, resolved

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look for names and values that do not exist. Never fails: `muster` says it for all hosts at once."""
        super().run(tmp, task_vars)
        args, names = self._task.args, [name for name in task_vars or {} if not name.startswith("_")]
        options = _preflight.options(expand(str(args["roles"]))) if args.get("roles") else {}
        problems, doubtful = _preflight.misspelt(names, options, list(args.get("facts") or []))
        problems += _preflight.wrong(args.get("choices") or [])
        for one in args.get("versions") or []:
            problems += impossible(one)
        problems += _brought.problems(args["brought"]) if args.get("brought") else []
        problems += _preflight.run_id(str(args.get("run_id") or ""))
        for one in doubtful:
            display.warning(one)
        return {"changed": False, "problems": problems, "cells": str(args.get("cells") or "")}


def impossible(wanted: dict[str, Any]) -> list[str]:
    """What is wrong with a version that is asked for; a lock file that is not there is somebody else's to name."""
    lock = expand(str(wanted["lock"]))
    if not os.path.exists(lock):
        return []
    try:
        resolved(lock, wanted["version"], [expand(str(path)) for path in wanted.get("constraints") or []])
    except VersionError as error:
        return ["%s %s %s" % (wanted["variable"], wanted["version"], str(error).replace("NAME", wanted["variable"]))]
    return []
