# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Prints a text as it is."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print it."""
        super().run(tmp, task_vars)
        if "text" not in self._task.args:
            raise AnsibleActionFail("missing required argument: text")
        text = str(self._task.args["text"]).rstrip()
        display.display("\n" + text + "\n")
        return {"changed": False, "text": text}
