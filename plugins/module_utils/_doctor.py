# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Judges what was seen of a host: a table of checks and one small function for each. Private to this collection.

A check says ok, warn (a benchmark runs, or will after playbooks/prepare.yml) or fail (mend this first).
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from ansible_collections.loadfleet.mlperf.plugins.module_utils._connection import explain
from ansible_collections.loadfleet.mlperf.plugins.module_utils._probe import Runner, gigabytes, read

OK, WARN, FAIL = "ok", "warn", "fail"
GIB = 1 << 30

# A run refuses to start below the first. Preparing a host takes about 1 GiB, the official model 1.3 GB more.
DISK_FAIL, DISK_WARN = GIB // 2, 3 * GIB
MEMORY_FAIL, MEMORY_WARN = GIB // 2, 2 * GIB
# Sockets, logs, shared libraries and files of a run stay below this.
NOFILE = 4096
# Share of the hardware threads that something else may keep busy.
LOAD_SHARE, LOAD_LEAST = 0.1, 0.5
SWAPPINESS = 10
UNLIMITED = -1

Facts = Dict[str, Any]
Finding = Tuple[str, str]


class Check(NamedTuple):
    """A line of the doctor. `wanted` and `fix` may use the names of `asked` in braces."""

    name: str
    wanted: str
    look: Callable[[Facts], Finding]
    fix: str


def _python(facts: Facts) -> Finding:
    found = facts["probe"]["python"]
    seen = "%s (%s)" % (found["version"], found["executable"] or "the only one here, and too old")
    if facts["probe"]["capabilities"].get("python-venv"):
        return OK, seen
    helped = (facts["probe"]["root"] or facts["probe"]["sudo"]) and facts["probe"]["os"]["family"]
    return WARN if helped else FAIL, seen + (", without venv" if found["executable"] else "")


def _disk(facts: Facts) -> Finding:
    free = facts["probe"]["free"]["disk_bytes"]
    return _amount(free, DISK_FAIL, DISK_WARN), "%s free" % (gigabytes(free) or "nothing")


def _memory(facts: Facts) -> Finding:
    free, total = facts["probe"]["free"]["memory_bytes"], facts["probe"]["memory"]["total_bytes"]
    if free is None:
        return WARN, "not told by this kernel"
    return _amount(free, MEMORY_FAIL, MEMORY_WARN), "%s available of %s" % (gigabytes(free), gigabytes(total))


def _amount(value: int, fail: int, warn: int) -> str:
    return FAIL if value < fail else WARN if value < warn else OK


def _busy(facts: Facts) -> Finding:
    return (FAIL, "run %s" % facts["busy"]) if facts["busy"] else (OK, "none")


def _governor(facts: Facts) -> Finding:
    seen = facts["settings"]["governor"]
    if seen is None:
        return OK, "no frequency control here, a hypervisor or the firmware decides"
    return OK if seen == "performance" else WARN, seen


def _hugepages(facts: Facts) -> Finding:
    seen = facts["settings"]["transparent_hugepages"]
    if seen is None:
        return OK, "not in this kernel"
    return WARN if seen == "never" else OK, seen


def _numa(facts: Facts) -> Finding:
    seen, nodes = facts["settings"]["numa_balancing"], facts["probe"]["cpu"]["numa_nodes"] or 1
    words = "%s, %d NUMA node%s" % ({None: "not in this kernel", "0": "off"}.get(seen, "on"), nodes, "s"[: nodes > 1])
    return WARN if seen not in (None, "0") and nodes > 1 else OK, words


def _swap(facts: Facts) -> Finding:
    space, eager = facts["swap"], facts["swappiness"]
    if not space["total_bytes"]:
        return OK, "no swap space"
    words = "%d MiB, %d MiB in use, swappiness %s" % (space["total_bytes"] >> 20, space["used_bytes"] >> 20, eager)
    return WARN if space["used_bytes"] or eager is None or eager > SWAPPINESS else OK, words


def _nofile(facts: Facts) -> Finding:
    soft, hard = facts["limits"]["nofile"]
    # A process may raise its own limit up to the hard one.
    return _limit(hard, NOFILE), "%s, at most %s" % (_count(soft), _count(hard))


def _memlock(facts: Facts) -> Finding:
    soft, _hard = facts["limits"]["memlock"]
    seen = "unlimited" if soft == UNLIMITED else "%.0f MiB" % (soft / (1 << 20))
    if facts["asked"]["device"] == "cpu":
        return OK, "%s, not needed on a cpu" % seen
    return OK if soft == UNLIMITED else WARN, seen


def _limit(value: int, least: int) -> str:
    return OK if value == UNLIMITED or value >= least else WARN


def _count(value: int) -> str:
    return "unlimited" if value == UNLIMITED else str(value)


def _load(facts: Facts) -> Finding:
    load, threads = facts["load"], facts["probe"]["cpu"]["threads"] or 1
    if load is None:
        return OK, "not told by this kernel"
    words = "%.2f on %d threads" % (load, threads)
    return WARN if load > max(LOAD_LEAST, LOAD_SHARE * threads) else OK, words


def _clock(facts: Facts) -> Finding:
    said = facts["clock"]
    if said["synchronised"] is None:
        return WARN, "nothing here says"
    return OK if said["synchronised"] else WARN, "%s, says %s" % (
        "synchronised" if said["synchronised"] else "not synchronised",
        said["source"],
    )


def _virtualisation(facts: Facts) -> Finding:
    kind, name = facts["probe"]["virtualisation"]["type"], facts["probe"]["virtualisation"]["technology"]
    return OK if kind == "none" else WARN, kind + (" (%s)" % name if name else "")


