"""Model and scenario folders: names the round knows, and in closed and network the complete set."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.base import (
    Check,
    Finding,
    Model,
    Submitter,
    System,
    json_problem,
    json_repeated,
    plain_files,
    subfolders,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class ModelMapping(Check):
    """model_mapping.json of the open division: own names -> names of the round."""

    family: ClassVar[str] = "names"
    over: ClassVar[type] = Submitter

    def findings(self, subject: Submitter) -> Iterator[Finding]:
        path = subject.folder / "model_mapping.json"
        if not path.exists():
            return
        if subject.division != "open":
            yield self.warning(path, "only the open division maps model names", "remove it")
            return
        problem = json_problem(path)
        if problem is not None:
            yield self.error(path, "model_mapping.json is a JSON object", "correct it", problem)
        yield from json_repeated(self, path)
        for name, official in sorted(subject.mapping.items()):
            if subject.rules.resolve(official) is None:
                yield self.error(
                    path,
                    f"{subject.rules.name} has no model {official}",
                    f"map {name} to one of {', '.join(sorted(subject.rules.models))}",
                    f"{name}: {official}",
                )


class ModelNames(Check):
    """Every folder of a system is a model of the round, in a suite that has it."""

    family: ClassVar[str] = "names"
    over: ClassVar[type] = System

    def findings(self, subject: System) -> Iterator[Finding]:
        for path in plain_files(subject.folder):
            yield self.warning(path, "a system's folder holds folders of models", "remove it")
        if not subject.models:
            yield self.error(subject.folder, "a system has results", "add them or remove the system")
        for model in subject.models:
            yield from self._model(model)

    def _model(self, model: Model) -> Iterator[Finding]:
        rules = model.system.rules
        if model.benchmark is None:
            fix = f"use one of {', '.join(sorted(rules.models))}"
            if model.system.submitter.division == "open":
                fix += ", or map the name in model_mapping.json"
            yield self.error(model.folder, f"{rules.name} has no such model", fix, model.folder.name)
        elif model.scenario_set is None and model.system.kind in {"datacenter", "edge", "combined"}:
            yield self.error(
                model.folder,
                f"{model.benchmark.name} is not part of the {model.system.kind} suite of {rules.name}",
                f"set system_type to one of {', '.join(sorted(model.benchmark.scenarios))}",
                model.system.description.get("system_type"),
            )
        if not subfolders(model.folder):
            yield self.error(model.folder, "a model has at least one scenario", "add its results")
        for path in plain_files(model.folder):
            yield self.warning(path, "a model's folder holds folders of scenarios", "remove it")


class Scenarios(Check):
    """Scenario folders are spelled right; closed and network hold exactly the required set."""

    family: ClassVar[str] = "scenarios"
    over: ClassVar[type] = Model

    def findings(self, subject: Model) -> Iterator[Finding]:
        rules = subject.system.rules
        present = set()
        for result in subject.results:
            known = result.scenario
            if known is None:
                yield self.error(
                    result.folder,
                    f"scenarios are {', '.join(rules.scenarios)}",
                    "rename or remove it",
                    result.folder.name,
                )
                continue
            present.add(known)
            if known != result.folder.name and rules.layout.scenario_spelling == "exact":
                yield self.error(
                    result.folder,
                    f"the scenario is spelled {known}; other spellings count as inferred results",
                    f"rename the folder to {known}",
                    result.folder.name,
                )
        wanted = subject.scenario_set
        if wanted is None or subject.system.submitter.division not in rules.compliance_divisions:
            return
        missing = sorted(set(wanted.required) - present)
        if missing:
            yield self.error(
                subject.folder,
                f"{subject.system.submitter.division} {subject.system.kind} needs {', '.join(wanted.required)}",
                f"add {', '.join(missing)}",
                f"has {', '.join(sorted(present)) or 'none'}",
            )
        if wanted.one_of and not present & set(wanted.one_of):
            yield self.error(subject.folder, f"one of {', '.join(wanted.one_of)} is needed", "add one of them")
        for name in sorted(present - set(wanted.known)):
            yield self.error(
                subject.folder / name,
                f"{name} is not a scenario of this model and system type",
                "move it to open",
                name,
            )
