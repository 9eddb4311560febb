# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs `loadfleet results` on the controller and shows what it prints as it prints it."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.color import ANSIBLE_COLOR
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import MEANINGS, answer, complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, point

# A report that cannot be made here says why and is missed; it takes no result with it.
NOT_READY = 3
# What `results summary` returns after it has printed a table; anything else is an error of its own.
JUDGED = (0, 1, 4)

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Report, show, judge."""
        super().run(tmp, task_vars)
        args = self._task.args
        if not args.get("run") or not args.get("executable"):
            raise AnsibleActionFail("missing required arguments: run and executable")
        if self._task.check_mode:
            return {"changed": False, "msg": "would report and judge %s" % args["run"]}
        run, executable = expand(args["run"]), expand(args["executable"])
        if not os.path.isdir(run):
            raise AnsibleActionFail("no results at %s: no host has brought any" % run)
        point(os.path.join(os.path.dirname(run), "latest"), os.path.basename(run))
        status, out, err = call([executable, "results", "report", run, "--json"])
        if status == NOT_READY:
            display.warning("no report of %s: %s" % (run, complaint(status, out, err)))
        elif status != 0:
            raise AnsibleActionFail("the report of %s: %s" % (run, complaint(status, out, err)))
        report = answer(out).get("report", "")
        command = [executable, "results", "summary", run] + (["--color"] if ANSIBLE_COLOR else [])
        status, out, err = call(command)
        if status not in JUDGED:
            raise AnsibleActionFail("the table of %s: %s" % (run, complaint(status, out, err)))
        display.display("\n" + out.rstrip() + "\n")
        result = {"changed": False, "failed": False, "rc": status}
        if report:
            result["report"] = report
        if status != 0 and boolean(args.get("judge", True)):
            result["failed"] = True
            result["msg"] = "run %s: %s; see the table above%s" % (
                os.path.basename(run),
                MEANINGS[status],
                " and %s" % report if report else "",
            )
        return result


def call(command: list[str]) -> tuple[int, str, str]:
    """Run a command on the controller, as wide as the terminal.

    Raises:
        AnsibleActionFail: There is no such command.
    """
    environment = dict(os.environ, COLUMNS=str(max(100, getattr(display, "columns", 0) or 0)))
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        raise AnsibleActionFail("%s: %s" % (command[0], error.strerror)) from error
    return done.returncode, done.stdout, done.stderr
