#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_tuning
short_description: Apply a platform's kernel settings, compare them, or put the earlier ones back
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Sets CPU governor, huge pages, NUMA balancing, swappiness and limits as a platform file of the catalogue says.
  - Writes the earlier values to disk before it changes the first one, in C(/var/lib/loadfleet) as root and below
    O(store_path) else. O(state=restored) puts back exactly those, also after a crash of the controller or the module.
  - The record belongs to one start of the host. After a restart kernel settings are the default again; the record is
    then discarded with a notice, and only files that outlive a restart are put back.
  - Lists what cannot be set, such as what a virtual machine hides, and goes on.
  - Never changes anything while a run measures on the host.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
  - loadfleet.mlperf.attributes.group
  - loadfleet.mlperf.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(applied) has the settings as the profile says, V(restored) puts the earlier ones back.
      - V(verified) only compares.
    type: str
    choices: [applied, restored, verified]
    default: applied
  profile:
    description: Name of a platform file. Needed to apply and to verify.
    type: str
    default: ""
  platforms:
    description: Folders on the controller with platform files, the most important one first.
    type: list
    elements: str
    default: []
  settings:
    description: What to set. Filled in from O(profile), whose values these override one by one.
    type: dict
    default: {}
  hints:
    description: Advice to look for, of V(irq) and V(cores). Filled in from O(profile).
    type: list
    elements: str
    default: []
  match:
    description: What the host must show. Filled in from O(profile).
    type: dict
    default: {}
  strict:
    description: Fail, with nothing changed, when something cannot be set or (to verify) differs.
    type: bool
    default: false
  root:
    description: Folder that stands for C(/), for tests.
    type: str
    default: /
"""

EXAMPLES = r"""
- name: Tune a server for throughput
  loadfleet.mlperf.platform_tuning:
    profile: throughput-server
    platforms: [harness/src/loadfleet/catalogue/data/platforms]
  become: true

- name: Put the earlier settings back
  loadfleet.mlperf.platform_tuning:
    state: restored
  become: true
"""

RETURN = r"""
platform:
  description: The profile, the value of each of its settings now, and the settings that are as it says.
  returned: success
  type: dict
  sample: {profile: throughput-server, values: {swappiness: "1"}, applied: [swappiness]}
refused:
  description: What could not be set or put back, with setting, wanted, seen and reason.
  returned: success
  type: list
  elements: dict
notices:
  description: What else is worth knowing, in sentences.
  returned: success
  type: list
  elements: str
advice:
  description: What only an administrator can decide, in sentences.
  returned: success
  type: list
  elements: str
"""

import os
import platform

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _lock, _probe, _settings, _tuning
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand


class Platform:
    """The host's settings and what is asked for."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        params = module.params
        self.root, self.wanted = params["root"], params["settings"]
        store = params["store_path"]
        if store.startswith("~/") and os.environ.get("SUDO_USER"):
            # The home folder of who logged in: become has replaced it.
            store = "~" + os.environ["SUDO_USER"] + store[1:]
        store = expand(store)
        unknown = sorted(set(self.wanted) - set(_settings.SETTINGS)) + sorted(
            set(params["hints"]) - set(_settings.HINTS)
        )
        if unknown:
            known = ", ".join([*_settings.SETTINGS, *_settings.HINTS])
            module.fail_json(msg="unknown %s; fix: use some of %s" % (", ".join(unknown), known), rc=2)
        places = _tuning.places(self.root, store, os.geteuid() == 0)
        self.tuner = _tuning.Tuner(self.root, places, _lock.holder(store))

    def work(self) -> dict:
        params = self.module.params
        if params["state"] == "restored":
            answer = self.tuner.restore(self.module.check_mode)
            if params["strict"] and answer["refused"]:
                self._fail("; ".join(map(_tuning.words, answer["refused"])), 3)
            return dict(answer, advice=[])
        self._fits()
        if params["state"] == "verified":
            answer = self.tuner.verify(self.wanted, params["profile"])
            if params["strict"] and answer["refused"]:
                self._fail("; ".join(map(_tuning.words, answer["refused"])), 3)
        else:
            try:
                answer = self.tuner.apply(params["profile"], self.wanted, params["strict"], self.module.check_mode)
            except _tuning.TuningError as error:
                self._fail(str(error), error.rc)
        return dict(answer, advice=_settings.hints(self.root, params["hints"]) + self._swap())

    def _fits(self) -> None:
        match = self.module.params["match"]
        if not match:
            return
        facts = dict(_probe.cpu(self.root, self._run), architecture=platform.machine())
        wrong = [
            "%s is %s, not %s" % (key, facts.get(key), match[key]) for key in match if facts.get(key) != match[key]
        ]
        if wrong:
            self._fail(
                "it is for other machines: %s; fix: set platform_tuning_profile for this host" % ", ".join(wrong), 2
            )

    def _swap(self) -> list:
        space = _settings.swap(self.root)
        if not space["total_bytes"]:
            return []
        return [
            "swap space is on (%d MiB, %d MiB in use); a model that is swapped out answers in seconds, so turn it off "
            "for a run (swapoff --all)" % (space["total_bytes"] >> 20, space["used_bytes"] >> 20)
        ]

    def _run(self, command: list) -> tuple:
        status, out, _err = self.module.run_command(command, environ_update={"LC_ALL": "C"})
        return status, out

    def _fail(self, message: str, rc: int) -> None:
        profile = self.module.params["profile"]
        self.module.fail_json(msg="platform %s: %s" % (profile, message) if profile else message, rc=rc)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "state": {"type": "str", "choices": ["applied", "restored", "verified"], "default": "applied"},
            "profile": {"type": "str", "default": ""},
            "platforms": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "dict", "default": {}},
            "hints": {"type": "list", "elements": "str", "default": []},
            "match": {"type": "dict", "default": {}},
            "strict": {"type": "bool", "default": False},
            "root": {"type": "str", "default": "/"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**Platform(module).work())
    except (OSError, TimeoutError) as error:
        module.fail_json(msg="platform settings: %s" % error, rc=3)


if __name__ == "__main__":
    main()
