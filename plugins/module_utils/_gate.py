# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Decides which hosts of a fleet may run, and names what is different between them. Private to this collection."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

from ansible_collections.loadfleet.mlperf.plugins.module_utils._probe import gigabytes

Facts = Dict[str, Any]

MIB = 1 << 20
# Names of more hosts than this with the commonest value would only hide the others.
MANY_HOSTS = 8


def _at(*path: str) -> Callable[[Facts], Any]:
    def read(facts: Facts) -> Any:
        value: Any = facts
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return read


def _modules(facts: Facts) -> str:
    modules = _at("memory", "modules")(facts) or []
    kinds = sorted(
        "%s %s %s" % (gigabytes(one["size_bytes"]), one["type"] or "", one["speed_mts"] or "") for one in modules
    )
    return ", ".join("%d x %s" % (kinds.count(kind), kind.strip()) for kind in sorted(set(kinds)))


def _gpus(key: str) -> Callable[[Facts], str]:
    def read(facts: Facts) -> str:
        names = [str(one.get(key)) for one in facts.get("accelerators") or []]
        return ", ".join("%d x %s" % (names.count(name), name) for name in sorted(set(names)))

    return read


def python(facts: Facts) -> Optional[str]:
    """Version of the Python that the harness runs on, or would run on; None without one."""
    made = _at("environment", "python")(facts)
    return made or (_at("python", "version")(facts) if _at("python", "executable")(facts) else None)


# What hosts are compared by, in the order it is shown.
FIELDS: Tuple[Tuple[str, Callable[[Facts], Any]], ...] = (
    ("architecture", _at("architecture")),
    ("cpu model", _at("cpu", "model")),
    ("cpu sockets", _at("cpu", "sockets")),
    ("cpu cores", _at("cpu", "cores")),
    ("cpu threads", _at("cpu", "threads")),
    ("cpu highest MHz", _at("cpu", "max_mhz")),
    ("instruction sets", lambda facts: ", ".join(_at("cpu", "flags")(facts) or [])),
    ("microcode", _at("cpu", "microcode")),
    ("governor", _at("cpu", "governor")),
    ("memory", lambda facts: gigabytes(_at("memory", "total_bytes")(facts))),
    ("memory modules", _modules),
    ("storage", _at("storage", "type")),
    ("accelerators", _gpus("name")),
    ("accelerator driver", _gpus("driver")),
    ("operating system", _at("os", "name")),
    ("kernel", _at("os", "kernel")),
    ("virtualisation", _at("virtualisation", "type")),
    ("python", python),
)


def values(facts: Facts) -> Dict[str, Optional[str]]:
    """Every field of a host in words; None for what could not be measured. Packages are named `package NAME`."""
    found = {name: read(facts) for name, read in FIELDS}
    packages = _at("environment", "packages")(facts) or {}
    found["environment"] = "present" if packages else "missing"
    found.update(("package " + name, version) for name, version in packages.items())
    return {name: None if value in (None, "") else str(value) for name, value in found.items()}


def compare(fleet: Dict[str, Facts]) -> List[Facts]:
    """Fields in which hosts differ: [{"field", "values": [{"value", "hosts"}]}], the commonest value first."""
    described = {host: values(facts) for host, facts in fleet.items()}
    names: List[str] = list(dict.fromkeys(name for fields in described.values() for name in fields))
    fixed = [name for name in names if not name.startswith("package ")]
    differences = []
    for name in fixed + sorted(set(names) - set(fixed)):
        groups: Dict[Optional[str], List[str]] = {}
        for host, fields in described.items():
            # A host without an environment lacks every package: one line says so.
            if not name.startswith("package ") or fields["environment"] == "present":
                groups.setdefault(fields.get(name), []).append(host)
        if len(groups) > 1:
            ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[1]))
            differences.append({"field": name, "values": [{"value": v, "hosts": hosts} for v, hosts in ordered]})
    return differences


