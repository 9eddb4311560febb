"""What a submission has and lacks: model x scenario x performance, accuracy, compliance, power."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.catalogue.rounds import load
from loadfleet.errors import InputError
from loadfleet.submission.status import completeness, of_tree
from loadfleet.submission.tree.cells import find

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round
    from loadfleet.submission.request import Request
    from loadfleet.submission.status.intent import Intent
    from loadfleet.submission.status.matrix import Status


def of(folders: Sequence[Path], request: Request, intent: Intent | None = None) -> Status:
    """Status of a submission tree (when the first folder holds a division), of results folders, or of a plan.

    Args:
        folders: One tree, or run folders; none for a plan alone.
        request: What results and plan are meant as; a tree says its division and system types itself.
        intent: What is going to be measured.

    Raises:
        InputError: No such folder or round, nothing in it, or what is meant does not exist.
    """
    rules = load(request.round)
    if folders and any((folders[0] / name).is_dir() for name in rules.divisions):
        return of_tree.of(folders[0], rules, _submitter(folders[0], rules, request.submitter))
    if not folders and intent is None:
        raise InputError(
            "neither results nor a plan are named",
            fix="name runs (results/<run id> or latest), or what is planned: --plan FILE, -e benchmark_model=NAME",
        )
    return completeness.of(find(folders).cells if folders else [], intent, rules, request)


def _submitter(tree: Path, rules: Round, wanted: str) -> str:
    """Whose submission is meant: the one asked for, or the only one there."""
    divisions = [tree / name for name in rules.divisions if (tree / name).is_dir()]
    there = sorted({path.name for folder in divisions for path in folder.iterdir() if path.is_dir()})
    if wanted in there:
        return wanted
    if len(there) == 1:
        return there[0]
    raise InputError(
        f"{tree} holds no submission of {wanted} (there: {', '.join(there) or 'none'})", fix="name it with --submitter"
    )
