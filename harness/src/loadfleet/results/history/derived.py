"""Numbers derived from a result: each with its name, its unit and the formula with its numbers filled in.

Throughput only: a latency does not get shorter per accelerator. Power is that of the whole system at the wall.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.results import words

if TYPE_CHECKING:
    from loadfleet.results.history.published import PublishedResult

# What one query of a scenario holds, where the metric is a latency.
SAMPLES_PER_QUERY = {"SingleStream": 1, "MultiStream": 8}
_THOUSAND = 1000

FORMULAE = {
    "per_accelerator": "result / (nodes x accelerators per node)",
    "per_core": "result / (nodes x processors per node x cores per processor), for systems without accelerators",
    "per_watt": "result / mean power; for a latency samples per query x 1000 / energy per query in mJ",
    "per_1000_eur": "result x 1000 / price in euro",
}


@dataclass(frozen=True)
class Derived:
    """`formula` is `FORMULAE[name]` with the row's numbers, such as `1,642 Tokens/s / (1 x 1)`."""

    name: str
    value: float
    unit: str
    formula: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def text(self) -> str:
        """`548.2 Tokens/s per accelerator`."""
        return words.quantity(self.value, self.unit)

    def short(self) -> str:
        """`548.2 Tokens/s`, for below a heading that says per what."""
        return words.quantity(self.value, self.unit.partition(" per ")[0])


def derive(row: PublishedResult) -> dict[str, Derived]:
    """What can be derived of a row; names of `FORMULAE` are missing where their numbers are."""
    found = [_per_accelerator(row), _per_core(row), _per_watt(row), _per_price(row)]
    return {one.name: one for one in found if one}


def accelerators(row: PublishedResult) -> int | None:
    """Accelerators of the whole system; None when they are not stated."""
    return None if row.accelerators_per_node is None else row.accelerators_per_node * (row.nodes or 1)


def cores(row: PublishedResult) -> int | None:
    """Processor cores of the whole system; None when they are not stated."""
    if not row.processors_per_node or not row.cores_per_processor:
        return None
    return (row.nodes or 1) * row.processors_per_node * row.cores_per_processor


def _per_accelerator(row: PublishedResult) -> Derived | None:
    count = accelerators(row)
    if row.lower_is_better or not count:
        return None
    formula = f"{words.quantity(row.value, row.unit)} / ({row.nodes or 1} x {row.accelerators_per_node})"
    return Derived("per_accelerator", row.value / count, f"{row.unit} per accelerator", formula)


def _per_core(row: PublishedResult) -> Derived | None:
    count = cores(row)
    if row.lower_is_better or not count or accelerators(row):
        return None
    parts = f"{row.nodes or 1} x {row.processors_per_node} x {row.cores_per_processor}"
    formula = f"{words.quantity(row.value, row.unit)} / ({parts})"
    return Derived("per_core", row.value / count, f"{row.unit} per core", formula)


def _per_watt(row: PublishedResult) -> Derived | None:
    samples = SAMPLES_PER_QUERY.get(row.scenario)
    if row.lower_is_better and row.energy_mj and samples:
        formula = f"{samples} x 1000 / {words.quantity(row.energy_mj, 'mJ')}"
        return Derived("per_watt", samples * _THOUSAND / row.energy_mj, "Samples/s per W", formula)
    if row.lower_is_better or not row.power_w:
        return None
    formula = f"{words.quantity(row.value, row.unit)} / {words.quantity(row.power_w, 'W')}"
    return Derived("per_watt", row.value / row.power_w, f"{row.unit} per W", formula)


def _per_price(row: PublishedResult) -> Derived | None:
    if row.lower_is_better or not row.price_eur:
        return None
    formula = f"{words.quantity(row.value, row.unit)} x 1000 / {words.quantity(row.price_eur, 'EUR')}"
    return Derived("per_1000_eur", row.value * _THOUSAND / row.price_eur, f"{row.unit} per 1000 EUR", formula)
