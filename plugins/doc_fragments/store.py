# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations


class ModuleDocFragment:
    """Options shared by modules that work on a host's store."""

    DOCUMENTATION = r"""
options:
  store_path:
    description:
      - Folder on the host that holds environments, models, data sets and runs.
      - A leading C(~) is the home folder of the account that Ansible logs in with.
    type: str
    default: ~/.cache/loadfleet
"""

    COMMAND = r"""
options:
  executable:
    description: The command C(loadfleet) on the host. The role P(loadfleet.mlperf.harness#role) installs it.
    type: str
    default: ~/.cache/loadfleet/venvs/onnxruntime/bin/loadfleet
"""
