# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Looks at a host by two modules and at the controller from here, and prints a line for each check."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from typing import Any

from ansible import __version__ as ansible_version
from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils._doctor import (
    FAIL,
    OK,
    WARN,
    Check,
    Facts,
    Finding,
    connection,
    line,
    text,
)
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import write_json

MODULE = "loadfleet.mlperf.doctor"
OLDEST_ANSIBLE = (2, 19)
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
COMMAND_S = 30

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, print, report. Never fails by itself: `failing` names what does."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        host = str(task_vars.get("inventory_hostname", ""))
        args = dict(self._task.args)
        checks = self._host(args, task_vars)
        hosts = list(task_vars.get("ansible_play_hosts_all") or [host])
        parts = [text(host, checks)]
        answer: dict[str, Any] = {"changed": False, "checks": checks}
        if host == hosts[0]:
            answer["controller"] = controller(len(hosts), int(task_vars.get("ansible_forks") or C.DEFAULT_FORKS))
            parts.insert(0, text("controller", answer["controller"]))
        everything = [*checks, *answer.get("controller", [])]
        answer["failing"] = [one["check"] for one in everything if one["status"] == FAIL]
        # At once: other hosts print at the same time.
        display.display("\n" + "\n".join(parts) + "\n")
        if args.get("report"):
            folder = os.path.expanduser(args["report"])
            try:
                os.makedirs(folder, exist_ok=True)
                write_json(os.path.join(folder, re.sub(r"[^\w.-]", "_", host) + ".json"), dict(answer, host=host))
            except OSError as error:
                raise AnsibleActionFail("report %s: %s" % (folder, error.strerror)) from None
        return answer

    def _host(self, args: dict[str, Any], task_vars: dict[str, Any]) -> list[dict[str, str]]:
        asked = {"store_path": args.get("store_path", "~/.cache/loadfleet"), "capabilities": ["python-venv"]}
        try:
            answer = self._execute_module(module_name="loadfleet.mlperf.probe", module_args=asked, task_vars=task_vars)
            if "facts" in answer:
                args["facts"] = answer["facts"]
                answer = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        except AnsibleError as error:
            return [connection(str(error))]
        if "checks" not in answer:
            words = [str(answer.get(key) or "") for key in ("module_stderr", "msg", "module_stdout")]
            return [connection("\n".join(words))]
        checks: list[dict[str, str]] = answer["checks"]
        return checks


def _ansible(_facts: Facts) -> Finding:
    version = tuple(int(part) for part in re.findall(r"\d+", ansible_version)[:2])
    return OK if version >= OLDEST_ANSIBLE else FAIL, ansible_version


def _forks(facts: Facts) -> Finding:
    return OK if facts["forks"] >= facts["hosts"] else FAIL, "%(forks)d forks for %(hosts)d host(s)" % facts


def _host_keys(_facts: Facts) -> Finding:
    return (OK, "checked") if C.HOST_KEY_CHECKING else (WARN, "not checked")


def _configuration(_facts: Facts) -> Finding:
    used = C.CONFIG_FILE
    path = os.path.join(PROJECT, "ansible.cfg")
    if not os.path.exists(path):
        return OK, "%s (the collection is installed)" % (used or "none")
    if os.stat(PROJECT).st_mode & stat.S_IWOTH:
        return WARN, "%s is writable by everybody: ansible-playbook ignores its ansible.cfg" % PROJECT
    if not used or os.path.realpath(used) != path:
        return WARN, str(used or "none")
    return OK, path


def _command(_facts: Facts) -> Finding:
    places = (
        os.path.join(os.path.dirname(sys.executable), "loadfleet"),
        os.path.expanduser("~/.cache/loadfleet/venvs/controller/bin/loadfleet"),
    )
    path = next((place for place in places if os.access(place, os.X_OK)), None)
    if path is None:
        return WARN, "not here yet"
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=COMMAND_S)
    if done.returncode != 0:
        return FAIL, "%s does not run: %s" % (path, (done.stderr.strip() or "no reason given").splitlines()[-1])
    return OK, "%s (%s)" % (done.stdout.strip(), path)


CHECKS = (
    Check("ansible", "2.19 or newer", _ansible, "use the environment that `make setup` makes"),
    Check("forks", "one for each host", _forks, "ansible-playbook --forks {hosts}, or forks in ansible.cfg"),
    Check("host keys", "checked", _host_keys, "remove host_key_checking and ANSIBLE_HOST_KEY_CHECKING"),
    Check("ansible.cfg", "the one of {project}", _configuration,
          "chmod o-w {project}, or export ANSIBLE_CONFIG={project}/ansible.cfg"),
    Check("loadfleet", "the command on the controller", _command, "it is made when a run is reported, or: make setup"),
)  # fmt: skip


def controller(hosts: int, forks: int) -> list[dict[str, str]]:
    """The checks of the machine that Ansible runs on."""
    facts = {"hosts": hosts, "forks": forks}
    asked = {"hosts": str(hosts), "project": PROJECT}
    return [line(check, *check.look(facts), asked=asked) for check in CHECKS]
