"""Compliance tests of a submission: which ones belong into it, and whether they are about the runs it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadfleet.catalogue.rounds import Round, RoundModel
    from loadfleet.submission.tree.cells import Cell


def unasked(cell: Cell, rules: Round, model: RoundModel, division: str) -> str:
    """Why a test's cell has no place in a submission, in words; empty when it has one, or is no test."""
    if cell.mode in ("performance", "accuracy"):
        return ""
    if division not in rules.compliance_divisions:
        return f"the {division} division asks for no compliance test"
    if cell.mode not in model.compliance:
        return f"{rules.title} does not ask for {cell.mode} of {model.name}"
    return ""


def mismatches(cell: Cell, shown: Sequence[Cell]) -> list[str]:
    """Which runs of the submission a test was not compared with: it knows those of its own run and host only."""
    needs = catalogue.get("compliance", cell.mode).data["needs"]
    return [
        f"{cell.mode} was compared with the {other.mode} run of {cell.run_id}/{cell.host}, "
        f"the submission shows that of {other.run_id}/{other.host}"
        for other in shown
        if other.mode in needs and (other.run_id, other.host) != (cell.run_id, cell.host)
    ]
