from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from benchmarks.errors import UnavailableError
from benchmarks.part import Part, Reading
from benchmarks.parts import vision
from benchmarks.turns import Turns, seconds
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Show:
    def __init__(self) -> None:
        self.turns: list[str] = []
        self.notes: list[str] = []

    def turn(self, part: Part, number: int, of: int) -> None:
        self.turns.append(f"{part.name}{number}/{of}")

    def reading(self, reading: Reading) -> None: ...

    def note(self, words: str) -> None:
        self.notes.append(words)


def _part(name: str, **others: object) -> Part:
    return Part(name, name, lambda bench, number: iter(()), (), **others)  # type: ignore[arg-type]


def _play(parts: list[Part], budget: float, cost: dict[str, float], rounds: int | None = None) -> tuple[Turns, _Show]:
    clock, show = _Clock(), _Show()
    turns = Turns(parts, budget, rounds, show, clock)

    def run(part: Part, number: int) -> Iterator[Reading]:
        clock.now += cost[part.name]
        yield Reading("x", float(number))

    turns.play(run)
    return turns, show


def test_every_part_has_its_first_round_before_any_has_its_second() -> None:
    parts = [_part("b", rounds=3, seconds=1, rank=2), _part("a", rounds=2, seconds=1, rank=1)]
    turns, show = _play(parts, 100, {"a": 1, "b": 1})

    assert show.turns == ["a1/2", "b1/3", "a2/2", "b2/3", "b3/3"]
    assert turns.records["b"].values() == {"x": [0, 1, 2]}


def test_no_round_begins_that_would_overrun_the_budget() -> None:
    parts = [_part("a", rounds=9, seconds=10), _part("b", rounds=9, seconds=10)]
    turns, show = _play(parts, 38, {"a": 10, "b": 4})

    assert show.turns == ["a1/9", "b1/9", "a2/9", "b2/9", "b3/9", "b4/9"]
    assert turns.left() == 2


def test_a_part_that_never_fits_says_so() -> None:
    turns, show = _play([_part("a", seconds=10), _part("b", seconds=500)], 60, {"a": 10, "b": 500})

    assert turns.records["b"].problems == {"": "no time was left: a round takes up to 500 s"}
    assert show.notes == ["b: no time was left: a round takes up to 500 s"]


def test_rounds_may_be_fewer_and_the_time_left_is_what_they_take() -> None:
    turns, show = _play([_part("a", rounds=5, seconds=10)], 100, {"a": 10}, rounds=2)

    assert show.turns == ["a1/2", "a2/2"]
    assert turns.ahead() == 0


def test_a_failing_part_keeps_what_it_read_and_stops_no_other() -> None:
    show, clock = _Show(), _Clock()
    turns = Turns(
        [_part("a", rounds=3, seconds=1, rank=1), _part("b", rounds=2, seconds=1, rank=2)], 100, None, show, clock
    )

    def run(part: Part, number: int) -> Iterator[Reading]:
        if part.name == "a":
            if number == 0:
                yield Reading("x", 1.0)
                yield Reading("y", None, reason="not installed")
            raise UnavailableError("broken")
        yield Reading("x", 2.0)

    records = turns.play(run)

    assert records["a"].values() == {"x": [1.0]}
    assert records["a"].problems == {"y": "not installed", "": "broken"}
    assert show.turns == ["a1/3", "b1/2", "a2/3", "b2/2", "a3/3"]
    assert records["b"].values() == {"x": [2.0, 2.0]}


def test_a_part_that_reads_nothing_twice_has_no_more_turns() -> None:
    show, clock = _Show(), _Clock()
    turns = Turns([_part("a", rounds=5, seconds=1)], 100, None, show, clock)

    def run(part: Part, number: int) -> Iterator[Reading]:
        raise UnavailableError("broken")
        yield

    turns.play(run)

    assert show.turns == ["a1/5", "a2/5"]


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("90s", 90), ("15m", 900), ("1.5h", 5400)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0", "0m", "15 minutes", "-3s"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--budget"):
        seconds(text)


class _Measured:
    """Stands in for the bench: every cell is one word, every measurement one number."""

    def cell(self, *words: object, **wanted: object) -> dict[str, object]:
        return {"words": words, **wanted}

    def issued(self, cell: dict[str, object]) -> list[int]:
        return [0]

    def run(self, cell: dict[str, object]) -> SimpleNamespace:
        return SimpleNamespace(metric=2.0)

    def child(self, task: str, **arguments: object) -> float:
        return 1.0


def test_every_second_round_has_its_turns_the_other_way_round() -> None:
    first, second = ([one.name for one in vision.PART.run(cast("Bench", _Measured()), number)] for number in (0, 1))

    assert first == ["harness", "bare"]
    assert second == ["bare", "harness"]
