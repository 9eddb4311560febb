"""Sheets as MLCommons publishes them: one per suite and division, systems down, models and scenarios across."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SUITES = ("datacenter", "edge")
POWER_UNITS = ("Watts", "millijoules")
_SCENARIOS = ("SingleStream", "MultiStream", "Server", "Interactive", "Offline")
# title -> column of the summary
_SYSTEM = {
    "Submitter": "Organization",
    "Availability": "Availability",
    "System": "SystemName",
    "Nodes": "number_of_nodes",
    "Processor": "host_processor_model_name",
    "p#": "host_processors_per_node",
    "Accelerator": "accelerator_model_name",
    "a#": "accelerators_per_node",
    "Total accelerators": "total_accelerators",
    "Software": "framework",
    "Notes": "notes",
}
_USED = {"Used model": "Model", "Accuracy": "Accuracy"}


@dataclass(frozen=True)
class Links:
    """Where a submission is published: `<repository>/tree/<branch>/...`; no repository, no links."""

    repository: str = ""
    branch: str = "main"

    def to(self, *parts: str) -> str:
        return "/".join([self.repository.rstrip("/"), "tree", self.branch, *parts]) if self.repository else ""


@dataclass
class Line:
    """One system (and in open one model on it): values of the columns, and (model, scenario, unit) -> result."""

    identifier: str
    values: tuple[str, ...]
    results: dict[tuple[str, str, str], float] = field(default_factory=dict)


@dataclass
class Sheet:
    """`title` is `<suite> - <division>`, with ` - power` for those that were measured with power."""

    title: str
    columns: tuple[str, ...]
    groups: list[tuple[str, str, str]]
    lines: list[Line]


def sheets(rows: Sequence[Mapping[str, str]], ids: Mapping[str, str], links: Links) -> list[Sheet]:
    """All sheets that are not empty, in the order of suites and divisions."""
    divisions = sorted({row["Division"] for row in rows})
    with_power = {row["Location"] for row in rows if row["Units"] in POWER_UNITS}
    found = []
    for suite in SUITES:
        for division in divisions:
            here = [row for row in rows if row["Division"] == division and suite in row["SystemType"].split(",")]
            plain = [row for row in here if row["Units"] not in POWER_UNITS]
            powered = [row for row in here if row["Location"] in with_power]
            for title, chosen in ((f"{suite} - {division}", plain), (f"{suite} - {division} - power", powered)):
                if chosen:
                    found.append(_sheet(title, division, chosen, ids, links))
    return found


def identify(rows: Sequence[Mapping[str, str]], known: Mapping[str, str]) -> dict[str, str]:
    """System -> identifier such as 6.1-0001. Known ones stay; new ones follow the highest number of their round."""
    ids = dict(known)
    highest: Counter[str] = Counter()
    for identifier in ids.values():
        match = re.fullmatch(r"(.+)-(\d+)", identifier)
        if match:
            highest[match.group(1)] = max(highest[match.group(1)], int(match.group(2)))
    for row in sorted(rows, key=system_of):
        version = row["version"].removeprefix("v")
        if system_of(row) not in ids:
            highest[version] += 1
            ids[system_of(row)] = f"{version}-{highest[version]:04d}"
    return ids


def system_of(row: Mapping[str, str]) -> str:
    """What an identifier stands for."""
    return "/".join((row["version"], row["Division"], row["Organization"], row["Platform"]))


def objects(rows: Sequence[Mapping[str, str]], ids: Mapping[str, str], links: Links) -> list[dict[str, Any]]:
    """One object per result, its power beside its performance."""
    power = {row["Location"]: row for row in rows if row["Units"] in POWER_UNITS}
    found = []
    for row in rows:
        if row["Units"] in POWER_UNITS:
            continue
        own = {name: value for name, value in row.items() if name not in {"Result", "Units"}}
        used = power.get(row["Location"])
        details, code = _links(row, links)
        found.append(
            {
                "ID": ids[system_of(row)],
                **own,
                "Performance_Result": number(row["Result"]),
                "Performance_Units": row["Units"],
                "Power_Result": None if used is None else number(used["Result"]),
                "Power_Units": None if used is None else used["Units"],
                "Details": details,
                "Code": code,
            }
        )
    return found


def number(text: str) -> float | None:
    """A finite number, None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _sheet(title: str, division: str, rows: Iterable[Mapping[str, str]], ids: Mapping[str, str], links: Links) -> Sheet:
    columns = {**_SYSTEM, **(_USED if division == "open" else {})}
    lines: dict[tuple[str, ...], Line] = {}
    groups: set[tuple[str, str, str]] = set()
    for row in rows:
        value = number(row["Result"])
        if value is None:
            continue
        values = (*(row.get(name, "") for name in columns.values()), *_links(row, links))
        key = (ids[system_of(row)], *values)
        line = lines.setdefault(key, Line(key[0], values))
        group = (row["MlperfModel"] or row["Model"], _scenario(row["Scenario"]), row["Units"])
        groups.add(group)
        line.results[group] = value
    return Sheet(
        title, (*columns, "Details", "Code"), sorted(groups, key=_order), [lines[key] for key in sorted(lines)]
    )


def _order(group: tuple[str, str, str]) -> tuple[str, int, bool, str, str]:
    model, scenario, unit = group
    place = _SCENARIOS.index(scenario) if scenario in _SCENARIOS else len(_SCENARIOS)
    return model, place, unit in POWER_UNITS, scenario, unit


def _scenario(name: str) -> str:
    return {known.lower(): known for known in _SCENARIOS}.get(name.lower(), name)


def _links(row: Mapping[str, str], links: Links) -> tuple[str, str]:
    place = (row["Division"], row["Organization"])
    return links.to(*place, "results", row["Platform"]), links.to(*place, "src")
