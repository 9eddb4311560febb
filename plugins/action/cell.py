# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Watches the agent of a run with the cheapest look there is, and tells how it goes."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils._progress import FINAL_PHASES, Progress, pause

MODULE = "loadfleet.mlperf.cell"
LONGEST_RETRY_S = 30.0
# A shell's few milliseconds instead of a module's half second: the host is being measured meanwhile. The last two lines
# of the answer are the boot id and whether the agent lives (a zombie does not).
LOOK = (
    "cd %(folder)s && touch lease && cat status.json; echo; cat /proc/sys/kernel/random/boot_id; "
    "pid=$(sed -n 's/.*\"pid\": *\\([0-9][0-9]*\\).*/\\1/p' status.json | head -n 1); "
    "case $(sed -n 's/^State:[[:space:]]*\\(.\\).*/\\1/p' \"/proc/${pid:-none}/status\") in "
    "''|Z|X) echo gone;; *) echo alive;; esac"
)
# An agent must be missed this often before it is believed dead: it writes its last status just before it ends, and its
# first just after it starts.
DEAD_LOOKS = 3

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start or adopt the run, then watch it."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        host = args.setdefault("host", "") or task_vars.get("inventory_hostname", "")
        args["host"] = host
        answer = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        if answer.get("failed") or self._task.check_mode or args.get("state", "finished") != "finished":
            return answer
        if answer.get("adopted"):
            display.display("%-12s adopts run %s (%s)" % (host, args["run_id"], answer.get("phase")))
        answer.update(self._watch(answer, args, host))
        if answer["phase"] == "timeout":
            stop = dict(args, state="stopped")
            self._execute_module(module_name=MODULE, module_args=stop, task_vars=task_vars)
        # Said explicitly: Ansible takes an rc that is not 0 for a failure otherwise.
        answer["failed"] = False
        if answer["rc"] != 0:
            answer.setdefault("msg", "run %s on %s: %s" % (args["run_id"], host, verdicts(answer["status"])))
            if boolean(args.get("judge", True)):
                answer["failed"] = True
            elif answer["rc"] != 1:
                # A bad result has its place in the table; that it did not end has none.
                display.warning(answer["msg"])
        return answer

    def _watch(self, started: dict[str, Any], args: dict[str, Any], host: str) -> dict[str, Any]:
        folder, first = started["run_dir"], float(args.get("poll_interval", 5))
        patience = float(args.get("reconnect_timeout", 600))
        begin = contact = time.monotonic()
        deadline = begin + float(args.get("timeout", 86400))
        progress, status, dead, retry = Progress(host), {}, 0, 1.0
        while True:
            try:
                fresh, alive = self._look(folder)
                status, retry = fresh or status, 1.0
                contact = time.monotonic()
            except AnsibleConnectionFailure as error:
                if time.monotonic() - contact > patience:
                    return self._gone(host, args["run_id"], status, patience, str(error))
                display.display("%-12s out of reach, its cells go on; next try in %d s" % (host, retry))
                time.sleep(retry)
                retry = min(2 * retry, LONGEST_RETRY_S)
                self._reset()
                continue
            for line in progress.lines(status, time.monotonic()):
                display.display(line)
            phase = status.get("phase")
            if phase in FINAL_PHASES:
                return self._end(status, phase)
            dead = 0 if alive else dead + 1
            if dead >= DEAD_LOOKS:
                # Killed, or the host was restarted: nobody is left to write it down.
                return self._end(dict(status, exit_code=4), "interrupted")
            if time.monotonic() > deadline:
                message = "run %s on %s is stopped after benchmark_timeout (%s s); the same run id continues it"
                words = message % (args["run_id"], host, args.get("timeout"))
                return dict(self._end(status, "timeout"), rc=4, msg=words)
            time.sleep(min(pause(first, time.monotonic() - begin), max(0.1, deadline - time.monotonic())))

    def _look(self, folder: str) -> tuple[dict[str, Any], bool]:
        done = self._low_level_execute_command(LOOK % {"folder": shlex.quote(folder)}, sudoable=False)
        lines = done["stdout"].strip().splitlines()
        try:
            status = json.loads("\n".join(lines[:-2]))
        except ValueError:
            # Not written yet, or the agent died before it could.
            return {}, lines[-1:] == ["alive"]
        return status, lines[-1] == "alive" and status.get("boot_id") in (None, "", lines[-2])

    def _reset(self) -> None:
        try:
            self._connection.reset()
        except AnsibleError:
            # It is down: the next look finds out.
            return
        except NotImplementedError:
            return

    @staticmethod
    def _end(status: dict[str, Any], phase: str) -> dict[str, Any]:
        code = status.get("exit_code")
        return {
            "phase": phase,
            "rc": int(code) if code is not None else 4,
            "status": status,
            "cells": status.get("cells") or [],
        }

    def _gone(self, host: str, run_id: str, status: dict[str, Any], patience: float, error: str) -> dict[str, Any]:
        reason = (error.strip() or "no reason given").splitlines()[-1]
        return dict(
            self._end(dict(status, exit_code=4), str(status.get("phase") or "starting")),
            msg="%s was out of reach for %d s (%s). Its cells may go on there; fix: when it is back, repeat with "
            "-e benchmark_run_id=%s" % (host, patience, reason, run_id),
        )


def verdicts(status: dict[str, Any]) -> str:
    """The cells that went wrong and why, in one line."""
    bad = [
        "%s %s%s" % (
            cell.get("id"),
            cell.get("verdict") or cell.get("state"),
            " (%s)" % "; ".join(cell["reasons"]) if cell.get("reasons") else "",
        )
        for cell in status.get("cells") or []
        if cell.get("exit_code") != 0
    ]  # fmt: skip
    return ", ".join(bad) or status.get("message") or "it did not finish"
