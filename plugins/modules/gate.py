#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: gate
short_description: Decide which hosts of a fleet may run, before anything runs
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Works on the controller alone, on what M(loadfleet.mlperf.probe) and M(loadfleet.mlperf.clock) measured before.
  - Prints a table of what differs between hosts. Names each host that may not run, why, and what to do about it.
  - Use it with C(run_once).
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - In check mode a fleet that may not run is a warning.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  hosts:
    description: All hosts that the play was started for. One without O(facts) is not there.
    type: list
    elements: str
    required: true
  facts:
    description: By host, RV(loadfleet.mlperf.probe#module:facts).
    type: dict
    required: true
  clocks:
    description: By host, what M(loadfleet.mlperf.clock) returned.
    type: dict
    default: {}
  own:
    description:
      - By host, its own C(disk_mib), C(memory_mib) and C(clock_ms) in the place of the options below; and
        C(fleet_gate_policy) and the like, which have to be the same for all.
    type: dict
    default: {}
  lost:
    description: By host without O(facts), what was said of it.
    type: dict
    default: {}
  spares:
    description: Those of O(hosts) that run only in the place of another one.
    type: list
    elements: str
    default: []
  record:
    description:
      - Description of a run, a C(run.json) on the controller. When it exists the run goes on with the hosts that it
        names, and nothing is judged anew. A host that is not there is left out this time.
    type: str
    default: ""
  policy:
    description:
      - What becomes of a fleet with an unfit host. V(fail) ends the play, V(drop) goes on without the host, V(replace)
        lets one of O(spares) take its place.
    type: str
    choices: [fail, drop, replace]
    default: fail
  identical:
    description: Whether a host that differs from most others is unfit. Otherwise differences are a warning.
    type: bool
    default: false
  forks:
    description: Ansible's forks; with fewer than hosts that run, the task fails.
    type: int
    default: 1
  disk_mib:
    description: Free disk below the store, in MiB, with less of which a host is unfit.
    type: float
    default: 1024
  memory_mib:
    description: Available memory, in MiB, with less of which a host is unfit.
    type: float
    default: 1024
  clock_limit_ms:
    description: Milliseconds between a host's clock and the controller's above which the host is unfit.
    type: float
    default: 400
"""

EXAMPLES = r"""
- name: Decide which hosts run
  loadfleet.mlperf.gate:
    hosts: "{{ ansible_play_hosts_all }}"
    facts: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['host', 'facts']))) }}"
    clocks: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'clock'))) }}"
    forks: "{{ ansible_forks }}"
  run_once: true
"""

RETURN = r"""
decision:
  description: What was decided.
  returned: success
  type: dict
  contains:
    policy:
      description: As given.
      type: str
    hosts:
      description: Hosts that run.
      type: list
      elements: str
    dropped:
      description: Hosts that do not run, and why.
      type: list
      elements: dict
    replaced:
      description: Hosts that do not run, and the spare that runs instead.
      type: list
      elements: dict
    spares:
      description: Spares that are not needed or unfit.
      type: list
      elements: str
    differences:
      description: Fields in which hosts that run differ, with each value and its hosts.
      type: list
      elements: dict
    clocks:
      description: Offset and uncertainty in milliseconds, by host.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "facts": {"type": "dict", "required": True},
            "clocks": {"type": "dict", "default": {}},
            "own": {"type": "dict", "default": {}},
            "lost": {"type": "dict", "default": {}},
            "spares": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "str", "default": ""},
            "policy": {"type": "str", "choices": ["fail", "drop", "replace"], "default": "fail"},
            "identical": {"type": "bool", "default": False},
            "forks": {"type": "int", "default": 1},
            "disk_mib": {"type": "float", "default": 1024},
            "memory_mib": {"type": "float", "default": 1024},
            "clock_limit_ms": {"type": "float", "default": 400},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="gate works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
