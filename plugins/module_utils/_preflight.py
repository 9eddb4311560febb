# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks the variables of one host before it is touched: names, values, run id. Private to this collection."""

from __future__ import annotations

import difflib
import glob
import os
import re
from typing import Any, Dict, Iterable, List, Sequence, Tuple

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[a-z0-9_.-]+-[0-9a-f]{4}\Z")
# Roles whose names nobody else's variables begin with.
OURS = (
    "benchmark",
    "fleet_gate",
    "platform_tuning",
    "python_venv",
    "submission",
    "system_description",
    "system_packages",
)
# Variables that several roles or the playbooks read.
SHARED = (
    "artifact_mirrors",
    "artifact_supplied",
    "benchmark_hosts",
    "doctor_report_path",
    "results_path",
    "store_path",
    "store_pin",
    "store_quota",
    "store_shared_path",
    "wheelhouse_path",
)
# How alike a name must be to be offered.
ALIKE = 0.75
# Of so many names not all are listed, but some.
MANY, SOME = 20, 4
# Values may be given as the files that they are the names of.
SUFFIXES = (".yml", ".lock")


def options(roles: str) -> Dict[str, List[str]]:
    """The options of every role below a folder, by role: what its defaults list."""
    found = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(roles), "*", "defaults", "main.yml"))):
        with open(path, encoding="utf-8") as stream:
            found[path.split(os.sep)[-3]] = re.findall(r"^(\w+):", stream.read(), re.MULTILINE)
    return found


def misspelt(names: Iterable[str], known: Dict[str, List[str]], facts: Sequence[str]) -> Tuple[List[str], List[str]]:
    """What is wrong with the names of variables that begin as ours do and are none of ours.

    Args:
        names: Variables of a host.
        known: By role, its options.
        facts: What tasks set.

    Returns:
        What is wrong; what may be meant as one of ours, or may be the user's own.
    """
    every = {option for options_ in known.values() for option in options_} | set(SHARED) | set(facts)
    found, doubtful = [], []
    for name in sorted(set(names) - every):
        role = next((one for one in OURS if name.startswith(one + "_")), "")
        if role:
            same = [*known.get(role, []), *(one for one in SHARED if one.startswith(role + "_"))]
            advice = suggestion(name, same) or "use one of %s" % ", ".join(same)
            found.append("unknown variable %s; fix: %s" % (name, advice))
        elif suggestion(name, SHARED):
            doubtful.append("variable %s is none of Loadfleet's; %s" % (name, suggestion(name, SHARED)))
    return found, doubtful


def suggestion(name: str, known: Sequence[str]) -> str:
    """The known name that was meant, as a question; empty when none is alike."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)
    return "did you mean %s?" % close[0] if close else ""


def wrong(choices: Iterable[Dict[str, Any]]) -> List[str]:
    """What is wrong with values that have to be one of some: [{variable, given, known}]; empty ones are the default."""
    found = []
    for choice in choices:
        known = sorted(_stem(str(one)) for one in choice["known"])
        for value in choice["given"]:
            if value and str(value) not in known:
                hint = suggestion(str(value), known)
                fix = "%s%suse one of %s" % (hint, " " if hint else "", _listed(str(value), known))
                found.append("%s is %s, which does not exist; fix: %s" % (choice["variable"], value, fix))
    return found


def _listed(value: str, known: Sequence[str]) -> str:
    """The names, or of many those that are most alike."""
    if len(known) <= MANY:
        return ", ".join(known)
    some = difflib.get_close_matches(value, known, n=SOME, cutoff=0.5) or known[:SOME]
    return "%s ... (`loadfleet catalogue list` shows all %d)" % (", ".join(some), len(known))


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0] if name.endswith(SUFFIXES) else name


def run_id(value: str) -> List[str]:
    """What is wrong with the id of a run; an empty one is for a new run."""
    if not value or RUN_ID.match(value):
        return []
    words = "benchmark_run_id is %s; run ids look like 20261122T003500Z-bert-3f9a; fix: leave it out for a new run"
    return [words % value]


def together(problems: Dict[str, List[str]]) -> List[str]:
    """The problems of all hosts, each once, with the hosts that have it unless all have."""
    hosts: Dict[str, List[str]] = {}
    for host, found in problems.items():
        for one in found:
            hosts.setdefault(one, []).append(host)
    everybody = len(problems)
    return [one if len(names) == everybody else "%s (on %s)" % (one, ", ".join(names)) for one, names in hosts.items()]
