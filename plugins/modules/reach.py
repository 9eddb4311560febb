#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: reach
short_description: See whether a host can be worked on
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Runs one shell command over the connection and no module, so that a host without Python answers too. Writes nothing.
  - A host out of reach is reported as unreachable, another one that cannot be worked on fails; both with what was seen
    and what to change.
  - Looks at Python, at the folder of the store and Ansible's temporary folder (whether the account may write there,
    whether the disk is read-only), and at the free disk.
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
  store_path:
    description: Folder of the store on the host.
    type: str
    default: ~/.cache/loadfleet
  disk_mib:
    description: Free disk below the store, in MiB, with less of which the host fails.
    type: float
    default: 0
  record:
    description: A C(run.json) on the controller. When it exists the run goes on, and free disk is not judged.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Look whether the host can be worked on
  loadfleet.mlperf.reach:
    store_path: /srv/loadfleet
    disk_mib: 1024
"""

RETURN = r"""
machine:
  description: Names the machine or container behind the host's name (boot id, and namespace of process ids).
  returned: when the host answered
  type: str
reasons:
  description: Why it cannot be worked on, each with its fix.
  returned: when the host answered
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "disk_mib": {"type": "float", "default": 0},
            "record": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="reach works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
