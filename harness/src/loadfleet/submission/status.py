"""What a submission has and lacks: model x scenario x performance, accuracy, compliance, power."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue.rounds import load
from loadfleet.submission.cells import Cell, find
from loadfleet.submission.check import check
from loadfleet.submission.checks.base import Model, Result, Submission

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round, RoundModel

ASPECTS = ("performance", "accuracy", "compliance", "power")


@dataclass(frozen=True)
class State:
    """`valid`, `bad` (present, but it cannot be submitted), `missing` or `not needed`; `why` in words."""

    state: str
    why: str = ""


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

    @property
    def complete(self) -> bool:
        return all(getattr(self, aspect).state in {"valid", "not needed"} for aspect in ASPECTS)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "complete": self.complete}


def of(folders: Sequence[Path], round_name: str, submitter: str, division: str, system_type: str) -> list[Line]:
    """Status of a submission tree (when the first folder holds a division) or of results folders.

    Args:
        folders: One tree, or run folders.
        round_name: The round it is for.
        submitter: For a tree: whose submission.
        division: For results: what they are meant for; for a tree the folders say it.
        system_type: The same.

    Raises:
        InputError: No such folder or round, or nothing in it.
    """
    rules = load(round_name)
    if any((folders[0] / name).is_dir() for name in rules.divisions):
        return _of_tree(folders[0], rules, submitter)
    return _of_results(find(folders).cells, rules, division, "combined" if "," in system_type else system_type)


def _of_results(cells: Sequence[Cell], rules: Round, division: str, kind: str) -> list[Line]:
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((str(cell.system.get("name") or cell.host), str(cell.model.get("name"))), []).append(cell)
    lines = []
    for (system, model), group in sorted(groups.items()):
        benchmark = rules.resolve(str(group[0].model.get("official_name") or model))
        for scenario in _wanted(benchmark, kind, {cell.scenario for cell in group}, rules):
            here = [cell for cell in group if cell.scenario == scenario]
            lines.append(
                Line(
                    system=system,
                    model=model,
                    official_name=benchmark.name if benchmark else "",
                    scenario=scenario,
                    performance=_cell_state(here, "performance", rules),
                    accuracy=_cell_state(here, "accuracy", rules),
                    compliance=_tests(here, benchmark, division, rules),
                    power=State("valid") if any(cell.result.get("power") for cell in here) else State("not needed"),
                )
            )
    return lines


def _wanted(benchmark: RoundModel | None, kind: str, present: Iterable[str], rules: Round) -> list[str]:
    required = benchmark.scenarios[kind].required if benchmark and kind in benchmark.scenarios else ()
    return [name for name in rules.scenarios if name in required or name in set(present)]


def _cell_state(cells: Sequence[Cell], mode: str, rules: Round) -> State:
    found = [cell for cell in cells if cell.mode == mode]
    if not found:
        return State("missing", f"no {mode} run")
    reasons = min((cell.reasons(rules.name) for cell in found), key=len)
    return State("bad", "; ".join(reasons)) if reasons else State("valid")


def _tests(cells: Sequence[Cell], benchmark: RoundModel | None, division: str, rules: Round) -> State:
    if benchmark is None or division not in rules.compliance_divisions or not benchmark.compliance:
        return State("not needed")
    states = {test: _cell_state(cells, test, rules) for test in benchmark.compliance}
    return _worst(states)


def _worst(states: dict[str, State]) -> State:
    for kind in ("missing", "bad"):
        hit = {name: state for name, state in states.items() if state.state == kind}
        if hit:
            return State(kind, "; ".join(f"{name}: {state.why}" for name, state in hit.items()))
    return State("valid")


def _of_tree(tree: Path, rules: Round, submitter: str) -> list[Line]:
    report = check(tree, rules.name, submitter)
    errors = [(finding.file, finding.rule) for finding in report.findings if finding.severity == "error"]
    submission = Submission.of(tree, rules, submitter)
    return [
        line
        for one in submission.submitters
        for system in one.systems
        for model in system.models
        for line in _of_model(submission, model, errors)
    ]


def _of_model(submission: Submission, model: Model, errors: Sequence[tuple[str, str]]) -> list[Line]:
    rules, benchmark = submission.rules, model.benchmark
    results = {result.scenario or result.folder.name: result for result in model.results}
    known = _wanted(benchmark, model.system.kind, results, rules)
    lines = []
    for scenario in [*known, *(name for name in results if name not in known)]:
        result = results.get(scenario)
        states = {}
        for aspect, folder in (("performance", "performance"), ("accuracy", "accuracy")):
            states[aspect] = (
                State("missing", f"no {aspect}") if result is None else _part(submission, result, folder, errors)
            )
        lines.append(
            Line(
                system=model.system.name,
                model=model.folder.name,
                official_name=benchmark.name if benchmark else "",
                scenario=scenario,
                compliance=_tree_tests(submission, model, result, errors),
                power=State("valid" if result and (result.folder / "performance" / "power").is_dir() else "not needed"),
                **states,
            )
        )
    return lines


def _part(submission: Submission, result: Result, folder: str, errors: Sequence[tuple[str, str]]) -> State:
    path = result.folder / folder
    if not path.is_dir():
        return State("missing", f"no {folder}/")
    rules = _rules_below(submission.name(path), errors)
    return State("bad", "; ".join(rules)) if rules else State("valid")


def _rules_below(name: str, errors: Sequence[tuple[str, str]]) -> list[str]:
    return [rule for file, rule in errors if file == name or file.startswith(f"{name}/")]


def _tree_tests(
    submission: Submission, model: Model, result: Result | None, errors: Sequence[tuple[str, str]]
) -> State:
    rules, benchmark = submission.rules, model.benchmark
    division = model.system.submitter.division
    if benchmark is None or division not in rules.compliance_divisions or not benchmark.compliance:
        return State("not needed")
    if result is None:
        return State("missing", "no results")
    states = {}
    for test in benchmark.compliance:
        folder = result.beside(rules.layout.compliance) / test
        bad = _rules_below(submission.name(folder), errors)
        states[test] = (
            State("missing", "not run")
            if not folder.is_dir()
            else State("bad", "; ".join(bad))
            if bad
            else State("valid")
        )
    return _worst(states)
