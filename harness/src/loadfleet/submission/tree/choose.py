"""Which cells a submission is made of, when several runs, hosts, models or backends measured the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.submission.tree import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadfleet.submission.tree.cells import Cell

_RUNS = ("performance", "accuracy")
Place = tuple[str, str, str]
"""System digest, model folder, scenario: what one result of a submission is."""


def label(cell: Cell) -> str:
    """How accounts name a cell: `<run>/<host>/<workload>/<Scenario>/<mode>`."""
    return f"{cell.run_id}/{cell.host}/{cell.name}"


def choose(
    cells: Sequence[Cell],
    round_name: str,
    folder: Callable[[Cell], str],
    left_out: list[dict[str, Any]],
    *,
    tests: bool = False,
) -> list[Cell]:
    """One cell per place and mode; all modes of a place come from one model, backend and implementation.

    Of several such variants the one with the most submittable modes counts, then the newest; within it submittable
    cells before others, then the newest run, then the host's name. Every other cell goes to `left_out` with the reason.

    Args:
        cells: All there are.
        round_name: The round they are for.
        folder: Model folder of a cell.
        left_out: Gets the others.
        tests: Compliance tests are asked for. They are compared with the runs beside them, so that where there are any,
            the run and host with the most submittable modes comes first, and others only fill what it lacks.
    """
    places: dict[Place, dict[tuple[str, ...], list[Cell]]] = {}
    for cell in cells:
        place = (cell.system_digest, folder(cell), cell.scenario)
        places.setdefault(place, {}).setdefault(variant(cell), []).append(cell)
    chosen: dict[int, Cell] = {}
    stands: dict[int, Cell] = {}
    for variants in places.values():
        best = {key: _best(found, round_name, tests=tests) for key, found in variants.items()}
        first = max(best, key=lambda key: (*_worth(best[key], round_name), key))
        for key, found in variants.items():
            winners = best[first]
            for cell in found:
                winner = winners.get(cell.mode, next(iter(winners.values())))
                stands[id(cell)] = winner
                if winner is cell and key == first:
                    chosen[id(cell)] = cell
    left_out += [
        {"cell": label(cell), "reasons": [_words(stands[id(cell)], cell)]}
        for cell in sorted(cells, key=lambda cell: cell.host)
        if id(cell) not in chosen
    ]
    return sorted(chosen.values(), key=lambda cell: (cell.system_digest, cell.name, folder(cell)))


def variant(cell: Cell) -> tuple[str, ...]:
    """What performance, accuracy and compliance runs of one result have in common."""
    backend = cell.result.get("backend") or {}
    names = (cell.model.get("name"), cell.model.get("digest"), backend.get("name"), backend.get("device"))
    return tuple(str(name or "") for name in (*names, cell.result.get("implementation")))


def _best(cells: Sequence[Cell], round_name: str, *, tests: bool) -> dict[str, Cell]:
    """Mode -> the cell that counts."""
    ordered = sorted(cells, key=lambda cell: cell.host)
    if tests and any(cell.mode not in _RUNS for cell in cells):
        whole = max(((cell.run_id, cell.host) for cell in ordered), key=lambda of: _whole(cells, of, round_name))
        first = {
            cell.mode: cell for cell in ordered if (cell.run_id, cell.host) == whole and not cell.reasons(round_name)
        }
        ordered = [cell for cell in ordered if cell.mode not in first]
    else:
        first = {}
    best: dict[str, Cell] = dict(first)
    for cell in ordered:
        known = best.get(cell.mode)
        if known is None or rank(cell, round_name) > rank(known, round_name):
            best[cell.mode] = cell
    return best


def _whole(cells: Sequence[Cell], of: tuple[str, str], round_name: str) -> tuple[int, str]:
    """How many submittable modes a run has on a host; the newest of equals is the greatest."""
    return sum((cell.run_id, cell.host) == of and not cell.reasons(round_name) for cell in cells), of[0]


def _worth(modes: dict[str, Cell], round_name: str) -> tuple[int, str]:
    return (
        sum(not cell.reasons(round_name) for cell in modes.values()),
        max(cell.run_id for cell in modes.values()),
    )


def rank(cell: Cell, round_name: str) -> tuple[bool, str]:
    """Order of cells of one place and mode; the greatest counts."""
    return (not cell.reasons(round_name), cell.run_id)


def _words(winner: Cell, cell: Cell) -> str:
    if variant(winner) != variant(cell):
        backend = (winner.result.get("backend") or {}).get("name")
        return (
            f"{winner.model.get('name')} on {backend} of run {winner.run_id} stands for this system, model and scenario"
        )
    same = "" if winner.host == cell.host else f" ({cell.host} is an equal system)"
    return f"{winner.host} of run {winner.run_id} stands for this system, model, scenario and mode{same}"


def submittable(
    chosen: Sequence[Cell],
    round_name: str,
    account: list[dict[str, Any]],
    left_out: list[dict[str, Any]],
    *,
    only: bool,
) -> list[Cell]:
    """The chosen cells; those that cannot be submitted go to `account`, and are left out when `only` is set.

    Raises:
        InputError: Nothing is left.
    """
    kept = []
    for cell in chosen:
        reasons = cell.reasons(round_name)
        if reasons:
            entry = {"cell": label(cell), "reasons": reasons}
            account.append(entry)
            if only:
                left_out.append(entry)
                continue
        kept.append(cell)
    if not kept:
        why = "; ".join(f"{entry['cell']}: {entry['reasons'][0]}" for entry in account[:3])
        raise InputError(f"nothing to submit: {why}", fix="measure with benchmark_execution=valid")
    return kept


def system_name(cell: Cell) -> str:
    """The measured name of a cell's system."""
    return str(cell.system.get("name") or cell.host)


def by_system(cells: Sequence[Cell], found: Sequence[Cell], name: str | None) -> dict[str, list[Cell]]:
    """System folder -> its cells.

    Hosts of one digest are one system with the first of their names, whichever of them won; systems of one name (or all
    of them, when `name` is given) get the beginnings of their digests added.
    """
    digests: dict[str, list[Cell]] = {}
    for cell in cells:
        digests.setdefault(cell.system_digest, []).append(cell)
    named: dict[str, list[str]] = {}
    for digest in digests:
        shown = name or min(system_name(cell) for cell in found if cell.system_digest == digest)
        named.setdefault(documents.slug(shown), []).append(digest)
    return {
        name if len(same) == 1 else f"{name}-{documents.slug(digest.partition(':')[2])[:8]}": digests[digest]
        for name, same in named.items()
        for digest in same
    }
