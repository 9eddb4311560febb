#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: verdict
short_description: Report a run, show its table and fail when it is bad
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Works on the controller alone. Writes the report of a run whose logs are home, points C(latest) at it, shows its
    table and fails when C(loadfleet results summary) says that the run is bad.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Nothing is read or written in check mode.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  run:
    description: The run's folder below the results.
    type: str
    required: true
  executable:
    description: The command C(loadfleet) on the controller.
    type: str
    required: true
  judge:
    description: Whether a bad run fails the task.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Judge the run
  loadfleet.mlperf.verdict:
    run: results/20261122T003500Z-bert-3f9a
    executable: .venv/bin/loadfleet
  run_once: true
"""

RETURN = r"""
rc:
  description: 0 every cell ran well, 1 a cell is bad or missing, 4 cells are unfinished.
  returned: when judged
  type: int
report:
  description: The report, one page of HTML.
  returned: when it was written
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "run": {"type": "str", "required": True},
            "executable": {"type": "str", "required": True},
            "judge": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="verdict works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
