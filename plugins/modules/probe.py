#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Measure a host, its readiness and its MLPerf system description in one call
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Reads C(/proc), C(/sys), C(/etc/os-release) and the tools that are there, and changes nothing.
  - Does in one call what would cost a dozen small ones, since starting a module costs more than what it does.
  - Never invents. What cannot be measured is V(none) in the facts and an empty string in the description.
  - Memory modules need C(dmidecode) and root; accelerators need C(nvidia-smi) or C(rocm-smi). None is needed.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.group
  - loadfleet.mlperf.store
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
  name:
    description:
      - Name of the system, as it will stand in results and submissions.
      - Characters that are no letter, digit, dot, dash or underscore become a dash.
      - An empty name is replaced by the host's own.
    type: str
    default: ""
  overrides:
    description:
      - Values of the MLCommons system description that people know and software cannot measure, such as C(cooling).
      - They win over what was measured.
      - Beside the keys that every description has, those of the network division (C(network_type) and so on)
        and optional ones such as C(system_power_capacity) are known.
    type: dict
    default: {}
  fallbacks:
    description:
      - Values for keys that turn out neither measurable nor given in O(overrides).
      - RV(unmeasured) still lists those keys.
    type: dict
    default: {}
  capabilities:
    description:
      - What to try out. V(python-venv) is a Python of at least O(python_minimum) that can make environments,
        V(library:NAME) a shared library that loads, V(command:NAME) a command on the path.
    type: list
    elements: str
    default: []
  packages:
    description: Operating system packages to look for in the package database.
    type: list
    elements: str
    default: []
  python:
    description: The interpreter that O(capabilities) is about. Empty for a search.
    type: str
    default: ""
  environment:
    description: Folder of a Python environment whose packages are listed. Empty for none.
    type: str
    default: ""
  python_minimum:
    description: Oldest version of Python that the harness runs on.
    type: str
    default: "3.11"
"""

EXAMPLES = r"""
- name: Measure the host
  loadfleet.mlperf.probe:
    overrides:
      cooling: air
  register: host

- name: See whether something is missing
  loadfleet.mlperf.probe:
    capabilities:
      - python-venv
      - library:libstdc++.so.6
    packages:
      - numactl
  register: host
"""

RETURN = r"""
facts:
  description: What was measured; V(none) for what could not be.
  returned: always
  type: dict
  contains:
    cpu:
      description: Model, sockets, cores, threads, highest frequency, caches, microcode, governor, instruction sets.
      type: dict
    memory:
      description: Bytes in total and available, and the modules.
      type: dict
    storage:
      description: Device under the store, its type and size.
      type: dict
    networks:
      description: Physical network cards.
      type: list
      elements: dict
    accelerators:
      description: GPUs that their driver sees.
      type: list
      elements: dict
    os:
      description: Distribution, its family and the kernel.
      type: dict
    python:
      description: The interpreter that environments are made with.
      type: dict
    environment:
      description: Version of Python and packages in O(environment).
      type: dict
    virtualisation:
      description: Container, virtual machine or none.
      type: dict
    free:
      description: Free bytes of disk under the store, and of memory.
      type: dict
    user:
      description: Account that Ansible logs in with.
      type: str
    root:
      description: Whether that account is root.
      type: bool
    sudo:
      description: Whether that account may use sudo without a password.
      type: bool
    capabilities:
      description: Each of O(capabilities) and whether it is there.
      type: dict
    missing_packages:
      description: Those of O(packages) that are not installed.
      type: list
      elements: str
    boot_id:
      description: Changes with every start of the host.
      type: str
    clock:
      description: The host's clock, seconds since 1970.
      type: float
system_description:
  description: The 35 keys of an MLCommons system description, all strings.
  returned: always
  type: dict
  sample: {host_processors_per_node: "2", accelerators_per_node: "0"}