def table(differences: List[Facts]) -> List[str]:
    """Lines that name field, value and hosts."""
    rows = [("what differs", "value", "hosts")]
    for difference in differences:
        name = difference["field"]
        for index, one in enumerate(difference["values"]):
            hosts = one["hosts"]
            words = "%d others" % len(hosts) if index == 0 and len(hosts) > MANY_HOSTS else ", ".join(hosts)
            rows.append((name, "none" if one["value"] is None else one["value"], words))
            name = ""
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [("%-*s  %-*s  %s" % (widths[0], row[0], widths[1], row[1], row[2])).rstrip() for row in rows]


# What the gate needs to be told once: hosts that say different things are a mistake in the inventory.
COMMON = ("fleet_gate_policy", "fleet_gate_drop_ok", "fleet_gate_spares", "fleet_gate_identical")


def unsettled(own: Dict[str, Facts]) -> List[str]:
    """Settings of the whole fleet that hosts disagree on, by group_vars or host_vars."""
    found = []
    for name in COMMON:
        hosts: Dict[str, List[str]] = {}
        for host, settings in own.items():
            hosts.setdefault(str(settings.get(name)), []).append(host)
        if len(hosts) > 1:
            words = "; ".join("%s on %s" % (value or "empty", ", ".join(names)) for value, names in hosts.items())
            found.append("%s differs between hosts: %s; fix: set it once, for all of them" % (name, words))
    return found


