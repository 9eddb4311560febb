# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Shows the stores of all hosts in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DOCUMENTATION = r"""
name: stores
short_description: Show the stores of all hosts in one table
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Hosts that have the same entry in the same state share a row; below are the sums of each host.
options:
  _input:
    description: Hosts to show.
    type: list
    elements: str
    required: true
  variables:
    description: The variable C(hostvars).
    type: dict
    required: true
  name:
    description: The variable that M(loadfleet.mlperf.cache) is registered as.
    type: str
    required: true
"""

EXAMPLES = r"""
text: "{{ ansible_play_hosts | loadfleet.mlperf.stores(hostvars, 'cache') }}"
"""

RETURN = r"""
_value:
  description: Lines for a terminal.
  type: str
"""

_NAMED = 3


def stores(hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """The table."""
    rows: dict[tuple[str, ...], list[tuple[str, dict[str, Any]]]] = {}
    sums = []
    for host in hosts:
        answer = variables[host][name]
        for each in answer["entries"]:
            key = (each["kind"], each["name"], each["digest"][7:19], size(each["size"]), each["what"])
            rows.setdefault(key, []).append((host, each))
        sums.append((host, size(answer["takes"]), size(answer["free"]), answer["store"]))
    everybody = [line[0] for line in sums]
    table = [
        (
            *key,
            _last(found),
            str(sum(each["runs"] for host, each in found)),
            _hosts([host for host, each in found], everybody),
        )
        for key, found in sorted(rows.items())
    ]
    parts = []
    if table:
        parts.append(_aligned(("KIND", "NAME", "DIGEST", "SIZE", "STATE", "LAST USED", "RUNS", "HOSTS"), table))
    else:
        parts.append("no entry fits")
    parts.append(_aligned(("HOST", "TAKEN", "FREE", "STORE"), sums))
    return "\n\n".join(parts)


def size(count: int) -> str:
    """Bytes in decimal units."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return "%.0f B" % value if unit == "B" else "%.1f %s" % (value, unit)
        value /= 1000
    return "%.1f TB" % value


def _last(found: list[tuple[str, dict[str, Any]]]) -> str:
    """The day on which some host used an entry last."""
    return max([each["last_used"] or "" for host, each in found])[:10] or "-"


def _hosts(having: list[str], everybody: list[str]) -> str:
    if len(having) == len(everybody) > _NAMED:
        return "all %d" % len(everybody)
    more = len(having) - _NAMED
    return ", ".join(having[:_NAMED]) + (" and %d more" % more if more > 0 else "")


def _aligned(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"stores": stores}
