"""Which compliance tests a run has, and everything a cell must know of one, from the catalogue and the round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet import catalogue
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadfleet.catalogue.rounds import Round, RoundModel

ALL = "compliance"
"""The mode that stands for every test the round asks of the model."""
MODES = ("performance", "accuracy")


def names() -> list[str]:
    """Names of all tests of the catalogue."""
    return [entry.name for entry in catalogue.entries("compliance")]


def expand(modes: Sequence[str], rules: Round, official_name: str | None) -> list[str]:
    """Modes in the order they run: performance and accuracy as asked, then tests, which are compared with them.

    Args:
        modes: `performance`, `accuracy`, `compliance`, or names of tests; all known.
        rules: The round.
        official_name: Official name of the model that runs; None for a model that stands for none.

    Raises:
        InputError: A test that makes no sense for the model or the round, or lacks the modes it is compared with.
    """
    model = rules.model(official_name) if official_name else None
    wanted = [name for name in modes if name not in (*MODES, ALL)]
    if ALL in modes:
        if model is None:
            raise InputError(
                f"benchmark_modes: {ALL!r} is what the round asks of an official model, and this model stands for none",
                fix="remove it, or give the model's catalogue entry an official_name",
            )
        wanted += [name for name in model.compliance if name not in wanted]
    runs = [name for name in modes if name in MODES]
    for name in wanted:
        _refuse(name, runs, rules, model)
    if not runs and not wanted:
        raise InputError(
            f"benchmark_modes: {rules.title} asks no compliance test of {official_name}", fix="choose another mode"
        )
    return [*runs, *sorted(wanted)]


def with_references(modes: Iterable[str]) -> set[str]:
    """Modes and those that their tests are compared with: a run has both."""
    found = set(modes)
    for name in found - {*MODES, ALL}:
        found |= set(catalogue.get("compliance", name).data["needs"])
    return found


def _refuse(name: str, runs: Sequence[str], rules: Round, model: RoundModel | None) -> None:
    entry = catalogue.get("compliance", name)
    if name not in rules.compliance_tests:
        known = ", ".join(sorted(rules.compliance_tests))
        raise InputError(f"benchmark_modes: {rules.title} has no {name}", fix=f"use one of {known}, or another round")
    if not entry.data.get("any_model") and (model is None or name not in model.compliance):
        raise InputError(
            f"benchmark_modes: {name} ({entry.title}) is not for {model.name if model else 'this model'}",
            fix=f"use {ALL}, which stands for the tests that the round asks of the model",
        )
    lacking = [mode for mode in entry.data["needs"] if mode not in runs]
    if lacking:
        raise InputError(
            f"benchmark_modes: {name} is compared with the {' and the '.join(lacking)} run of the same scenario, "
            "which this run does not have",
            fix=f"set benchmark_modes: [{', '.join([*entry.data['needs'], ALL])}]",
        )


def describe(name: str, rules: Round, official_name: str | None, scenario: str) -> dict[str, Any]:
    """The entry `compliance` of a cell: how LoadGen is audited, what the logs are compared with, and how.

    Args:
        name: The test.
        rules: The round.
        official_name: Official name of the model, None when it stands for none.
        scenario: Folder name of the scenario.

    Raises:
        InputError: The round or the catalogue has no such test.
    """
    entry = catalogue.get("compliance", name)
    test = rules.compliance_tests.get(name)
    if test is None:
        raise InputError(f"{rules.title} has no {name}", fix=f"use one of {', '.join(sorted(rules.compliance_tests))}")
    model = rules.model(official_name) if official_name else None
    audit = dict(entry.data["audit"])
    for known in (model.loadgen_name, model.name) if model else ():
        audit |= entry.data.get("models", {}).get(known, {})
    tolerance = test.tolerance
    if model and model.targets:
        tolerance = model.compliance_tolerance.get(model.targets[0].metric, tolerance)
    return {
        "test": name,
        "title": entry.title,
        "needs": list(entry.data["needs"]),
        "scored": bool(entry.data.get("scored")),
        "audit": _of_scenario(audit, scenario),
        "seeds": dict(test.seeds.items()) if test.seeds else {},
        "tolerance": tolerance,
        "bounds": _bounds(entry.data, model),
        "checks": [dict(check) for check in entry.data["checks"]],
    }


def _bounds(data: Mapping[str, Any], model: RoundModel | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    own = data.get("bounds", {}).get(model.name, {})
    return [
        {"metric": bound.metric, "minimum": bound.minimum, "maximum": bound.maximum}
        for bound in model.compliance_bounds.get(data["name"], ())
    ] or [{"metric": metric, "minimum": it.get("min"), "maximum": it.get("max")} for metric, it in own.items()]


def _of_scenario(audit: Mapping[str, float], scenario: str) -> dict[str, float]:
    """Settings that hold in a scenario; a key may have one before a dot."""
    found = {}
    for key, value in audit.items():
        where, _, name = key.rpartition(".")
        if where in ("", scenario):
            found[name] = value
    return found
