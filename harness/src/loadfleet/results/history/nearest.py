"""Which published results stand next to one of ours, and what has to be known before their numbers are compared.

Only results of the same benchmark, accuracy flavour, scenario and unit are next to each other. Among them those come
first whose hardware is alike: the kind (accelerator or processor only), its model, its number; then the newest round.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadfleet.results import words
from loadfleet.results.history.derived import accelerators, cores
from loadfleet.results.history.trees import round_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadfleet.results.history.published import PublishedResult

# Words that say nothing of which device it is.
_COMMON = {"nvidia", "amd", "intel", "r", "tm", "cpu", "gpu", "processor", "core", "with", "the", "x", "hbm", "gb"}
_KIND, _NAME, _COUNT = 4.0, 2.0, 0.5  # a doubling of the number weighs as much as a quarter of the name


@dataclass(frozen=True)
class Near:
    """A published result next to one of ours.

    Attributes:
        row: The published result.
        distance: 0 for the same hardware in the newest round; see the module.
        ratio: Published by own, above 1 when the published one is better, also for latencies.
        likeness: What is alike and what differs, in words.
        cautions: What makes the numbers differ in meaning; empty for nothing.
    """

    row: PublishedResult
    distance: float
    ratio: float
    likeness: str
    cautions: tuple[str, ...]


def comparable(own: PublishedResult, other: PublishedResult) -> bool:
    """Same benchmark, accuracy flavour, scenario and unit."""
    return (own.benchmark, own.flavour, own.scenario, own.unit) == (
        other.benchmark,
        other.flavour,
        other.scenario,
        other.unit,
    )


def nearest(own: PublishedResult, rows: Iterable[PublishedResult], limit: int) -> list[Near]:
    """The `limit` nearest of the comparable rows, nearest first."""
    candidates = [row for row in rows if comparable(own, row) and row.value > 0]
    newest = max((round_key(row.round) for row in candidates), default=())
    scored = [_near(own, row, newest) for row in candidates]
    scored.sort(key=lambda near: (near.distance, -near.ratio, near.row.submitter, near.row.system))
    return scored[:limit]


def why_none(own: PublishedResult, rows: Sequence[PublishedResult]) -> str:
    """Why nothing stands next to a result, and what comes closest; empty when something does."""
    if not rows:
        return "the index has no result that matches (`loadfleet results import` fills it)"
    if any(comparable(own, row) for row in rows):
        return ""
    same = [row for row in rows if row.benchmark == own.benchmark]
    what = f"{own.model} in {own.scenario}"
    if not same:
        there = sorted({row.benchmark for row in rows})
        return f"no published result of {own.benchmark}; there are {', '.join(there[:8])}{' ...' if there[8:] else ''}"
    others = [row for row in same if row.scenario == own.scenario and row.flavour == own.flavour]
    if others:
        units = sorted({row.unit for row in others})
        return f"published results of {what} are in {', '.join(units)}, ours in {own.unit}: not compared"
    flavours = sorted({row.model for row in same if row.scenario == own.scenario})
    if flavours:
        return f"no published result of {what}; other accuracy flavours there: {', '.join(flavours)}"
    return f"no published result of {what}; scenarios there: {', '.join(sorted({row.scenario for row in same}))}"


def _near(own: PublishedResult, row: PublishedResult, newest: tuple[int, ...]) -> Near:
    ours, theirs = accelerators(own) or 0, accelerators(row) or 0
    kind = bool(ours) != bool(theirs)
    if ours or theirs:
        names, counts = (own.accelerator, row.accelerator), (ours, theirs)
    else:
        names, counts = (own.processor, row.processor), (cores(own) or 0, cores(row) or 0)
    unlike = 1 - alike(*names)
    doublings = abs(math.log2(counts[1] / counts[0])) if all(counts) else 1.0
    age = 0.0 if round_key(row.round) == newest else 0.1
    distance = _KIND * kind + _NAME * unlike + _COUNT * doublings + age
    ratio = own.value / row.value if own.lower_is_better else row.value / own.value
    return Near(row, round(distance, 3), ratio, _likeness(own, row, kind=kind, unlike=unlike), cautions(own, row))


def alike(one: str, other: str) -> float:
    """Share of the telling words that two names of devices have in common, 0 to 1."""
    left, right = _telling(one), _telling(other)
    return len(left & right) / len(left | right) if left and right else float(one == other)


def _telling(name: str) -> set[str]:
    found = set(re.findall(r"[a-z]+\d[a-z0-9]*|\d+[a-z]*|[a-z]+", name.lower()))
    return found - _COMMON or found


def _likeness(own: PublishedResult, row: PublishedResult, *, kind: bool, unlike: float) -> str:
    if kind:
        return "accelerators against processors only"
    ours, theirs = accelerators(own) or 0, accelerators(row) or 0
    what, counts = ("accelerator", (ours, theirs)) if ours else ("processor", (cores(own), cores(row)))
    text = f"same {what}" if unlike == 0 else f"similar {what}" if unlike <= 0.5 else f"other {what}"
    noun = "accelerator" if ours else "core"
    if counts[0] and counts[1]:
        same = counts[0] == counts[1]
        text += f", as many {noun}s" if same else f", {words.count(counts[1], noun)} to our {counts[0]:,}"
    return text


def cautions(own: PublishedResult, row: PublishedResult) -> tuple[str, ...]:
    """What a reader must know before comparing the two numbers."""
    accuracy = ", ".join(f"{name} {value:g}" for name, value in own.accuracy.items())
    checks = (
        (not own.valid, "ours is no valid result (a test, or INVALID)"),
        (not row.valid, "the published result is not VALID"),
        (own.accuracy_met is False, f"our accuracy ({accuracy}) is below the target of {own.model}"),
        (own.accuracy_met is None, "our accuracy is not known to meet the target"),
        (row.accuracy_met is False, f"its accuracy is below the target of {row.model}"),
        (row.inferred != own.inferred, "one of the two is inferred from another scenario"),
        (row.division == "open" and row.model_folder != row.model, f"its model is its own: {row.model_folder}"),
        (
            bool(own.round and row.round) and own.round != row.round,
            f"rounds differ ({own.round}, {row.round})",
        ),
    )
    return tuple(text for applies, text in checks if applies)
