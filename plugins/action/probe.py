# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs the module probe: often the first on a host, so what keeps modules from running there is said in words."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module."""
        super().run(tmp, task_vars)
        answer: dict[str, Any] = self._execute_module(
            module_name="loadfleet.mlperf.probe", module_args=dict(self._task.args), task_vars=task_vars or {}
        )
        return answer
