# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Ansible's default output, with refusals as the messages that they are."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plain
type: stdout
short_description: Ansible's default output, with refusals as the messages that they are
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Shows what the modules of this collection, M(ansible.builtin.assert) and M(ansible.builtin.fail) say of a failure,
    and a host that is out of reach, once and without the line of the playbook and the rest of the result.
  - Everything else is as with P(ansible.builtin.default#callback), and so is all of it with C(-v).
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import textwrap
from typing import Any

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default

# What fails with a message for people.
SPEAKING = ("loadfleet.mlperf.", "ansible.builtin.assert", "ansible.builtin.fail")


class CallbackModule(Default):  # type: ignore[misc]
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "loadfleet.mlperf.plain"

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Show the message alone."""
        if ignore_errors or not self._say(result, "FAILED"):
            super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Show the message alone."""
        if not self._say(result, "UNREACHABLE"):
            super().v2_runner_on_unreachable(result)

    def _say(self, result: Any, what: str) -> bool:
        """Whether it was said: a result of ours with a message, and nobody asked for more."""
        task, answer = result.task, result.result
        message = str(answer.get("msg") or "")
        if self._display.verbosity or task.loop or not message or not str(task.resolved_action).startswith(SPEAKING):
            return False
        if self._last_task_banner != task._uuid:
            self._print_task_banner(task)
        answer.pop("exception", None)
        self._handle_warnings_and_exception(result)
        for prefix in ("Task failed: ", "Action failed: "):
            message = message.removeprefix(prefix)
        words = "fatal: [%s]: %s\n%s" % (self.host_label(result), what, textwrap.indent(message, "    "))
        self._display.display(words, color=C.COLOR_ERROR, stderr=self.get_option("display_failed_stderr"))
        return True
