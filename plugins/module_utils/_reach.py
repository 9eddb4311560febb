# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Looks at a bare host by one line of shell and judges whether it can be prepared. Private to this collection."""

from __future__ import annotations

import shlex
from typing import Any, Dict, List, Sequence, Tuple

Facts = Dict[str, str]

# What Ansible's modules need; the harness's own Python is brought or checked by roles.
OLDEST_PYTHON = (3, 8)
# An empty disk's last MiB are the system's own.
MIB = 1 << 20
# One shell and no module: a host without Python answers too. Nothing is written on the host.
SCRIPT = """\
LC_ALL=C; export LC_ALL
say() { printf 'loadfleet-%%s=%%s\\n' "$1" "$2"; }
say user "$(id -un 2>/dev/null)"
say name "$(uname -n)"
say boot "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
say space "$(readlink /proc/self/ns/pid 2>/dev/null)"
for python in %(pythons)s; do
  if said=$("$python" -c 'import sys; print("%%d.%%d.%%d" %% sys.version_info[:3])' 2>/dev/null); then
    say python "$python"; say version "$said"; break
  fi
done
home() { case $1 in "~"|"~/"*) echo "$HOME${1#"~"}";; *) echo "$1";; esac; }
folder() {
  place=$(home "$2"); say "$1" "$place"
  while [ ! -e "$place" ]; do place=$(dirname "$place"); done
  say "$1-place" "$place"
  [ -d "$place" ] || say "$1-kind" file
  if [ -w "$place" ]; then say "$1-write" yes; else say "$1-write" no; fi
  set -- "$1" $(df -Pk "$place" 2>/dev/null | tail -n 1)
  say "$1-kib" "$5"; say "$1-disk" "$7"
  mode=
  while read -r _ point _ options _; do [ "$point" = "$7" ] && mode=${options%%%%,*}; done </proc/mounts
  say "$1-mode" "$mode"
}
folder store %(store)s
folder temporary %(temporary)s
"""


def script(store: str, temporary: str, pythons: Sequence[str]) -> str:
    """The look for a store, Ansible's temporary folder and interpreters, best first."""
    quoted = {"store": shlex.quote(store), "temporary": shlex.quote(temporary)}
    return SCRIPT % dict(quoted, pythons=" ".join(shlex.quote(one) for one in pythons))


def parse(text: str) -> Facts:
    """What the look said; whatever a login shell printed besides is left out."""
    lines = [line[len("loadfleet-") :].strip() for line in text.splitlines() if line.startswith("loadfleet-")]
    return {name: value for name, _equals, value in (line.partition("=") for line in lines)}


def machine(facts: Facts) -> str:
    """Names the machine, or the container, behind a name in the inventory; empty when it does not tell."""
    return "%s %s" % (facts["boot"], facts["space"]) if facts.get("boot") and facts.get("space") else ""


def reasons(facts: Facts, pythons: Sequence[str], disk_mib: float) -> List[Tuple[str, str]]:
    """Why a host cannot be worked on: what is wrong and what to change; empty when it can.

    Args:
        facts: What `parse` gave.
        pythons: Interpreters that were tried.
        disk_mib: Least free disk below the store, in MiB.
    """
    return _python(facts, pythons) + (_folders(facts) or _room(facts, disk_mib))


def _python(facts: Facts, pythons: Sequence[str]) -> List[Tuple[str, str]]:
    oldest = ".".join(str(part) for part in OLDEST_PYTHON)
    if not facts.get("python"):
        tried = pythons[0] if len(pythons) == 1 else "any of %s" % ", ".join(pythons)
        fix = "install Python %s or newer there (apt-get install python3), or set ansible_python_interpreter" % oldest
        return [("it has no Python: there is no %s" % tried, fix)]
    version = facts.get("version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == len(OLDEST_PYTHON) and numbers < OLDEST_PYTHON:
        seen = "%s is Python %s, Ansible's modules need %s or newer" % (facts["python"], version, oldest)
        return [(seen, "install a newer one there and name it in ansible_python_interpreter")]
    return []


def _folders(facts: Facts) -> List[Tuple[str, str]]:
    found: List[Tuple[str, str]] = []
    for name, variable in (("store", "store_path"), ("temporary", "ansible_remote_tmp")):
        place, asked = facts.get(name + "-place", ""), "%s (%s)" % (variable, facts.get(name))
        disk, user = facts.get(name + "-disk"), facts.get("user")
        if facts.get(name + "-kind") == "file":
            found.append(("%s goes through %s, which is a file" % (asked, place), "set %s" % variable))
        elif facts.get(name + "-write") != "no":
            continue
        elif facts.get(name + "-mode") == "ro":
            fix = "mount it writable (mount -o remount,rw %s), or set %s to a folder on another disk" % (disk, variable)
            found.append(("%s is on a disk that is mounted read-only at %s" % (asked, disk), fix))
        else:
            fix = "let it (chown %s %s), or set %s to a folder of its own" % (user, place, variable)
            found.append(("%s: the account %s may not write in %s" % (asked, user, place), fix))
    return found


def _room(facts: Facts, disk_mib: float) -> List[Tuple[str, str]]:
    free = facts.get("store-kib", "")
    if not free.isdigit() or int(free) << 10 >= disk_mib * MIB:
        return []
    words = "%d MiB are free on its disk %s below store_path (%s), the limit is %d MiB" % (
        int(free) >> 10,
        facts.get("store-disk"),
        facts.get("store"),
        disk_mib,
    )
    return [(words, "free some space, set store_path to a larger disk, or lower fleet_gate_disk_mib")]


def words(host: str, found: List[Tuple[str, str]]) -> str:
    """The reasons of a host as one message."""
    return "%s cannot be worked on (class environment)\n%s" % (
        host,
        "\n".join("  error  %s\n  fix    %s" % one for one in found),
    )


def answer(facts: Facts, found: List[Tuple[str, str]]) -> Dict[str, Any]:
    """What a task returns of a host."""
    return {
        "changed": False,
        "machine": machine(facts),
        "reasons": ["%s; fix: %s" % one for one in found],
    }
