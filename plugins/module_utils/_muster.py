# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Looks at a fleet as a whole before anything is touched. Private to this collection."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import Dict, List, Optional, Sequence

from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import existing_parent

# Enough for the logs of a test of a few hosts; less is a disk that is full.
RESULTS_MIB = 16


def nobody(asked: Sequence[str], groups: Dict[str, List[str]], pattern: str) -> List[str]:
    """An inventory that was given and names nobody: Ansible would take this machine instead, or all hosts.

    Args:
        asked: Inventories of the command line.
        groups: Ansible's groups.
        pattern: `benchmark_hosts`.
    """
    named = " ".join("-i %s" % one for one in asked)
    if asked and not groups.get("all"):
        missing = [one for one in asked if "," not in one and not os.path.exists(one)]
        why = "%s does not exist" % ", ".join(missing) if missing else "Ansible read no host from it, see its warnings"
        fix = "correct the path" if missing else "name hosts below a group sut"
        return ["%s names no hosts: %s; fix: %s, or leave -i out to measure this machine" % (named, why, fix)]
    if not pattern and "sut" in groups and not groups["sut"]:
        others = sorted(name for name, hosts in groups.items() if hosts and name not in ("all", "ungrouped", "sut"))
        choice = " (it has the groups %s)" % ", ".join(others) if others else ""
        where = named or "the inventory"
        fix = "name hosts below sut, or choose others by -e benchmark_hosts=GROUP"
        return ["the group sut of %s has no hosts%s; fix: %s" % (where, choice, fix)]
    return []


def doubles(machines: Dict[str, str]) -> List[str]:
    """Names in the inventory that lead to one machine.

    Args:
        machines: By host, what `_reach.machine` gave; hosts without are left out.
    """
    names: Dict[str, List[str]] = {}
    for host, machine in machines.items():
        if machine:
            names.setdefault(machine, []).append(host)
    return [
        "%s are one machine (boot id %s): its runs would disturb each other; fix: leave one name in the inventory, or "
        "set fleet_gate_one_machine_ok: true" % (", ".join(hosts), machine.split()[0])
        for machine, hosts in names.items()
        if len(hosts) > 1
    ]


def forks(hosts: int, given: int) -> List[str]:
    """Fewer forks than hosts."""
    if given >= hosts:
        return []
    return [
        "%d hosts and %d forks: they would be measured one wave after the other; fix: ansible-playbook --forks %d, "
        "or forks in ansible.cfg" % (hosts, given, hosts)
    ]


def results(folder: str) -> List[str]:
    """A folder of results that cannot take any. What is tried out is removed again."""
    place = existing_parent(folder)
    if not os.path.isdir(place):
        return ["results_path (%s) goes through %s, which is a file; fix: set results_path" % (folder, place)]
    try:
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(b"\0" * 4096)
    except OSError as error:
        return ["results_path (%s) on the controller: %s; fix: %s" % (folder, error.strerror, _advice(error.errno))]
    disk = os.statvfs(place)
    free = (disk.f_bavail * disk.f_frsize) >> 20
    if free < RESULTS_MIB:
        words = "results_path (%s) on the controller: %d MiB are free; fix: %s"
        return [words % (folder, free, _advice(errno.ENOSPC))]
    return []


def _advice(number: Optional[int]) -> str:
    if number == errno.EROFS:
        return "mount that disk writable, or set results_path to another one"
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "free some space there, or set results_path to a larger disk"
    return "let your account write there, or set results_path to a folder of its own"


def lost(members: Sequence[str], spares: Sequence[str], reached: Sequence[str], policy: str) -> List[str]:
    """What a fleet cannot do without: hosts that failed their look, as the gate will decide after preparation.

    Args:
        members: Hosts that should run.
        spares: Hosts that may take a member's place.
        reached: Hosts that are fit to be prepared.
        policy: `fail`, `drop` or `replace`.
    """
    away = [host for host in members if host not in reached]
    if not away:
        return []
    if policy == "fail":
        return [
            "unfit: %s, see above; nothing was done on the others; fix: mend that, or go on without such hosts by "
            "fleet_gate_policy=drop" % ", ".join(away)
        ]
    if policy == "replace" and len(away) > len([host for host in spares if host in reached]):
        words = "unfit hosts: %s, fit spares: %d; fix: more hosts in the group that fleet_gate_spares names"
        return [words % (", ".join(away), len([host for host in spares if host in reached]))]
    return []
