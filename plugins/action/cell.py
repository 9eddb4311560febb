# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Watches the agent of a run with the cheapest look there is, and tells how it goes."""

from __future__ import annotations

import json
import os
import shlex
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _failure, _hidden
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand
from ansible_collections.loadfleet.mlperf.plugins.module_utils._progress import FINAL_PHASES, Progress, pause
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained

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
# Looking on without being the one who looks after the run: its lease is not renewed.
OBSERVE = LOOK.replace("touch lease && ", "")
# An agent whose disk is full cannot say so in its log: the first line of the answer is how much is free.
LAST_WORDS = "df -Pk %(folder)s | tail -n 1; tail -n 10 %(folder)s/agent.log 2>/dev/null; true"
FULL_KIB = 1024
# An agent must be missed this often before it is believed dead: it writes its last status just before it ends, and its
# first just after it starts.
DEAD_LOOKS = 3

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False
    # The process that runs the playbook; a task is a process in a session of its own and outlives it.
    _parent = 0

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start or adopt the run, then watch it."""
        super().run(tmp, task_vars)
        task_vars, self._parent = task_vars or {}, os.getppid()
        args = dict(self._task.args)
        host = args.setdefault("host", "") or task_vars.get("inventory_hostname", "")
        args["host"] = host
        state, run = args.get("state", "finished"), expand(args["folder"]) if args.get("folder") else ""
        if run and not self._task.check_mode:
            _failure.forget(run, host)
        without_secrets(args)
        try:
            answer = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            self._explain(run, "connection", host, str(error), "bring the host back, then continue the run")
            raise
        if answer.get("failed") and state != "stopped":
            kind = _failure.CLASSES.get(answer.get("rc", 0), "unknown")
            self._explain(run, kind, host, str(answer.get("msg", "")), "see the message", args.get("executable", ""))
        if answer.get("failed") or self._task.check_mode or state not in ("finished", "watched"):
            return answer
        if answer.get("adopted"):
            display.display("%-12s adopts run %s (%s)" % (host, args["run_id"], answer.get("phase")))
        answer.update(self._watch(answer, args, host))
        if state == "watched" and answer["phase"] == "timeout":
            return dict(answer, failed=True)
        if answer["phase"] == "timeout":
            stop = dict(args, state="stopped")
            self._execute_module(module_name=MODULE, module_args=stop, task_vars=task_vars)
        # Said explicitly: Ansible takes an rc that is not 0 for a failure otherwise.
        answer["failed"] = False
        if answer["rc"] != 0:
            answer.setdefault("msg", "run %s on %s: %s" % (args["run_id"], host, explained(answer["status"])))
            if answer["phase"] != "finished":
                self._explain_end(run, answer, host)
            if boolean(args.get("judge", True)):
                answer["failed"] = True
            elif answer["rc"] != 1:
                # A bad result has its place in the table; that it did not end has none.
                display.warning(answer["msg"])
        return answer

    def _explain(self, run: str, kind: str, host: str, error: str, fix: str, command: str = "") -> None:
        if run and not self._task.check_mode:
            _failure.keep(run, _failure.of_host(kind, host, error, fix, command))

    def _explain_end(self, run: str, answer: dict[str, Any], host: str) -> None:
        """Why a run that was started did not come to its end on this host."""
        if not run:
            return
        kind, lines, fix = answer.get("class", "interrupted"), [], "loadfleet resume %s" % os.path.basename(run)
        if answer["phase"] == "interrupted" and kind == "interrupted":
            try:
                folder = shlex.quote(answer["run_dir"])
                said = self._low_level_execute_command(LAST_WORDS % {"folder": folder}, sudoable=False)["stdout"]
                disk, *lines = [line for line in said.splitlines() if line.strip()] or [""]
                if is_full(disk):
                    kind, fix = "environment", "free some space on that disk, then: %s" % fix
                    words = "run %s on %s: its agent has ended because the disk is full below %s"
                    answer["msg"] = words % (os.path.basename(run), host, answer["run_dir"])
            except AnsibleConnectionFailure:
                kind = "connection"
        command = "loadfleet agent start %s" % answer["run_dir"]
        error = answer["status"].get("message") or answer["msg"]
        _failure.keep(run, _failure.of_host(kind, host, error, fix, command, lines))

    def _watch(self, started: dict[str, Any], args: dict[str, Any], host: str) -> dict[str, Any]:
        folder, first = started["run_dir"], float(args.get("poll_interval", 5))
        patience = float(args.get("reconnect_timeout", 600))
        begin = contact = time.monotonic()
        deadline = begin + float(args.get("timeout", 86400))
        progress, status, dead, retry = Progress(host), {}, 0, 1.0
        look = self._observe if args.get("state") == "watched" else self._look
        while True:
            if os.getppid() != (self._parent or os.getppid()):
                # It was killed: nobody is left to look after the run, so nobody renews its lease.
                raise AnsibleError("ansible-playbook has ended; the run goes on")
            try:
                fresh, alive = look(folder)
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
                words = "run %s on %s: the agent was killed or the host was restarted; the same run id continues it"
                ended = self._end(dict(status, exit_code=4, message=""), "interrupted")
                return dict(ended, msg=words % (args["run_id"], host))
            if time.monotonic() > deadline:
                message = "run %s on %s is stopped after benchmark_timeout (%s s); the same run id continues it"
                words = message % (args["run_id"], host, args.get("timeout"))
                return dict(self._end(status, "timeout"), rc=4, msg=words, **{"class": "timeout"})
            time.sleep(min(pause(first, time.monotonic() - begin), max(0.1, deadline - time.monotonic())))

    def _observe(self, folder: str) -> tuple[dict[str, Any], bool]:
        return self._look(folder, OBSERVE)

    def _look(self, folder: str, command: str = LOOK) -> tuple[dict[str, Any], bool]:
        done = self._low_level_execute_command(command % {"folder": shlex.quote(folder)}, sudoable=False)
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
            self._end(dict(status, exit_code=4, message=""), str(status.get("phase") or "starting")),
            **{"class": "connection"},
            msg="%s was out of reach for %d s (%s). Its cells may go on there; fix: when it is back, repeat with "
            "-e benchmark_run_id=%s" % (host, patience, reason, run_id),
        )


def is_full(line: str) -> bool:
    """Whether a line of `df -Pk` is of a disk without room."""
    words = line.split()
    return len(words) > 3 and words[3].isdigit() and int(words[3]) < FULL_KIB


def without_secrets(args: dict[str, Any]) -> None:
    """Take secrets out of the settings: the module hands them to the agent, they are in no file."""
    settings = args.get("settings")
    if isinstance(settings, dict) and settings.get("environment"):
        public, secrets = _hidden.split(settings["environment"])
        args["settings"] = dict(settings, environment=public, secret_environment=sorted(secrets))
        args["secrets"] = secrets


def explained(status: dict[str, Any]) -> str:
    """What failed, each explained, else which verdicts are bad."""
    return "\n".join(["", *_failure.of_cells(status)]) if _failure.of_cells(status) else verdicts(status)


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
