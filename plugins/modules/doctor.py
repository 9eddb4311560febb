#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: Say what keeps a host from measuring, or from measuring well
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Looks at the host, at what is installed there, and at the controller, and changes nothing.
  - Prints one line a check with its status, what was seen, what was wanted, and what to do. V(warn) means that a
    benchmark runs, or will after the host was prepared; V(fail) that it cannot run before this is mended.
  - Works on bare hosts. What a host that cannot be reached says is a check that fails, with its fix.
  - Measures with M(loadfleet.mlperf.probe), and asks the command C(loadfleet) there about itself.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
  - loadfleet.mlperf.attributes.group
  - loadfleet.mlperf.store
  - loadfleet.mlperf.store.command
attributes:
  check_mode:
    support: full
    details:
      - This module does not modify state.
  diff_mode:
    support: N/A
    details:
      - This module does not modify state.
  idempotent:
    support: full
options:
  workload:
    description: What will be measured.
    type: str
    default: bert
  model:
    description: Its model. Empty for the workload's default.
    type: str
    default: ""
  dataset:
    description: Its data set. Empty for the workload's default.
    type: str
    default: ""
  backend:
    description: What will execute the model.
    type: str
    default: onnxruntime
  device:
    description: The device that the backend will use.
    type: str
    default: cpu
  report:
    description: Folder on the controller for a JSON file per host. Empty for none.
    type: str
    default: ""
  facts:
    description: What was measured. Filled in with RV(loadfleet.mlperf.probe#module:facts).
    type: dict
    default: {}
  root:
    description: Folder that stands for C(/), for tests.
    type: str
    default: /
"""

EXAMPLES = r"""
- name: Look at the host
  loadfleet.mlperf.doctor:
    device: cuda
  register: doctor

- name: Refuse a host that cannot measure
  ansible.builtin.fail:
    msg: "{{ doctor.failing | join(', ') }}"
  when: doctor.failing
"""

RETURN = r"""
checks:
  description: Each check with its status (V(ok), V(warn), V(fail)), wanted, seen and fix.
  returned: always
  type: list
  elements: dict
  sample:
    - check: governor
      status: warn
      wanted: performance
      seen: powersave
      fix: "set platform_tuning_profile: throughput-server"
controller:
  description: The same for the controller.
  returned: for the first host of the play
  type: list
  elements: dict
failing:
  description: Names of the checks that fail.
  returned: always
  type: list
  elements: str
  sample: [disk]
"""

import ctypes
import json
import os
import resource
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _doctor, _lock, _settings, _tuning
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import answer, complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, read_json

LIMITS = {"nofile": resource.RLIMIT_NOFILE, "memlock": resource.RLIMIT_MEMLOCK}
ENVIRONMENT = _doctor.Check(
    "environment", "the command loadfleet at {executable}", lambda facts: ("", ""), "run playbooks/prepare.yml"
)


class Doctor:
    """One look at the host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.root = module.params["root"]
        self.store = expand(module.params["store_path"])
        self.executable = expand(module.params["executable"])
        self.asked = {"device": module.params["device"], "store_path": self.store, "executable": self.executable}

    def look(self) -> dict:
        checks = _doctor.judge(self._facts()) + self._harness()
        return {
            "changed": False,
            "checks": checks,
            "failing": [one["check"] for one in checks if one["status"] == _doctor.FAIL],
        }

    def _facts(self) -> dict:
        settings = {name: _settings.shown(_settings.values(self.root, name)) for name in _settings.SETTINGS}
        places = _tuning.places(self.root, self.store, os.geteuid() == 0)
        records = [record for record in map(read_json, places) if isinstance(record, dict)]
        boot_id = self.module.params["facts"].get("boot_id")
        return {
            "asked": self.asked,
            "probe": self.module.params["facts"],
            "settings": settings,
            "swap": _settings.swap(self.root),
            "swappiness": _settings.swappiness(self.root),
            "limits": {name: resource.getrlimit(number) for name, number in LIMITS.items()},
            "load": _doctor.load(self.root),
            "clock": _doctor.clock(self.root, self._run, kernel_clock),
            "busy": _lock.holder(self.store),
            "tuned": next((one.get("profile") for one in records if one.get("boot_id") == boot_id), None),
        }

    def _harness(self) -> list:
        """What the host's own command says of its environment and store."""
        if not os.access(self.executable, os.X_OK):
            # A link into a folder that is gone is broken; no link at all is a host that was not prepared yet.
            environment = os.path.dirname(os.path.dirname(self.executable))
            broken = os.path.lexists(self.executable) or os.path.islink(environment)
            status, seen = (_doctor.FAIL, "it is broken") if broken else (_doctor.WARN, "not prepared yet")
            return [_doctor.line(ENVIRONMENT, status, seen, self.asked)]
        params = self.module.params
        command = [self.executable, "doctor", "--harness", "--json", "--store", self.store]
        for name in ("workload", "model", "dataset", "backend", "device"):
            command += ["--" + name, params[name]] if params[name] else []
        status, out, err = self.module.run_command(command)
        checks = answer(out).get("checks")
        if status in (0, 3) and checks:
            return checks
        if "No such command" in err:
            return [_doctor.line(ENVIRONMENT, _doctor.WARN, "it is older than this collection", self.asked)]
        return [_doctor.line(ENVIRONMENT, _doctor.FAIL, complaint(status, out, err).splitlines()[-1], self.asked)]

    def _run(self, command: list) -> tuple:
        path = shutil.which(command[0])
        if path is None:
            return 127, ""
        status, out, _err = self.module.run_command([path, *command[1:]], environ_update={"LC_ALL": "C"})
        return status, out


def kernel_clock() -> bool | None:
    """Whether the kernel believes that something keeps its clock right (ntp_adjtime(3) with nothing to change)."""
    try:
        state = ctypes.CDLL(None).ntp_adjtime(ctypes.create_string_buffer(1024))
    except (OSError, AttributeError):
        return None
    # TIME_ERROR is 5; -1 is a sandbox that forbids the call.
    return None if state < 0 else state != 5


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "executable": {"type": "str", "default": "~/.cache/loadfleet/venvs/onnxruntime/bin/loadfleet"},
            "workload": {"type": "str", "default": "bert"},
            "model": {"type": "str", "default": ""},
            "dataset": {"type": "str", "default": ""},
            "backend": {"type": "str", "default": "onnxruntime"},
            "device": {"type": "str", "default": "cpu"},
            "report": {"type": "str", "default": ""},
            "facts": {"type": "dict", "default": {}},
            "root": {"type": "str", "default": "/"},
        },
        supports_check_mode=True,
    )
    if not module.params["facts"]:
        module.fail_json(msg="doctor needs what probe measured; its action plugin was not found")
    module.exit_json(**json.loads(json.dumps(Doctor(module).look())))


if __name__ == "__main__":
    main()
