#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check the variables of a host before it is touched
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Works on the controller alone. Looks at the names of all variables of the host that begin as options of the roles
    do, and at values that have to be one of some.
  - Never fails by itself. Give RV(problems) of all hosts to M(loadfleet.mlperf.muster), which says each once.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Nothing is changed in either mode.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  roles:
    description: Folder of the roles whose options are known.
    type: str
    default: ""
  facts:
    description: Names that tasks set.
    type: list
    elements: str
    default: []
  choices:
    description: Objects with C(variable), C(given) (a list) and C(known) (a list of names or of files).
    type: list
    elements: dict
    default: []
  versions:
    description:
      - Objects with C(variable), C(version) as the user gave it, C(lock) and C(constraints), both lock files.
      - A version other than the locked one is resolved on the controller, once.
    type: list
    elements: dict
    default: []
  brought:
    description: What is said of a model of the user's own, and of the workload; see the role benchmark.
    type: dict
    default: {}
  run_id:
    description: Run to continue; empty for a new one.
    type: str
    default: ""
  cells:
    description: What the host would run, in words, for the plan of all hosts.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Check names and values
  loadfleet.mlperf.preflight:
    roles: "{{ role_path | dirname }}"
    choices:
      - variable: benchmark_execution
        given: ["{{ benchmark_execution }}"]
        known: [test, valid]
  register: checked
"""

RETURN = r"""
problems:
  description: What is wrong, each with the value seen and the fix.
  returned: always
  type: list
  elements: str
cells:
  description: As given.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "roles": {"type": "str", "default": ""},
            "facts": {"type": "list", "elements": "str", "default": []},
            "choices": {"type": "list", "elements": "dict", "default": []},
            "versions": {"type": "list", "elements": "dict", "default": []},
            "brought": {"type": "dict", "default": {}},
            "run_id": {"type": "str", "default": ""},
            "cells": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="preflight works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