unmeasured:
  description: Keys of the description that could neither be measured nor were given.
  returned: always
  type: list
  elements: str
  sample: [cooling, host_memory_configuration]
system:
  description: The content of C(system.json), made of the three above.
  returned: always
  type: dict
"""

import ctypes
import getpass
import os
import platform
import re
import shutil
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _probe, _python
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import existing_parent, expand


class Probe:
    """One look at the host."""

    def __init__(self, module: AnsibleModule, root: str = "/") -> None:
        self.module = module
        self.root = root

    def look(self) -> dict:
        params = self.module.params
        facts = self._facts(expand(params["store_path"]))
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", params["name"] or platform.node()).strip("-.") or "system"
        try:
            system = _probe.system(facts, name, params["overrides"], params["fallbacks"])
        except ValueError as error:
            self.module.fail_json(msg="system description: %s" % error)
        return {
            "changed": False,
            "facts": facts,
            "system_description": system["description"],
            "unmeasured": system["unmeasured"],
            "system": system,
        }

    def _facts(self, store: str) -> dict:
        params = self.module.params
        privileged = os.geteuid() == 0
        place = existing_parent(store)
        device = os.stat(place).st_dev
        minimum = tuple(int(part) for part in params["python_minimum"].split("."))
        interpreter = _python.find(params["python"], minimum, self._run)
        version = _python.version(interpreter, self._run) if interpreter else None
        system = _probe.operating_system(self.root)
        memory = _probe.memory(self.root, self._run, privileged)
        return {
            "hostname": platform.node(),
            "architecture": platform.machine(),
            "cpu": _probe.cpu(self.root, self._run),
            "memory": memory,
            "storage": _probe.storage(self.root, place, (os.major(device), os.minor(device))),
            "networks": _probe.networks(self.root),
            "accelerators": _probe.accelerators(self._run),
            "os": system,
            "python": {
                "executable": interpreter,
                "version": ".".join(str(part) for part in version) if version else platform.python_version(),
            },
            "environment": _probe.environment(expand(params["environment"])) if params["environment"] else None,
            "virtualisation": _probe.virtualisation(self.root),
            "free": {"disk_bytes": shutil.disk_usage(place).free, "memory_bytes": memory["available_bytes"]},
            "user": getpass.getuser(),
            "root": privileged,
            "sudo": privileged or self._run(["sudo", "-n", "true"])[0] == 0,
            "capabilities": {name: self._can(name, interpreter) for name in params["capabilities"]},
            "missing_packages": _probe.missing_packages(params["packages"], system["family"], self._run),
            "boot_id": _probe.read(self.root, "/proc/sys/kernel/random/boot_id"),
            "clock": time.time(),
        }

    def _can(self, capability: str, interpreter: str | None) -> bool:
        if capability == "python-venv":
            return bool(interpreter) and _python.can_make_environments(interpreter, self._run)
        kind, _colon, name = capability.partition(":")
        if kind == "command" and name:
            return shutil.which(name) is not None
        if kind == "library" and name:
            try:
                ctypes.CDLL(name)
            except OSError:
                return False
            return True
        self.module.fail_json(
            msg="unknown capability %r: python-venv, library:NAME and command:NAME can be tried" % capability
        )
        return False

    def _run(self, command: list) -> tuple:
        path = shutil.which(command[0])
        if path is None:
            return 127, ""
        status, out, _err = self.module.run_command([path, *command[1:]], environ_update={"LC_ALL": "C"})
        return status, out


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "name": {"type": "str", "default": ""},
            "overrides": {"type": "dict", "default": {}},
            "fallbacks": {"type": "dict", "default": {}},
            "capabilities": {"type": "list", "elements": "str", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
            "python": {"type": "str", "default": ""},
            "environment": {"type": "str", "default": ""},
            "python_minimum": {"type": "str", "default": "3.11"},
        },
        supports_check_mode=True,
    )
    module.exit_json(**Probe(module).look())


if __name__ == "__main__":
    main()
