# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Has on the controller the files that a host lacks, and sends them."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import answer, complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand
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
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise AnsibleActionFail("%s on the controller: %s" % (executable, error.strerror)) from error
    if done.returncode != 0:
        reason = complaint(done.returncode, done.stdout, done.stderr)
        raise AnsibleActionFail("%s %s on the controller: %s" % (kind, name, reason))
    path: str = answer(done.stdout)["path"]
    return path
