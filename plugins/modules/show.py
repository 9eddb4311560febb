#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Print a text as it is
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Prints lines to the terminal as they are, whatever format results are shown in.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  text:
    description: What to print.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say where results go
  loadfleet.mlperf.show:
    text: results go to {{ results_path }}
  run_once: true
"""

RETURN = r"""
text:
  description: What was printed.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(argument_spec={"text": {"type": "str", "required": True}}, supports_check_mode=True)
    module.fail_json(msg="show works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
