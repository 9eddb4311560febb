# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Gives the lock file of another version of a package than the shipped one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._versions import VersionError, resolved

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = r"""
name: locked
short_description: Lock file for a version of the package that a lock file is for
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Gives the lock file as it is when no version is asked, or when the locked one fits.
  - Else resolves it once on the controller, with hashes, and gives the file that is kept of that below
    C(~/.cache/loadfleet/locks), by what was asked.
options:
  _input:
    description: Path of a lock file on the controller.
    type: str
    required: true
  version:
    description: A version, or constraints as PEP 440 writes them; empty for the locked one.
    type: raw
    default: ""
  constraints:
    description: Lock files of what is installed into the same environment.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
lock: "{{ 'files/onnxruntime.lock' | loadfleet.mlperf.locked('>=1.20,<1.22') }}"
"""

RETURN = r"""
_value:
  description: Path of a lock file on the controller.
  type: str
"""


def locked(lock: str, version: Any = "", constraints: list[str] | None = None) -> str:
    """The lock file to install from.

    Raises:
        AnsibleFilterError: There is no such version, or it cannot be resolved.
    """
    try:
        return resolved(lock, version, constraints or [])
    except VersionError as error:
        raise AnsibleFilterError("version %s %s" % (version, error)) from None


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"locked": locked}
