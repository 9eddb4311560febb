#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: request
short_description: Write down what a run was asked for
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Works on the controller alone. Writes C(run.json) into the run's folder before anything runs, with the settings and
    how ansible-playbook was called, so that C(loadfleet resume) needs nothing but the run's name.
  - Values of variables whose names look like secrets are left out; their names are kept.
  - A C(run.json) that is there stays as it is. Points C(latest) at the run.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written in check mode.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  folder:
    description: The run's folder below the results.
    type: str
    required: true
  content:
    description: Content of C(run.json); C(hosts) in it names the hosts of the run.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write down what was asked for
  loadfleet.mlperf.request:
    folder: results/20261122T003500Z-bert-3f9a
    content:
      schema_version: 1
      run_id: 20261122T003500Z-bert-3f9a
      workload: bert
      hosts: [sut1, sut2]
  run_once: true
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "str", "required": True},
            "content": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="request works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
