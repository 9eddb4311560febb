"""Runs of ours and published results side by side: groups of rows whose numbers can be compared.

A group has one model, accuracy flavour, scenario and unit; nothing of another unit or flavour ever stands in it.
"""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.results.history.derived import FORMULAE, derive
from loadfleet.results.history.nearest import Near, nearest, why_none
from loadfleet.results.history.ours import own as rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadfleet.results.history.published import PublishedResult
    from loadfleet.results.model import RunResults

OURS = ""


@dataclass(frozen=True)
class Entry:
    """A row of a group; `near` is None for rows of ours and where there is no run to compare with."""

    row: PublishedResult
    near: Near | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row, what is derived of it, and how it stands to ours."""
        near = self.near
        return {
            **self.row.as_dict(),
            "derived": {name: derived.as_dict() for name, derived in derive(self.row).items()},
            "ratio": near.ratio if near else None,
            "distance": near.distance if near else None,
            "likeness": near.likeness if near else None,
            "cautions": list(near.cautions) if near else [],
        }


@dataclass(frozen=True)
class Group:
    """Rows that can be compared, ours first; `why` says why none stands beside ours, `more` how many are left out."""

    model: str
    scenario: str
    unit: str
    entries: tuple[Entry, ...]
    why: str = ""
    more: int = 0

    @property
    def title(self) -> str:
        better = "less is better" if self.entries[0].row.lower_is_better else "more is better"
        return f"{self.model}, {self.scenario}, {self.unit} ({better})"

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "model": self.model,
            "scenario": self.scenario,
            "unit": self.unit,
            "why": self.why or None,
            "more": self.more,
            "results": [entry.as_dict() for entry in self.entries],
        }


def prices(texts: Iterable[str]) -> dict[str, float]:
    """Prices in euro by system from texts `EUR` (ours, under the empty name) and `SYSTEM=EUR`.

    Raises:
        InputError: A price is no positive number.
    """
    found = {}
    for text in texts:
        name, sign, value = text.rpartition("=")
        try:
            price = float(value)
        except ValueError:
            price = math.nan
        if not (math.isfinite(price) and price > 0) or (sign and not name):
            raise InputError(
                f"--price {text!r} is no price", fix="Write --price 12000 for ours, --price 'DGX*=400000' for theirs."
            )
        found[name] = price
    return found


def priced(row: PublishedResult, known: Mapping[str, float]) -> PublishedResult:
    """The row with its price, where one names its system; `*` and `?` are wildcards."""
    for name, price in known.items():
        names = (row.system.lower(), row.system_name.lower())
        if name != OURS and any(fnmatch.fnmatchcase(text, name.lower()) for text in names):
            return replace(row, price_eur=price)
    return row


def beside(
    runs: Sequence[RunResults], published: Sequence[PublishedResult], known: Mapping[str, float], limit: int
) -> list[Group]:
    """A group for each performance result of the runs with the published results nearest to it."""
    published = [priced(row, known) for row in published]
    groups = []
    for row in [row for run in runs for row in rows_of(run, known.get(OURS))]:
        near = nearest(row, published, limit)
        comparable = sum(
            (other.benchmark, other.flavour, other.scenario, other.unit)
            == (row.benchmark, row.flavour, row.scenario, row.unit)
            for other in published
        )
        groups.append(
            Group(
                row.model,
                row.scenario,
                row.unit,
                (Entry(row), *(Entry(one.row, one) for one in near)),
                why_none(row, published),
                max(comparable - len(near), 0),
            )
        )
    return groups


def listed(published: Sequence[PublishedResult], known: Mapping[str, float], limit: int) -> list[Group]:
    """Published results alone, grouped, the best of each group first."""
    groups: dict[tuple[str, str, str], list[PublishedResult]] = {}
    for row in published:
        groups.setdefault((row.model, row.scenario, row.unit), []).append(priced(row, known))
    found = []
    for key, rows in sorted(groups.items()):
        rows.sort(key=lambda row: row.value, reverse=not rows[0].lower_is_better)
        found.append(Group(*key, tuple(Entry(row) for row in rows[:limit]), more=max(len(rows) - limit, 0)))
    return found


def as_dict(groups: Sequence[Group]) -> dict[str, Any]:
    """Groups and the formulae of what is derived, as JSON."""
    return {"formulae": FORMULAE, "groups": [group.as_dict() for group in groups]}