def _accelerators(facts: Facts) -> Finding:
    found, device = facts["probe"]["accelerators"], facts["asked"]["device"]
    names = ", ".join(sorted({one["name"] or one["vendor"] for one in found})) or "none"
    seen = "%d x %s" % (len(found), names) if found else "none"
    vendor = {"cuda": "nvidia", "tensorrt": "nvidia", "rocm": "amd"}.get(device)
    return FAIL if vendor and not any(one["vendor"] == vendor for one in found) else OK, seen


def _tuned(facts: Facts) -> Finding:
    profile = facts["tuned"]
    if profile and not facts["busy"]:
        return WARN, "profile %s is still in force, and no run measures" % profile
    return OK, "profile %s, for the run" % profile if profile else "nothing left of a run"


CHECKS = (
    Check("python", "3.11 or newer, with venv", _python,
          "run playbooks/prepare.yml as an account with root or sudo, or install python3-venv by hand"),
    Check("disk", "3 GiB free below {store_path}", _disk, "free some space, or set store_path to a larger disk"),
    Check("memory", "2 GiB available", _memory, "end what else runs there, or take a smaller benchmark_model"),
    Check("busy", "no other run", _busy, "wait for its end, or stop it by playbooks/stop.yml -e benchmark_run_id=RUN"),
    Check("governor", "performance", _governor, "set platform_tuning_profile: throughput-server"),
    Check("huge pages", "always or madvise", _hugepages, "set platform_tuning_profile: throughput-server"),
    Check("NUMA balancing", "off with several nodes", _numa, "set platform_tuning_profile: throughput-server"),
    Check("swap", "none, or unused with a swappiness of at most %d" % SWAPPINESS, _swap,
          "swapoff --all for a run, or set platform_tuning_profile: throughput-server"),
    Check("open files", "at least %d" % NOFILE, _nofile, "raise nofile in /etc/security/limits.conf, or set "
          "platform_tuning_profile: throughput-server"),
    Check("locked memory", "unlimited for accelerators", _memlock, "raise memlock in /etc/security/limits.conf"),
    Check("load", "an idle host", _load, "see what runs there (top); it takes its share of the result"),
    Check("clock", "synchronised", _clock, "start chrony or systemd-timesyncd; times of several hosts are compared"),
    Check("virtualisation", "none", _virtualisation, "measure on bare metal for a result that others can repeat"),
    Check("accelerators", "what benchmark_device={device} uses", _accelerators,
          "install the driver until nvidia-smi or rocm-smi sees it, or set benchmark_device: cpu"),
    Check("tuning", "nothing left of a run", _tuned, "run playbooks/restore.yml"),
)  # fmt: skip


def judge(facts: Facts) -> List[Dict[str, str]]:
    """Every check of a host, in the order of the table."""
    return [line(check, *check.look(facts), asked=facts["asked"]) for check in CHECKS]


def line(check: Check, status: str, seen: str, asked: Optional[Dict[str, str]] = None) -> Dict[str, str]:
    """A check's outcome as reports hold it; what is ok needs no fix."""
    values = asked or {}
    return {
        "check": check.name,
        "status": status,
        "wanted": check.wanted.format(**values),
        "seen": seen,
        "fix": "" if status == OK else check.fix.format(**values),
    }


def text(title: str, checks: List[Dict[str, str]]) -> str:
    """A host's checks for people, one line each."""
    width = max([len(one["check"]) for one in checks] or [0])
    lines = [title]
    for one in checks:
        words = "  %-4s  %-*s  %s; wanted: %s" % (one["status"], width, one["check"], one["seen"], one["wanted"])
        lines.append(words + ("; fix: %s" % one["fix"] if one["fix"] else ""))
    return "\n".join(lines)


def worst(checks: List[Dict[str, str]]) -> str:
    """ok, warn or fail for all of them together."""
    statuses = {one["status"] for one in checks}
    return next((status for status in (FAIL, WARN) if status in statuses), OK)


def clock(root: str, run: Runner, kernel: Callable[[], Optional[bool]]) -> Facts:
    """Whether the clock follows a source of time, by the first that knows: chrony, ntpd, systemd, the kernel."""
    status, out = run(["chronyc", "-c", "tracking"])
    if status == 0:
        # The last field is the leap status; chrony answers also while it follows nothing.
        return {"synchronised": out.strip().split(",")[-1] == "Normal", "source": "chrony"}
    status, out = run(["ntpq", "-c", "rv 0 leap"])
    if status == 0 and "leap=" in out:
        return {"synchronised": not re.search(r"leap=(11|3)\b", out), "source": "ntpd"}
    status, out = run(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    if status == 0 and out.strip() in ("yes", "no"):
        return {"synchronised": out.strip() == "yes", "source": "timedatectl"}
    if os.path.exists(os.path.join(root, "run/systemd/timesync/synchronized")):
        return {"synchronised": True, "source": "systemd-timesyncd"}
    return {"synchronised": kernel(), "source": "the kernel"}


def load(root: str) -> Optional[float]:
    """Load average of the last minute."""
    words = (read(root, "/proc/loadavg") or "").split()
    return float(words[0]) if words else None


def connection(message: str, host: str = "HOST", address: str = "") -> Dict[str, str]:
    """The one check of a host that cannot be looked at."""
    reason = explain(message, host, address)
    return {
        "check": "connection",
        "status": FAIL,
        "wanted": "a host that answers and has Python",
        "seen": reason.seen,
        "fix": reason.fix,
    }
