"""The fastest arrangement of a machine (instances x threads, batches), by short probes within a budget of seconds.

A small space is tried whole. A larger one is walked a coordinate at a time from the defaults, keeping what is faster by
more than the noise, until no coordinate helps. At the end the leaders run again, in turns, so that a machine that was
busy for a while does not choose.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.tuning.probe import Tried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadfleet.tuning.probe import Outcome, Probe

    Score = Callable[[Outcome], float | None]

Choice = Mapping[str, float]
Space = Mapping[
    str, Sequence[Choice]
]  # coordinate -> its choices, in their natural order; the first ones are the start
_LEADERS = 3  # how many are run again
_NOISE = 0.02  # of a short probe: a smaller gain does not move the walk


@dataclass(frozen=True)
class Ranked:
    """One arrangement: the median of its scores, None where none of its probes was usable."""

    settings: Choice
    rate: float | None
    probes: int
    reasons: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json` and records."""
        return {
            "settings": dict(self.settings), "rate": self.rate, "probes": self.probes, "reasons": list(self.reasons),
        }  # fmt: skip


@dataclass(frozen=True)
class Ranking:
    """Arrangements, the fastest first; `complete` when the budget sufficed for all that was meant to be tried."""

    ranked: tuple[Ranked, ...]
    complete: bool
    seconds: float
    probes: tuple[Tried, ...]

    @property
    def best(self) -> Ranked | None:
        """The fastest valid one."""
        return self.ranked[0] if self.ranked and self.ranked[0].rate is not None else None


def layouts(cores: int, physical: int | None = None) -> list[dict[str, float]]:
    """Instances x threads that use all cores, one thread each first; then those that leave out second hardware threads.

    Raises:
        InputError: There is no core.
    """
    if cores < 1:
        raise InputError(f"{cores} cores; there has to be one at least", fix="give a positive number of cores")
    counts = [cores, *([physical] if physical and 0 < physical < cores else [])]
    return [
        {"instances": count // threads, "threads": threads}
        for count in counts
        for threads in range(1, count + 1)
        if count % threads == 0
    ]


def valid_rate(outcome: Outcome) -> float | None:
    """The rate of a valid probe."""
    return outcome.rate if outcome.valid else None


def search(
    probe: Probe,
    choices: Space,
    *,
    budget_s: float,
    seconds: float = 10.0,
    score: Score = valid_rate,
    report: Callable[[Tried], None] = lambda _: None,
) -> Ranking:
    """Rank arrangements.

    Args:
        probe: Tries settings.
        choices: What may be tried.
        budget_s: Most seconds in all, by what the outcomes say they cost. No probe begins that, costing what the
            dearest one so far did, would overrun it; the first one always runs.
        seconds: Measured time of a probe.
        score: What is to be large, of an outcome; None ranks last.
        report: Told each probe.

    Raises:
        InputError: A coordinate without choices, or a budget or probe length that is not above 0.
    """
    for name, values in (("budget", budget_s), ("probe length", seconds)):
        if not (values > 0 and math.isfinite(values)):
            raise InputError(f"the {name} is {values} seconds; it has to be above 0", fix=f"give a positive {name}")
    for name, options in choices.items():
        if not options:
            raise InputError(f"{name} has no choices", fix=f"give {name} one choice at least, or leave it out")
    trials = _Trials(probe, budget_s, seconds, score, report)
    complete = trials.grid(choices) if trials.fits(choices) else trials.walk(choices)
    complete = complete and trials.again()
    return Ranking(tuple(trials.ranking()), complete, trials.spent, tuple(trials.tried))


class _Trials:
    """Probes within a budget."""

    def __init__(
        self, probe: Probe, budget_s: float, seconds: float, score: Score, report: Callable[[Tried], None]
    ) -> None:
        self._probe, self._budget, self._seconds, self._report = probe, budget_s, seconds, report
        self._rate = score
        self.tried: list[Tried] = []
        self.spent = 0.0

    def fits(self, choices: Space) -> bool:
        """Whether the whole space fits into the budget; needs one probe to know what probes cost."""
        self.run(_merged(options[0] for options in choices.values()))
        count = math.prod(len(options) for options in choices.values())
        return (count + _LEADERS) * self._cost() <= self._budget

    def grid(self, choices: Space) -> bool:
        """Everything."""
        return all(self.measured(_merged(each)) for each in itertools.product(*choices.values()))

    def walk(self, choices: Space) -> bool:
        """A coordinate at a time, until none helps."""
        here = {name: options[0] for name, options in choices.items()}
        moved = True
        while moved:
            moved = False
            for name, options in choices.items():
                for option in options:
                    there = {**here, name: option}
                    if not self.measured(_merged(there.values())):
                        return False
                    if self._score(there) > self._score(here) * (1 + _NOISE):
                        here, moved = there, True
        return True

    def again(self) -> bool:
        """The leaders in turns, the last one first: it had the least luck so far."""
        leaders = [each for each in self.ranking() if each.rate is not None][:_LEADERS]
        return len(leaders) < 2 or all(self.run(each.settings) for each in reversed(leaders))

    def measured(self, settings: Choice) -> bool:
        """Probe what was not; False when the budget does not allow it."""
        return any(one.settings == settings for one in self.tried) or self.run(settings)

    def run(self, settings: Choice) -> bool:
        """Probe; False when the budget does not allow it."""
        if self.tried and self.spent + self._cost() > self._budget:
            return False
        outcome = self._probe(settings, self._seconds)
        one = Tried(settings, self._seconds, outcome)
        self.tried.append(one)
        self.spent += max(outcome.duration_s, 0.0)
        self._report(one)
        return True

    def ranking(self) -> Iterator[Ranked]:
        """The fastest first; of equals, what was tried first."""
        found: list[Ranked] = []
        for settings in [one.settings for index, one in enumerate(self.tried) if self._first(index)]:
            mine = [one.outcome for one in self.tried if one.settings == settings]
            rates = [rate for rate in map(self._rate, mine) if rate is not None]
            reasons = tuple(dict.fromkeys(reason for one in mine for reason in one.reasons))
            found.append(Ranked(settings, statistics.median(rates) if rates else None, len(mine), reasons))
        return iter(sorted(found, key=lambda each: -(each.rate or 0.0)))

    def _first(self, index: int) -> bool:
        return all(one.settings != self.tried[index].settings for one in self.tried[:index])

    def _score(self, place: Mapping[str, Choice]) -> float:
        settings = _merged(place.values())
        return next((each.rate or 0.0 for each in self.ranking() if each.settings == settings), 0.0)

    def _cost(self) -> float:
        return max(max(one.outcome.duration_s, self._seconds) for one in self.tried)


def _merged(choices: Any) -> dict[str, float]:
    return {key: value for choice in choices for key, value in choice.items()}
