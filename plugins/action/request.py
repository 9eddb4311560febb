# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes down what a run was asked for before anything runs, so that the run id alone continues it."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.parsing.splitter import parse_kv
from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _failure, _hidden
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, point, read_json, write_json

# Set by the Python API: its file of secrets and their names. Not LOADFLEET_..., which cells record.
SECRETS = "_LOADFLEET_SECRETS"
# Said anew by whoever continues the run, and no part of what was asked.
OWN = frozenset(("benchmark_run_id", "results_path", "benchmark_results_path"))
# Options of ansible-playbook that a later call needs to reach the same hosts in the same way.
OPTIONS = (
    ("remote_user", "--user"),
    ("private_key_file", "--private-key"),
    ("become", "--become"),
    ("become_user", "--become-user"),
    ("become_method", "--become-method"),
    ("connection", "--connection"),
    ("become_password_file", "--become-password-file"),
    ("connection_password_file", "--connection-password-file"),
)
# Passwords that were typed in.
ASKED = (("ask_pass", "ansible_password"), ("become_ask_pass", "ansible_become_password"))


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write run.json once, point `latest` at the run, name the hosts that are gone already."""
        super().run(tmp, task_vars)
        args, task_vars = self._task.args, task_vars or {}
        if not args.get("folder") or not isinstance(args.get("content"), dict):
            raise AnsibleActionFail("missing required arguments: folder and content")
        folder = expand(args["folder"])
        path = os.path.join(folder, "run.json")
        if self._task.check_mode:
            return {"changed": False, "path": path}
        try:
            os.makedirs(folder, exist_ok=True)
            if not isinstance(read_json(path), dict):
                write_json(path, public(args["content"], asked(self._loader)))
            point(os.path.join(os.path.dirname(folder), "latest"), os.path.basename(folder))
            self._name_the_lost(folder, args["content"].get("hosts") or [], task_vars.get("ansible_play_hosts") or [])
        except OSError as error:
            words = "%s on the controller: %s; fix: set results_path to a folder of yours on a disk with room"
            raise AnsibleActionFail(words % (folder, error.strerror)) from None
        return {"changed": False, "path": path}

    @staticmethod
    def _name_the_lost(folder: str, hosts: list[str], present: list[str]) -> None:
        for host in hosts:
            if host in present:
                _failure.forget(folder, host)
                continue
            words = "the host was out of reach or failed in a task before the run"
            fix = "see the task above that named it, mend that, then: loadfleet resume %s" % os.path.basename(folder)
            _failure.keep(folder, _failure.of_host("connection", host, words, fix))


def public(content: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """run.json of the controller: the settings without the values of secrets, and the request."""
    environment, secrets = _hidden.split(content.get("environment") or {})
    return dict(content, environment=environment, secret_environment=sorted(secrets), request=request)


def asked(loader: Any) -> dict[str, Any]:
    """How ansible-playbook was called: everything that `loadfleet resume` needs to call it again."""
    given = context.CLIARGS
    hidden = json.loads(os.environ.get(SECRETS) or "{}")
    variables, lost = [], list(hidden.get("names") or [])
    if hidden.get("values"):
        variables.append({"values": _hidden.strip(hidden["values"])[0]})
    for text in given.get("extra_vars") or ():
        if text.startswith("@"):
            if text[1:] != hidden.get("file"):
                variables.append({"file": os.path.abspath(os.path.expanduser(text[1:]))})
            continue
        value = loader.load(text) if text[:1] in "[{" else parse_kv(text)
        kept, names = _hidden.strip({key: part for key, part in value.items() if key not in OWN})
        lost += names
        if kept:
            variables.append({"values": kept})
    lost += [name for option, name in ASKED if given.get(option)]
    options = []
    for name, option in OPTIONS:
        value = given.get(name)
        if value and value != DEFAULTS.get(name):
            options += [option] if value is True else [option, str(value)]
    for place in given.get("vault_password_files") or ():
        options += ["--vault-password-file", str(place)]
    for label in given.get("vault_ids") or ():
        options += ["--vault-id", str(label)]
    if given.get("forks") and given["forks"] != C.DEFAULT_FORKS:
        options += ["--forks", str(given["forks"])]
    return {
        "playbooks": [os.path.abspath(name) if os.path.exists(name) else name for name in given.get("args") or ()],
        "inventory": [str(place) for place in given.get("inventory") or ()],
        "limit": given.get("subset"),
        "tags": [tag for tag in given.get("tags") or () if tag != "all"],
        "skip_tags": list(given.get("skip_tags") or ()),
        "extra_vars": variables,
        "secrets": sorted(set(lost)),
        "options": options,
        "ansible_config": C.CONFIG_FILE,
        "folder": os.getcwd(),
    }


# What the options are when nobody gives them.
DEFAULTS = {
    "remote_user": C.DEFAULT_REMOTE_USER,
    "private_key_file": C.DEFAULT_PRIVATE_KEY_FILE,
    "become": C.DEFAULT_BECOME,
    "become_user": C.DEFAULT_BECOME_USER,
    "become_method": C.DEFAULT_BECOME_METHOD,
    "connection": C.DEFAULT_TRANSPORT,
    "become_password_file": C.BECOME_PASSWORD_FILE,
    "connection_password_file": C.CONNECTION_PASSWORD_FILE,
}
