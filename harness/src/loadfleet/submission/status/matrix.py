"""The words of a status: what a submission has, lacks and still has to run, per system, model and scenario."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ASPECTS = ("performance", "accuracy", "compliance", "power")
DONE = frozenset({"valid", "inferred", "not needed"})
_WORST = ("missing", "invalid", "test-length", "planned", "inferred", "valid")
STATES = ("valid", "inferred", "planned", "test-length", "invalid", "missing", "not needed")


@dataclass(frozen=True)
class State:
    """One of `STATES`; `why` in words, and in `fix` what to change when it is not as it should be.

    `valid` is there and submittable, `inferred` comes from another scenario's valid run, `planned` is what a given plan
    will measure, `test-length` and `invalid` are there and cannot be submitted.
    """

    state: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True)
class ToRun:
    """A LoadGen run that is still to be made; seconds are a lower bound when `at_least` is set."""

    scenario: str
    mode: str
    seconds: float
    at_least: bool = False


@dataclass(frozen=True)
class Line:
    """One scenario of a model on a system."""

    system: str
    model: str
    official_name: str
    scenario: str
    performance: State
    accuracy: State
    compliance: State
    power: State
    to_run: tuple[ToRun, ...] = ()

    @property
    def states(self) -> tuple[State, ...]:
        """In the order of `ASPECTS`."""
        return (self.performance, self.accuracy, self.compliance, self.power)

    @property
    def complete(self) -> bool:
        return all(state.state in DONE for state in self.states)

    @property
    def seconds(self) -> float:
        """How long the runs take that are still to be made."""
        return sum(run.seconds for run in self.to_run)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": round(self.seconds), "complete": self.complete}


@dataclass(frozen=True)
class Demand:
    """Something beside runs that a division asks for: a document, fields of a description."""

    system: str
    name: str
    met: bool
    why: str
    fix: str = ""


@dataclass(frozen=True)
class Status:
    """The whole matrix.

    Attributes:
        planned: Whether the lines say what will be there after the plan has run.
        variables: Variable of the collection -> value with which the missing runs would be made.
    """

    round: str
    division: str
    system_type: str
    lines: tuple[Line, ...]
    demands: tuple[Demand, ...] = ()
    planned: bool = False
    notes: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing lacks; with a plan, whether nothing will lack after it."""
        done = DONE | {"planned"} if self.planned else DONE
        return (
            bool(self.lines)
            and all(state.state in done for line in self.lines for state in line.states)
            and all(demand.met for demand in self.demands)
        )

    @property
    def seconds(self) -> dict[str, float]:
        """System -> seconds of the runs still to be made there, one after the other."""
        found: dict[str, float] = {}
        for line in self.lines:
            found[line.system] = found.get(line.system, 0.0) + line.seconds
        return found

    @property
    def at_least(self) -> bool:
        """Whether a speed is unknown, so that times are lower bounds."""
        return any(run.at_least for line in self.lines for run in line.to_run)

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`."""
        seconds = self.seconds
        return {
            "complete": self.complete,
            "round": self.round,
            "division": self.division,
            "system_type": self.system_type,
            "planned": self.planned,
            "lines": [line.as_json() for line in self.lines],
            "demands": [asdict(demand) for demand in self.demands],
            "notes": list(self.notes),
            "variables": dict(self.variables),
            "seconds": {system: round(value) for system, value in seconds.items()},
            "time": clock(max(seconds.values(), default=0.0)),
            "at_least": self.at_least,
        }


def worst(states: Mapping[str, State]) -> State:
    """One state for several compliance tests: the worst, with the reasons of all that are not done."""
    kind = min((state.state for state in states.values()), key=_WORST.index)
    if kind in DONE or kind == "planned":
        return State(kind)
    hit = {name: state for name, state in states.items() if state.why}
    fixes = dict.fromkeys(state.fix for state in hit.values() if state.fix)
    return State(kind, "; ".join(f"{name}: {state.why}" for name, state in hit.items()), "; ".join(fixes))


def clock(seconds: float) -> str:
    """hh:mm, rounded up to whole minutes."""
    minutes = math.ceil(round(seconds) / 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"
