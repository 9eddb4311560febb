"""Status of a submission tree: what its folders hold, and what the check says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.submission.check import check
from loadfleet.submission.checks.base import Model, Result, Submission
from loadfleet.submission.status import durations
from loadfleet.submission.status.durations import Speeds
from loadfleet.submission.status.matrix import DONE, Demand, Line, State, Status, ToRun, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round, RoundModel
    from loadfleet.submission.reading.place import Place

Errors = list[tuple[str, str]]
"""(path, rule) of the check's errors."""


def of(tree: Path, rules: Round, submitter: str) -> Status:
    """The matrix of a tree. Divisions and system types are what the tree says.

    Raises:
        InputError: The folder does not exist.
    """
    report = check(tree, rules.name, submitter)
    errors = [(finding.file, finding.rule) for finding in report.findings if finding.severity == "error"]
    submission = Submission.of(tree, rules, submitter)
    models = [model for one in submission.submitters for system in one.systems for model in system.models]
    speeds = {model.folder.path: Speeds() for model in models}
    for row in report.rows:
        for model in models:
            rate = durations.per_second(row.value, row.unit, row.scenario)
            if rate and not row.inferred and row.path.startswith(f"{submission.name(model.folder)}/"):
                speeds[model.folder.path].performance[row.scenario] = rate
    lines = [line for model in models for line in _Lines(submission, model, errors, speeds[model.folder.path]).all()]
    apart = {submission.name(model.folder) for model in models}
    others = [(file, rule) for file, rule in errors if not any(file.startswith(f"{name}/") for name in apart)]
    demands = [Demand("", file, met=False, why=rule, fix="see `loadfleet submission check`") for file, rule in others]
    return Status(
        rules.name,
        ",".join(one.division for one in submission.submitters),
        ",".join(sorted({str(model.system.description.get("system_type")) for model in models})),
        tuple(lines),
        tuple(demands),
    )


class _Lines:
    """The lines of one model folder."""

    def __init__(self, submission: Submission, model: Model, errors: Errors, speeds: Speeds) -> None:
        self.submission = submission
        self.rules = submission.rules
        self.model = model
        self.errors = errors
        self.speeds = speeds
        self.strict = model.system.submitter.division in self.rules.compliance_divisions

    def all(self) -> list[Line]:
        """One line per scenario that is there or that the division needs."""
        results = {result.scenario or result.folder.name: result for result in self.model.results}
        known = _wanted(self.model.benchmark, self.model.system.kind, results, self.rules)
        return [
            self._line(scenario, results.get(scenario))
            for scenario in [*known, *(name for name in results if name not in known)]
        ]

    def _line(self, scenario: str, result: Result | None) -> Line:
        benchmark = self.model.benchmark
        tests = {name: self._test(result, name) for name in (benchmark.compliance if benchmark and self.strict else ())}
        states = {mode: self._part(result, mode) for mode in ("performance", "accuracy")}
        power = result is not None and (result.folder / "performance" / "power").is_dir()
        to_run = [
            ToRun(scenario, mode, *durations.of_mode(self.rules, benchmark, mode, scenario, self.speeds))
            for mode, state in (states | tests).items()
            if state.state not in DONE and benchmark is not None and scenario in self.rules.scenarios
        ]
        return Line(
            system=self.model.system.name,
            model=self.model.folder.name,
            official_name=benchmark.name if benchmark else "",
            scenario=scenario,
            performance=states["performance"],
            accuracy=states["accuracy"],
            compliance=worst(tests) if tests else State("not needed"),
            power=State("valid" if power else "not needed"),
            to_run=tuple(to_run),
        )

    def _part(self, result: Result | None, mode: str) -> State:
        if result is None:
            return State("missing", f"no {mode}", f"measure it ({mode})") if self.strict else State("not needed")
        return self._folder(result.folder / mode, f"no {mode}/")

    def _test(self, result: Result | None, name: str) -> State:
        if result is None:
            return State("missing", "no results", f"run {name}")
        return self._folder(result.beside(self.rules.layout.compliance) / name, "not run")

    def _folder(self, path: Place, missing: str) -> State:
        if not path.is_dir():
            return State("missing", missing)
        name = self.submission.name(path)
        rules = [rule for file, rule in self.errors if file == name or file.startswith(f"{name}/")]
        if not rules:
            return State("valid")
        short = any("effective_min_duration_ms" in rule for rule in rules)
        return State("test-length" if short else "invalid", "; ".join(rules))


def _wanted(benchmark: RoundModel | None, kind: str, present: Iterable[str], rules: Round) -> Sequence[str]:
    suite = benchmark.scenarios.get(kind) if benchmark else None
    needed = set(suite.required) if suite else set()
    if suite and suite.one_of and not set(present) & set(suite.one_of):
        needed.add(suite.one_of[0])
    return [name for name in rules.scenarios if name in needed or name in set(present)]
