# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations


class ModuleDocFragment:
    """What every module says of check mode, diff mode and platforms."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what would change without changing it.
  diff_mode:
    description: Returns what has changed (or would change, in check mode) when in diff mode.
  idempotent:
    description: A second call with the same options changes nothing.
  platform:
    description: Operating systems of the managed host.
    support: full
    platforms: linux
"""

    ACTION = r"""
options: {}
attributes:
  action:
    description: Has an action plugin, which works on the controller.
    support: full
"""

    GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/loadfleet.mlperf.store) in C(module_defaults) to set O(store_path) once.
    support: full
    membership:
      - loadfleet.mlperf.store
"""
