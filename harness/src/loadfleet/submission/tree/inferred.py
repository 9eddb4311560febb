"""Scenarios that edge systems may infer from others (policies, "inferring scenario results")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.submission import divisions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadfleet.catalogue.rounds import RoundModel
    from loadfleet.submission.tree.cells import Cell

# What the value is made of: log key of the source that must not be zero, by (measured, inferred). MultiStream needs as
# many queries as its 99th percentile asks for.
_NEEDS = {
    ("SingleStream", "MultiStream"): "early_stopping_latency_ms",
    ("SingleStream", "Offline"): "result_qps_without_loadgen_overhead",
    ("MultiStream", "Offline"): "result_mean_query_latency_ns",
}


def source(model: RoundModel, kind: str, scenario: str, measured: Iterable[str]) -> str | None:
    """The measured scenario that another one may come from; None when it may not."""
    rules, have = divisions.load().inferred, set(measured)
    suite = model.scenarios.get(kind)
    if kind not in rules.system_types or suite is None or scenario not in suite.known or scenario in have:
        return None
    return next((name for name in rules.scenarios.get(scenario, ()) if name in have), None)


def missing(model: RoundModel, kind: str, measured: Sequence[str]) -> dict[str, str]:
    """Scenario that can be inferred -> scenario that it comes from."""
    suite = model.scenarios.get(kind)
    found = {scenario: source(model, kind, scenario, measured) for scenario in (suite.known if suite else ())}
    return {scenario: origin for scenario, origin in found.items() if origin is not None}


def obstacle(cell: Cell, scenario: str) -> str:
    """Why a performance run cannot give another scenario, in words; empty when it can."""
    key = _NEEDS[(cell.scenario, scenario)]
    value = cell.detail().number(key)
    if value:
        return ""
    return f"{scenario} cannot be inferred: {key} is {value} in the {cell.scenario} run, which had too few queries"
