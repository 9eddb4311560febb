# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Sees whether a host can be worked on, by one shell command and before anything is changed."""

from __future__ import annotations

import os
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _reach
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained, lost

# Seconds for a connection to be made, and how often it is tried again.
CONNECT_S = 10
RETRIES = 1


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look and judge."""
        super().run(tmp, task_vars)
        task_vars, args = task_vars or {}, self._task.args
        self._hurry()
        pythons = self._pythons(task_vars)
        store = str(args.get("store_path") or "~/.cache/loadfleet")
        look = _reach.script(store, str(self.get_shell_option("remote_tmp", default="~/.ansible/tmp")), pythons)
        done = self._low_level_execute_command(look, executable="/bin/sh")
        facts = _reach.parse(done["stdout"])
        if not facts:
            return lost(done["stderr"] or done["stdout"], task_vars)
        goes_on = bool(args.get("record")) and os.path.exists(expand(str(args["record"])))
        found = _reach.reasons(facts, pythons, 0 if goes_on else float(args.get("disk_mib") or 0))
        result = _reach.answer(facts, found)
        if found:
            message = _reach.words(str(task_vars.get("inventory_hostname", "the host")), found)
            result.update({"failed": True, "rc": 3, "class": "environment", "msg": message})
        return result

    def _hurry(self) -> None:
        """Do not wait for minutes: that patience is for hosts that were there a moment ago."""
        if self._connection.transport == "ssh":
            self._connection.set_option("reconnection_retries", RETRIES)
            self._connection.set_option("timeout", min(int(self._connection.get_option("timeout")), CONNECT_S))

    def _pythons(self, task_vars: dict[str, Any]) -> list[str]:
        """The interpreter of the inventory, else those that Ansible looks for."""
        asked = task_vars.get("ansible_python_interpreter") or C.config.get_config_value("INTERPRETER_PYTHON")
        chosen = str(self._templar.template(asked))
        if not chosen.startswith("auto"):
            return [chosen]
        return list(C.config.get_config_value("INTERPRETER_PYTHON_FALLBACK", variables=task_vars))
