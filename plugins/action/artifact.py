# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Has on the controller the files that a host lacks, and sends them."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import answer, complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, sha256
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained

MODULE = "loadfleet.mlperf.artifact"


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the host, send what it lacks, ask it to make the entry."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        if args.get("imported"):
            return self._import(args, task_vars)
        first = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        lacks, incoming = first.pop("lacks", []), first.pop("incoming", "")
        if first.get("failed") or not incoming:
            return first
        for entry in sorted({(each["kind"], each["name"]) for each in lacks}):
            folder = have(*entry, args)
            for each in lacks:
                if (each["kind"], each["name"]) == entry:
                    remote = self._connection._shell.join_path(incoming, each["checksum"])
                    self._transfer_file(os.path.join(folder, each["file"]), remote)
        args["brought"] = incoming
        final = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        final.pop("lacks", None)
        return dict(final, sent=[each["file"] for each in lacks])

    def _import(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Have a model of the user's own: the host takes its own file, or is sent the controller's."""
        wish = args["imported"] = {name: value for name, value in args["imported"].items() if value}
        if boolean(args.get("from_controller", False)) and not wish.get("path"):
            wish["path"] = fetched(args)
        local = expand(wish["path"]) if wish.get("path") else ""
        if os.path.isfile(local) and not wish.get("sha256"):
            wish["sha256"] = sha256(local)
        sent: list[str] = []
        while True:
            result = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
            lacks, incoming = result.pop("lacks", []), result.pop("incoming", "")
            if result.get("failed") or not lacks or self._task.check_mode:
                return dict(result, sent=sent) if sent else result
            host = task_vars.get("inventory_hostname") or "the host"
            for name in lacks:
                path = os.path.join(os.path.dirname(local), name)
                if not os.path.isfile(path) or name in sent:
                    raise AnsibleActionFail(
                        "%s: no such file, on the controller or on %s; fix: correct benchmark_model_path" % (path, host)
                    )
                self._transfer_file(path, self._connection._shell.join_path(incoming, name))
                sent.append(name)
            args["brought"] = incoming


def fetched(args: dict[str, Any]) -> str:
    """The file of a model of the user's own that the controller fetched into its store, for hosts without a network.

    Raises:
        AnsibleActionFail: The controller cannot have it.
    """
    executable, wish = expand(args.get("controller_executable") or "loadfleet"), args["imported"]
    command = [executable, "cache", "import", args["name"], "--json"]
    command += ["--store", expand(args.get("controller_store") or "~/.cache/loadfleet")]
    for name in ("url", "hf", "sha256", "workload", "preprocessing"):
        command += ["--" + name, str(wish[name])] if wish.get(name) else []
    for name, sizes in sorted((wish.get("shapes") or {}).items()):
        command += ["--shape", "%s=%s" % (name, ",".join(str(size) for size in sizes))]
    for mirror in args.get("mirrors") or []:
        command += ["--mirror", str(mirror)]
    found = asked(command, "model %s" % args["name"])
    return os.path.join(found["path"], found["file"])


def have(kind: str, name: str, args: dict[str, Any]) -> str:
    """The folder of an entry in the controller's store; the first host's turn fetches it, the others' wait and find it.

    Raises:
        AnsibleActionFail: There is no command, or it cannot get the entry.
    """
    executable = expand(args["controller_executable"]) if args.get("controller_executable") else "loadfleet"
    command = [executable, "cache", "ensure", kind, name, "--json"]
    command += ["--store", expand(args.get("controller_store") or "~/.cache/loadfleet")]
    for mirror in args.get("mirrors") or []:
        command += ["--mirror", str(mirror)]
    for key, path in sorted((args.get("supplied") or {}).items()):
        command += ["--supplied", "%s=%s" % (key, path)]
    path: str = asked(command, "%s %s" % (kind, name))["path"]
    return path


def asked(command: list[str], title: str) -> dict[str, Any]:
    """What a command on the controller answers in JSON.

    Raises:
        AnsibleActionFail: There is no such command, or it failed.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise AnsibleActionFail("%s on the controller: %s" % (command[0], error.strerror)) from error
    if done.returncode != 0:
        reason = complaint(done.returncode, done.stdout, done.stderr)
        raise AnsibleActionFail("%s on the controller: %s" % (title, reason))
    return answer(done.stdout)
