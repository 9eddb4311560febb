# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the hosts of a play, and refuses a choice that names nobody: Ansible would do nothing and end well."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = r"""
name: systems
short_description: Choose the hosts of a play
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Gives the pattern when there is one, else the hosts of the group C(sut), else all hosts, else this machine.
  - Fails when a name in the pattern is neither a host nor a group of the inventory. Wildcards, regular expressions and
    ranges are left to Ansible.
options:
  _input:
    description: The variable C(groups).
    type: dict
    required: true
  pattern:
    description: What a user asks for, as C(hosts) of a play takes it; empty for the usual hosts.
    type: raw
    default: ""
"""

EXAMPLES = r"""
hosts: "{{ groups | loadfleet.mlperf.systems(benchmark_hosts | default('')) }}"
"""

RETURN = r"""
_value:
  description: A pattern or a list of hosts.
  type: raw
"""

# Names that Ansible knows without an inventory.
ALWAYS = ("all", "*", "localhost", "127.0.0.1")


def systems(groups: dict[str, list[str]], pattern: Any = "") -> Any:
    """The hosts of a play.

    Raises:
        AnsibleFilterError: A plain name in the pattern is not known.
    """
    if not pattern:
        return groups.get("sut") or groups.get("all") or ["localhost"]
    if not isinstance(pattern, str) or re.search(r"[*?~\[\]]", pattern):
        return pattern
    known = sorted({*groups, *(host for hosts in groups.values() for host in hosts)} - {"all", "ungrouped"})
    for part in re.split(r"[,;:]", pattern):
        name = part.strip().lstrip("!&")
        if name and name not in known and name not in ALWAYS:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = "did you mean %s? " % close[0] if close else ""
            raise AnsibleFilterError(
                "benchmark_hosts is %s, and the inventory has no host or group %s; fix: %suse one of %s"
                % (pattern, name, hint, ", ".join(known[:20]) or "(the inventory is empty)")
            )
    return pattern


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"systems": systems}
