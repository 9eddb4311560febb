"""Benchmarks that differ in their accuracy target only (bert-99 and bert-99.9): one set of runs may serve both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadfleet.catalogue.rounds import Round, RoundModel

_NAME = re.compile(r"(?P<stem>.+)-(?P<share>\d\d(?:\.\d+)?)")


def stem(model: RoundModel) -> str:
    """The benchmark's name without its flavour: "bert"."""
    match = _NAME.fullmatch(model.name)
    return match["stem"] if match else model.name


def share(model: RoundModel) -> str:
    """The flavour: "99.9"; empty when a benchmark has none."""
    match = _NAME.fullmatch(model.name)
    return match["share"] if match else ""


def family(rules: Round, model: RoundModel) -> list[RoundModel]:
    """All flavours of a benchmark in a round, the most demanding first."""
    if not share(model):
        return [model]
    same = [other for other in rules.models.values() if share(other) and stem(other) == stem(model)]
    return sorted(same, key=lambda other: float(share(other)), reverse=True)


def meets(model: RoundModel, scenario: str, values: Mapping[str, float]) -> bool:
    """Whether an accuracy run (metric -> value, metrics in any letter case) meets every target of a scenario."""
    found = {metric.lower(): value for metric, value in values.items()}
    return all(
        target.metric.lower() in found and target.met(found[target.metric.lower()])
        for target in model.targets_for(scenario)
    )


def values(accuracy: Mapping[str, Any] | None) -> dict[str, float]:
    """The metrics of a result.json's `accuracy`; empty when it holds none or judged a part of the data set only."""
    if not accuracy or (accuracy.get("samples") or 0) < (accuracy.get("total") or 0):
        return {}
    given = {str(accuracy.get("metric")): accuracy.get("value"), **(accuracy.get("values") or {})}
    return {metric: float(value) for metric, value in given.items() if isinstance(value, int | float)}


def served(
    rules: Round, model: RoundModel, runs: Iterable[tuple[str, Mapping[str, float]]], wish: str
) -> Sequence[RoundModel]:
    """Benchmarks that one set of runs is submitted for.

    Args:
        rules: The round.
        model: The benchmark that the catalogue states.
        runs: (scenario, metrics) of every accuracy run; each must meet a flavour's targets.
        wish: `stated`, `best` or `reached` (Request.flavours).

    Returns:
        The stated one where none is reached: the check then says what is below.
    """
    runs = list(runs)
    reached = [
        other
        for other in family(rules, model)
        if runs and all(meets(other, scenario, metrics) for scenario, metrics in runs)
    ]
    if wish == "stated" or not reached:
        return [model]
    return reached[:1] if wish == "best" else reached
