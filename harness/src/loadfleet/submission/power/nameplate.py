"""Nameplate power: the capacity of the fewest power supplies that each component of a system needs.

A file is a nest of named components. One with `PSUs` (a list with `PowerCapacityWatts`) and `Min PSUs Needed` counts
the largest supplies that it needs; the others count what lies below them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadfleet.submission.reading.place import Place

FIELD = "system_power_capacity"
"""Of the system description, in W; where it stands the file is not read."""
_BYTES = 1 << 20
_DEPTH = 100


def read(path: Place) -> tuple[float | None, str]:
    """Watts, or None and why not."""
    import yaml  # noqa: PLC0415 - slow to import, and few results need it

    data = path.read_bytes(_BYTES)
    if data is None:
        return None, "missing"
    try:
        return _sum(yaml.safe_load(data.decode("utf-8")), 0), ""
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return None, str(error).splitlines()[0]


def number(value: Any) -> float | None:
    """A finite number of watts, also from text; None for something else."""
    try:
        watts = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return watts if math.isfinite(watts) and watts >= 0 else None


def _sum(value: Any, depth: int) -> float:
    if depth > _DEPTH:
        raise ValueError("components are nested too deeply")
    if isinstance(value, list):
        return sum(_sum(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return 0.0
    named = {str(name).lower(): item for name, item in value.items()}
    supplies, needed = named.get("psus"), named.get("min psus needed")
    if isinstance(supplies, list) and needed is not None:
        if not isinstance(needed, int) or isinstance(needed, bool) or needed < 0:
            raise ValueError(f"Min PSUs Needed is not a number: {needed!r}")
        watts = [number(item.get("PowerCapacityWatts", 0)) for item in supplies if isinstance(item, dict)]
        if any(item is None for item in watts):
            raise ValueError("PowerCapacityWatts is not a number")
        return sum(sorted((item for item in watts if item is not None), reverse=True)[:needed])
    return sum(_sum(item, depth + 1) for item in value.values())
