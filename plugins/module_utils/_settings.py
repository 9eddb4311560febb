# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Kernel settings that decide how fast and how evenly a host computes: where they are, reading and writing them.

Pure functions over a file system root. Private to this collection.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional

from ansible_collections.loadfleet.mlperf.plugins.module_utils._probe import listing, number, read

Values = Dict[str, Optional[str]]


class Setting(NamedTuple):
    """Where a setting is. `persistent` ones are files that outlive a restart of the host."""

    pattern: str
    title: str
    choices: str = ""
    persistent: bool = False


SETTINGS = {
    "governor": Setting(
        "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", "CPU governor", "scaling_available_governors"
    ),
    "energy_preference": Setting(
        "sys/devices/system/cpu/cpu[0-9]*/cpufreq/energy_performance_preference",
        "CPU energy preference",
        "energy_performance_available_preferences",
    ),
    "transparent_hugepages": Setting("sys/kernel/mm/transparent_hugepage/enabled", "transparent huge pages"),
    "transparent_hugepages_defrag": Setting("sys/kernel/mm/transparent_hugepage/defrag", "huge page compaction"),
    "numa_balancing": Setting("proc/sys/kernel/numa_balancing", "automatic NUMA balancing"),
    "zone_reclaim": Setting("proc/sys/vm/zone_reclaim_mode", "NUMA zone reclaim"),
    "swappiness": Setting("proc/sys/vm/swappiness", "swappiness"),
    "limits": Setting("etc/security/limits.d/90-loadfleet.conf", "limits of logins", persistent=True),
}


def values(root: str, name: str) -> Values:
    """The setting's files and what each of them says now; a drop-in file that is not there yet is None."""
    setting = SETTINGS[name]
    if setting.persistent:
        return {setting.pattern: _text(root, setting.pattern)}
    found = {path: read(root, path) for path in listing(root, setting.pattern)}
    return {path: selected(text) for path, text in found.items() if text is not None}


def selected(text: str) -> str:
    """The chosen word of "always [madvise] never", or the text itself."""
    match = re.search(r"\[([^\]]+)\]", text)
    return match.group(1) if match else text


def shown(found: Values) -> Optional[str]:
    """What a setting's files say, in words; None when there are none."""
    texts = sorted({text for text in found.values() if text is not None})
    return ", ".join(texts) or None


def rendered(name: str, value: Any) -> str:
    """What is to stand in the setting's files for a value of a platform file."""
    if name != "limits":
        return str(value)
    lines = ["# Written by the role platform_tuning of Loadfleet, which removes it again."]
    # pam_limits: the wildcard does not speak of root.
    lines += ["%s - %s %s" % (who, item, value[item]) for item in sorted(value) for who in ("*", "root")]
    return "\n".join(lines) + "\n"


def obstacle(root: str, name: str, found: Values, wanted: str) -> Optional[str]:
    """Why a setting cannot be set here, None when it seems that it can."""
    setting = SETTINGS[name]
    if not found:
        return "not there: this kernel has no such setting, or a hypervisor keeps it to itself"
    for path in found:
        place = os.path.join(root, path)
        if setting.choices:
            offered = (read(root, os.path.join(os.path.dirname(path), setting.choices)) or wanted).split()
            if wanted not in offered:
                return "the kernel offers %s" % ", ".join(offered)
        target = place if not setting.persistent else _existing(os.path.dirname(place))
        if not os.access(target, os.W_OK):
            return "only root may; set platform_tuning_become" if os.geteuid() else "read-only on this host"
    return None


def write(root: str, path: str, text: Optional[str], persistent: bool) -> None:
    """Set one file; None removes a drop-in.

    Raises:
        OSError: The kernel or the file system refuses.
    """
    place = os.path.join(root, path)
    if not persistent:
        with open(place, "w", encoding="utf-8") as stream:
            stream.write(str(text) + "\n")
    elif text is None:
        if os.path.exists(place):
            os.unlink(place)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(place), prefix=".loadfleet.")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, place)


def swap(root: str) -> Dict[str, int]:
    """Bytes of swap space, and how many of them are in use."""
    rows = [line.split() for line in (read(root, "/proc/swaps") or "").splitlines()[1:]]
    return {
        "total_bytes": sum(int(row[2]) * 1024 for row in rows if len(row) >= 4),
        "used_bytes": sum(int(row[3]) * 1024 for row in rows if len(row) >= 4),
    }


def running(root: str, name: str) -> bool:
    """Whether a process of that name runs."""
    return any(read(root, path) == name for path in listing(root, "/proc/[0-9]*/comm"))


def irq_hint(root: str) -> Optional[str]:
    """Advice on interrupts."""
    if not running(root, "irqbalance"):
        return None
    return "irqbalance runs and moves interrupts onto measured cores; stop it for a run, or keep it off them by " \
        "IRQBALANCE_BANNED_CPULIST"  # fmt: skip


def core_hint(root: str) -> Optional[str]:
    """Advice on keeping a run on its cores and near its memory."""
    isolated = read(root, "/sys/devices/system/cpu/isolated")
    if isolated:
        return "cores %s are isolated from the scheduler: only benchmark_run_prefix, such as taskset --cpu-list %s, " \
            "uses them" % (isolated, isolated)  # fmt: skip
    nodes = len(listing(root, "/sys/devices/system/node/node[0-9]*"))
    if nodes > 1:
        return "%d NUMA nodes: benchmark_run_prefix keeps a run on one (numactl --cpunodebind=0 --membind=0) or " \
            "spreads its memory over all (numactl --interleave=all)" % nodes  # fmt: skip
    return None


HINTS = {"irq": irq_hint, "cores": core_hint}


def hints(root: str, names: List[str]) -> List[str]:
    """The advice that applies to this host."""
    return [text for name in names for text in (HINTS[name](root),) if text]


def swappiness(root: str) -> Optional[int]:
    """How eagerly the kernel swaps, 0 to 200."""
    return number(read(root, "/proc/sys/vm/swappiness"))


def _text(root: str, path: str) -> Optional[str]:
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path