def reasons(facts: Optional[Facts], clock: Optional[Facts], limits: Facts, said: str = "") -> List[str]:
    """Why a host may not run, each with what to do about it; empty when it may.

    Args:
        facts: What the module probe measured; None for a host that is not there.
        clock: What the module clock measured.
        limits: `disk_mib`, `memory_mib`, `clock_ms`.
        said: What was said of a host that is not there.
    """
    if facts is None and said:
        return [said]
    if facts is None:
        return ["it is out of reach or failed before; fix: see its first failure above"]
    found = []
    for name, key, limit in (("disk", "disk_bytes", "disk_mib"), ("memory", "memory_bytes", "memory_mib")):
        free = _at("free", key)(facts)
        if free is not None and free < limits[limit] * MIB:
            found.append(
                "%d MiB of %s are free, the limit is %d MiB; fix: free some, or lower fleet_gate_%s"
                % (free // MIB, name, limits[limit], limit)
            )
    if python(facts) is None:
        found.append("no Python is fit for the harness; fix: run playbooks/prepare.yml")
    return found + _clock(clock or {}, limits["clock_ms"])


def _clock(clock: Facts, limit: float) -> List[str]:
    offset, doubt = clock.get("offset_ms"), clock.get("uncertainty_ms")
    if offset is None or doubt is None:
        return ["its clock cannot be read by `date +%s.%N`; fix: install GNU coreutils"]
    if abs(offset) > limit:
        words = "its clock is %s %s the controller's, the limit is %s; fix: synchronise both, such as by chrony"
        return [words % (duration(abs(offset)), "ahead of" if offset > 0 else "behind", duration(limit))]
    if doubt > limit:
        words = "its clock is only known to %s, the limit is %s; fix: a faster way to the host"
        return [words % (duration(doubt), duration(limit))]
    return []


def duration(milliseconds: float) -> str:
    """Milliseconds in words: "12.3 ms", "2.003 s"."""
    return "%.3f s" % (milliseconds / 1e3) if milliseconds >= 1e3 else "%.3g ms" % milliseconds


def decide(
    members: List[str],
    spares: List[str],
    fleet: Dict[str, Facts],
    clocks: Dict[str, Facts],
    limits: Facts,
    policy: str,
    identical: bool,
    forks: int,
    own: Optional[Dict[str, Facts]] = None,
    lost: Optional[Dict[str, str]] = None,
) -> Facts:
    """Which hosts run.

    Args:
        members: Hosts that should run, also those that are not there any more.
        spares: Hosts that may take a member's place.
        fleet: Facts of the hosts that are there.
        clocks: What the module clock measured on them.
        limits: See `reasons`.
        policy: `fail`, `drop` or `replace`.
        identical: Whether hosts may not differ.
        forks: Ansible's.
        own: Limits of single hosts, in the place of `limits`.
        lost: What was said of hosts that are not there.

    Returns:
        `hosts` that run; `dropped` [{host, reasons}] and `replaced` [{host, by}]; `spares` that are not needed;
        `differences` between the hosts that run, `seen` between all that are there; `problems` that end the play.
    """
    order = members + spares
    own, lost = own or {}, lost or {}
    refused = {
        host: reasons(fleet.get(host), clocks.get(host), {**limits, **own.get(host, {})}, lost.get(host, ""))
        for host in order
    }
    problems: List[str] = unsettled(own)
    seen = compare({host: fleet[host] for host in members if host in fleet})
    if identical:
        problems += _refuse_others(members, order, fleet, refused)
    bad = [host for host in members if refused[host]]
    fit = [host for host in spares if not refused[host]]
    pairs = [(host, fit[index]) for index, host in enumerate(bad[: len(fit)])] if policy == "replace" else []
    hosts = [host for host in members if not refused[host]] + [spare for _bad, spare in pairs]
    if policy == "fail":
        problems += ["%s: %s" % (host, reason) for host in bad for reason in refused[host]]
    elif policy == "replace" and len(pairs) < len(bad):
        problems.append(
            "unfit hosts: %d, fit spares: %d; fix: more hosts in the group that fleet_gate_spares names"
            % (len(bad), len(fit))
        )
        problems += ["%s: %s" % (host, reason) for host in order for reason in refused[host]]
    elif not hosts:
        problems += ["%s: %s" % (host, reason) for host in bad for reason in refused[host]]
    if forks < len(hosts):
        problems.append(
            "%d hosts and %d forks: they would be measured one wave after the other; fix: ansible-playbook --forks %d"
            % (len(hosts), forks, len(hosts))
        )
    return {
        "hosts": hosts,
        "dropped": [{"host": host, "reasons": refused[host]} for host in bad],
        "replaced": [{"host": host, "by": spare} for host, spare in pairs],
        "spares": [host for host in spares if host not in hosts],
        "differences": compare({host: fleet[host] for host in hosts}),
        "seen": seen,
        "problems": problems,
    }


def again(record: Facts, order: List[str], fleet: Dict[str, Facts]) -> Facts:
    """The decision for a run that goes on: its fleet stays as it was decided, and nothing is judged anew.

    Cells may be running: memory, disk and clocks are those of a machine at work. A host that is not there is left out
    this time only, so that the others can go on.

    Args:
        record: The `run.json` on the controller, written when the run began.
        order: Hosts that the play was started for.
        fleet: Facts of the hosts that are there.
    """
    hosts = record.get("hosts") or order
    decided = record.get("gate") or {}
    away = [host for host in order if host in hosts and host not in fleet]
    return {
        "hosts": [host for host in order if host in hosts and host in fleet],
        "dropped": list(decided.get("dropped") or [])
        + [{"host": host, "reasons": reasons(None, None, {})} for host in away],
        "replaced": list(decided.get("replaced") or []),
        "spares": list(decided.get("spares") or []),
        "differences": list(decided.get("differences") or []),
        "seen": [],
        "problems": [],
    }


def _refuse_others(
    members: List[str], order: List[str], fleet: Dict[str, Facts], refused: Dict[str, List[str]]
) -> List[str]:
    """Give every host a reason that is not as most members are. Returns the problem of having no such kind."""
    kinds: Dict[Tuple[Tuple[str, Optional[str]], ...], List[str]] = {}
    for host in members:
        if not refused[host]:
            kinds.setdefault(tuple(sorted(values(fleet[host]).items())), []).append(host)
    ranked = sorted(kinds.items(), key=lambda item: -len(item[1]))
    if not ranked:
        return []
    if len(ranked) > 1 and len(ranked[0][1]) == len(ranked[1][1]):
        return ["hosts differ and no kind of them is the commonest; fix: what differs above, or fleet_gate_identical"]
    common = dict(ranked[0][0])
    for host in order:
        if refused[host]:
            continue
        own = values(fleet[host])
        names = [name for name in {**common, **own} if common.get(name) != own.get(name)]
        if names:
            words = ", ".join("%s is %s, elsewhere %s" % (name, own.get(name), common.get(name)) for name in names[:5])
            more = " and %d more" % (len(names) - 5) if len(names) > 5 else ""
            refused[host].append("it differs from the others: %s%s; fix: make hosts equal" % (words, more))
    return []
