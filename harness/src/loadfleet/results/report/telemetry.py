"""What a cell's `telemetry.jsonl` says over time, thinned to what a drawing can show."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

POINTS = 240


@dataclass(frozen=True)
class Quantity:
    """A key of a sample, what it is called, its unit on the page, what to divide it by, its most."""

    key: str
    title: str
    unit: str
    divisor: float = 1.0
    most: float | None = None


QUANTITIES = (
    Quantity("cpu_percent", "Processor use, 100 % is all cores", "%", most=100.0),
    Quantity("rss_bytes", "Resident memory of the cell", "MiB", 1 << 20),
    Quantity("power_w", "Power", "W"),
    Quantity("temperature_c", "Temperature", "°C"),
    Quantity("frequency_mhz", "Processor clock", "MHz"),
)


@dataclass(frozen=True)
class Telemetry:
    """Series of (seconds, value) by key, and the phases (name, second of their first sample)."""

    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    phases: list[tuple[str, float]] = field(default_factory=list)


def read(path: Path) -> Telemetry:
    """Read samples; lines that are not samples are passed over (a run may be cut off)."""
    found = Telemetry()
    if not path.is_file():
        return found
    with path.open(encoding="utf-8", errors="replace") as stream:
        for text in stream:
            sample = _sample(text)
            at = sample.get("t")
            if not _is_number(at):
                continue
            phase = sample.get("phase")
            if isinstance(phase, str) and (not found.phases or found.phases[-1][0] != phase):
                found.phases.append((phase, float(at)))
            for quantity in QUANTITIES:
                if _is_number(value := sample.get(quantity.key)):
                    found.series.setdefault(quantity.key, []).append((float(at), value / quantity.divisor))
    return found


def thin(samples: Sequence[tuple[float, float]], most: int = POINTS) -> list[tuple[float, float]]:
    """At most about `most` samples, the highest of each interval, so that peaks stay visible; first and last stay."""
    if len(samples) <= most:
        return list(samples)
    step = math.ceil(len(samples) / most)
    kept = [max(samples[index : index + step], key=lambda sample: sample[1]) for index in range(0, len(samples), step)]
    return list(dict.fromkeys([samples[0], *kept, samples[-1]]))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _sample(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
