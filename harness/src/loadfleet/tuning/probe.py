"""What a search gives to whoever tries settings, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Settings = Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """What one short run of some settings showed.

    Attributes:
        valid: Whether the latency bound held and nothing went wrong; minimums that a short run misses do not count.
        rate: Samples a second that were completed; None when nothing was measured.
        queries: How many queries were measured; 0 when nobody counted.
        late: How many of them were later than the bound; None when nobody counted.
        latency_ms: Percentiles by name (`p50`, `p99`).
        duration_s: What the probe cost in all, start-up included.
        reasons: Why it is not valid, in words.
        where: Where its logs are; empty when there are none.
    """

    valid: bool
    rate: float | None = None
    queries: int = 0
    late: int | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    duration_s: float = 0.0
    reasons: tuple[str, ...] = ()
    where: str = ""


class Probe(Protocol):
    """Tries settings for a time."""

    def __call__(self, settings: Settings, seconds: float) -> Outcome:
        """Run `settings` for about `seconds` of measured time."""


@dataclass(frozen=True)
class Tried:
    """One probe of a search: settings, measured seconds that were asked for, what came out."""

    settings: Settings
    seconds: float
    outcome: Outcome

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tried:
        """What `as_json` gave."""
        outcome = {key: value[key] for key in value if key not in ("settings", "seconds")}
        return cls(value["settings"], value["seconds"], Outcome(**{**outcome, "reasons": tuple(outcome["reasons"])}))

    def as_json(self) -> dict[str, Any]:
        """The probe as it stands in a record."""
        found = self.outcome
        return {
            "settings": dict(self.settings),
            "seconds": round(self.seconds, 3),
            "valid": found.valid,
            "rate": found.rate,
            "queries": found.queries,
            "late": found.late,
            "latency_ms": dict(found.latency_ms),
            "duration_s": round(found.duration_s, 3),
            "reasons": list(found.reasons),
            "where": found.where,
        }
