#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: clock
short_description: Compare a host's clock with the controller's
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - The controller reads its clock, asks the host for its time, and reads its clock again. The host's answer lies
    between the two, so that the difference is known to half the round trip at least; several round trips narrow it.
  - Runs C(date) over the connection and no module, since starting one takes longer than the round trip.
  - The offset's error is mostly the same for hosts that are reached in the same way. Comparing two such hosts is better
    than the uncertainty of each.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
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
  samples:
    description: Round trips to make.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Measure the host's clock
  loadfleet.mlperf.clock:
  register: clock
"""

RETURN = r"""
offset_ms:
  description: The host's clock minus the controller's; V(none) when the host does not tell fractions of a second.
  returned: always
  type: float
  sample: -1.73
uncertainty_ms:
  description: RV(offset_ms) is not further off than that; half of the shortest round trip at most.
  returned: always
  type: float
  sample: 4.2
samples:
  description: Round trips that were answered.
  returned: always
  type: int
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(argument_spec={"samples": {"type": "int", "default": 5}}, supports_check_mode=True)
    module.fail_json(msg="clock works on the controller; its action plugin was not found")


if __name__ == "__main__":
    main()
