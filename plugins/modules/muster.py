#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: muster
short_description: Look at a fleet as a whole before anything is touched
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Works on the controller alone, on what M(loadfleet.mlperf.preflight) and M(loadfleet.mlperf.reach) found. Use it
    with C(run_once).
  - Refuses an inventory that names no hosts, wrong variables, two names for one machine, hosts that disagree on
    settings of the whole fleet, a fleet that M(loadfleet.mlperf.gate) would refuse for a host that is lost, fewer forks
    than hosts, and a folder of results that cannot take any. Says everything at once.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - In check mode what the environment lacks is a warning; wrong input fails.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  problems:
    description: By host, RV(loadfleet.mlperf.preflight#module:problems).
    type: dict
    default: {}
  machines:
    description: By host, RV(loadfleet.mlperf.reach#module:machine).
    type: dict
    default: {}
  one_machine_ok:
    description: Whether several names may lead to one machine.
    type: bool
    default: false
  own:
    description: By host, settings of the fleet that have to be the same for all.
    type: dict
    default: {}
  hosts:
    description: All hosts that the play was started for.
    type: list
    elements: str
    default: []
  reached:
    description: Those of O(hosts) that can be worked on.
    type: list
    elements: str
    default: []
  spares:
    description: Those of O(hosts) that run only in the place of another one.
    type: list
    elements: str
    default: []
  record:
    description: A C(run.json) on the controller. When it exists the run goes on without hosts that are lost.
    type: str
    default: ""
  policy:
    description: What becomes of a fleet with a lost host.
    type: str
    choices: [fail, drop, replace]
    default: fail
  forks:
    description: Ansible's forks; 0 when they do not matter.
    type: int
    default: 0
  results_path:
    description: Folder of results on the controller.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Refuse two names for one machine
  loadfleet.mlperf.muster:
    machines: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['look', 'machine']))) }}"
  run_once: true
"""

RETURN = r"""
problems:
  description: What would be refused.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "problems": {"type": "dict", "default": {}},
            "machines": {"type": "dict", "default": {}},
            "one_machine_ok": {"type": "bool", "default": False},
            "own": {"type": "dict", "default": {}},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "reached": {"type": "list", "elements": "str", "default": []},
            "spares": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "str", "default": ""},
            "policy": {"type": "str", "choices": ["fail", "drop", "replace"], "default": "fail"},
            "forks": {"type": "int", "default": 0},
            "results_path": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="muster works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
