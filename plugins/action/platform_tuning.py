# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads a platform file and those it is based on, here on the controller, and shows what a host could not be given."""

from __future__ import annotations

import difflib
import glob
import os
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils._tuning import words
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained

MODULE = "loadfleet.mlperf.platform_tuning"

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resolve the profile, let the host do it, show what is worth knowing."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        state, name = args.get("state", "applied"), args.get("profile") or ""
        if state != "restored":
            folders = [os.path.expanduser(str(one)) for one in args.get("platforms") or []]
            try:
                profile = resolve(name, folders)
            except ValueError as error:
                raise AnsibleActionFail(str(error), result={"rc": 2}) from None
            args["settings"] = {**profile["settings"], **(args.get("settings") or {})}
            args["hints"], args["match"] = profile["hints"], profile["match"]
        answer = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        host = task_vars.get("inventory_hostname", "")
        for refusal in answer.get("refused") or []:
            display.display("%-12s not set  %s" % (host, words(refusal)))
        for text in answer.get("notices") or []:
            display.display("%-12s notice   %s" % (host, text))
        for text in answer.get("advice") or []:
            display.display("%-12s advice   %s" % (host, text))
        return answer


def resolve(name: str, folders: list[str]) -> dict[str, Any]:
    """A platform with what it inherits: `settings`, `hints` and `match`, those of the derived file winning key by key.

    Raises:
        ValueError: No such platform, a file that cannot be read, or files based on each other in a circle.
    """
    chain: list[dict[str, Any]] = []
    seen: list[str] = []
    following: str | None = name
    while following:
        if following in seen:
            raise ValueError("the platforms %s are based on each other" % " -> ".join([*seen, following]))
        seen.append(following)
        chain.append(_read(following, folders))
        following = chain[-1].get("based_on")
    found: dict[str, Any] = {"settings": {}, "hints": [], "match": {}}
    for platform in reversed(chain):
        tuning = platform.get("tuning") or {}
        limits = {**found["settings"].get("limits", {}), **tuning.get("limits", {})}
        found["settings"].update(tuning, **({"limits": limits} if limits else {}))
        found["hints"] += [hint for hint in platform.get("hints") or [] if hint not in found["hints"]]
        found["match"].update(platform.get("match") or {})
    return found


def _read(name: str, folders: list[str]) -> dict[str, Any]:
    for folder in folders:
        path = os.path.join(folder, os.path.basename(name) + ".yml")
        if os.path.isfile(path):
            try:
                with open(path, encoding="utf-8") as stream:
                    value = yaml.safe_load(stream)
            except (OSError, yaml.YAMLError) as error:
                raise ValueError("platform file %s: %s" % (path, error)) from None
            if not isinstance(value, dict) or not isinstance(value.get("tuning") or {}, dict):
                raise ValueError("platform file %s: a mapping with `tuning` is expected" % path)
            return value
    known = sorted({os.path.basename(path)[:-4] for folder in folders for path in glob.glob(folder + "/*.yml")})
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = " (did you mean %s?)" % close[0] if close else ""
    raise ValueError("no platform named %r%s; fix: use one of %s" % (name, hint, ", ".join(known) or "(none found)"))
