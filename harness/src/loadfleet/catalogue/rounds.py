"""The rules of an MLPerf round, typed, from `catalogue/data/rounds/<round>.yml`.

Nothing about a round is written in Python: a new round is one YAML file, most often `based_on` the one before.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadfleet.catalogue import loader
from loadfleet.errors import InputError


@dataclass(frozen=True)
class Target:
    """Bounds of one accuracy metric, in the metric's own unit (both inclusive; None = no bound)."""

    metric: str
    minimum: float | None
    maximum: float | None
    reference: float | None

    def met(self, value: float) -> bool:
        """Whether a value lies within the bounds."""
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    def words(self) -> str:
        """The bounds as a reader says them: ">= 89.96526"."""
        bounds = [(">=", self.minimum), ("<=", self.maximum)]
        return " and ".join(f"{sign} {bound:.10g}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True)
class ScenarioResult:
    """Which key of the detail log is a scenario's result: value = log value / divisor, in `unit`."""

    key: str
    unit: str
    divisor: float = 1.0


@dataclass(frozen=True)
class ScenarioRules:
    """Rules of a scenario that hold for every model.

    `percentile` is the latency percentile that early stopping estimates; `loadgen_scenario` is what LoadGen calls it;
    `samples_per_query` is how many a query has where the rules fix that.
    """

    name: str
    result: ScenarioResult
    early_stopping: bool
    percentile: str | None
    loadgen_scenario: str
    samples_per_query: int | None


@dataclass(frozen=True)
class ScenarioSet:
    """Scenarios of a model for one system type: all of `required`, and one of `one_of` when it is not empty."""

    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        return self.required + self.one_of


@dataclass(frozen=True)
class ComplianceTest:
    """What a TEST0x folder holds and says.

    Attributes:
        verify: Names of the verification files.
        passes: For each text that all of them must hold, its alternatives; as a line of its own with `whole_line`.
        accuracy_log: Whether the test's accuracy log is kept; `accuracy_files` lie beside it, and `fallback_files` when
            outputs are not deterministic: then accuracies may differ by `tolerance`, a share.
        performance_log: Whether the test is a performance run whose logs are kept.
        apart: How much `faster` and `slower` than the performance run it may be, as shares.
        settings: Keys and values that show in the detail log that the audit file was used.
        seeds: Random seeds of the test where they are not the round's.
    """

    name: str
    title: str
    verify: tuple[str, ...]
    passes: tuple[tuple[str, ...], ...]
    whole_line: bool
    accuracy_log: bool
    accuracy_files: tuple[str, ...]
    fallback_files: tuple[str, ...]
    tolerance: float
    performance_log: bool
    settings: Mapping[str, Any]
    apart: Mapping[str, float]
    seeds: Seeds | None


@dataclass(frozen=True)
class RoundModel:
    """One benchmark of a round.

    Attributes:
        name: What the checker calls it (`bert-99`); `folder` is what its results folder is usually called.
        loadgen_name: Its name in mlperf.conf (`bert`); empty when LoadGen has none.
        dataset_samples: Samples of the accuracy run (DS); 0 where nobody knows.
        performance_sample_count: Fewest samples that the performance run keeps loaded (PSC).
        offline_min_samples: Fewest samples of the Offline query (SPQ).
        targets: Accuracy bounds, all of which hold.
        scenarios: Per system type (`datacenter`, `edge`, `combined`); a missing type means the model is not in it.
        latency_ms: Upper limit of the target latency setting, per scenario.
        token_latency_ms: Limits of `ttft` and `tpot` (99th percentile), per scenario.
        compliance: Names of its compliance tests; `compliance_bounds` are of what they measure, per test, and
            `compliance_tolerance` is a share per metric.
        accuracy_files: Folder below accuracy/ -> names, without suffix, of files that it must hold.
    """

    name: str
    folder: str
    loadgen_name: str
    dataset: str
    dataset_samples: int
    performance_sample_count: int
    offline_min_samples: int
    min_duration_ms: int
    targets: tuple[Target, ...]
    scenarios: Mapping[str, ScenarioSet]
    results: Mapping[str, ScenarioResult]
    latency_ms: Mapping[str, float]
    token_latency_ms: Mapping[str, Mapping[str, float]]
    compliance: tuple[str, ...]
    compliance_tolerance: Mapping[str, float]
    compliance_bounds: Mapping[str, tuple[Target, ...]]
    accuracy_files: Mapping[str, tuple[str, ...]]
    equal_issue: bool
    token_latencies: bool
    targets_by_scenario: Mapping[str, tuple[Target, ...]]
    samples_by_scenario: Mapping[str, int]
    own_percentile: str | None

    def target(self, metric: str | None = None) -> Target:
        """The bounds of `metric`, or of the model's first metric.

        Raises:
            KeyError: The model has no such metric.
        """
        if metric is None:
            return self.targets[0]
        return {target.metric: target for target in self.targets}[metric]

    def targets_for(self, scenario: str) -> tuple[Target, ...]:
        """Accuracy bounds in a scenario; most models have the same in all."""
        return self.targets_by_scenario.get(scenario, self.targets)

    def samples_for(self, scenario: str) -> int:
        """Samples of the accuracy run in a scenario."""
        return self.samples_by_scenario.get(scenario, self.dataset_samples)


@dataclass(frozen=True)
class Layout:
    """Where a round wants its files, below `<division>/<submitter>/` (format fields: system, model, scenario)."""

    measurements: str
    compliance: str
    source: str
    measurements_name: str
    measurements_files: tuple[str, ...]
    calibration_divisions: tuple[str, ...]
    root_suffixes: tuple[str, ...]
    performance_files: tuple[str, ...]
    performance_optional: tuple[str, ...]
    accuracy_files: tuple[str, ...]
    accuracy_optional: tuple[str, ...]
    accuracy_folders: tuple[str, ...]
    accuracy_log_max_bytes: int
    file_max_bytes: int
    source_of_models: bool
    unused_files: str
    scenario_spelling: str


@dataclass(frozen=True)
class PowerRules:
    """Files below performance/ of a result whose power was measured, and what may measure it.

    Attributes:
        units: Unit of the power metric, per scenario.
        run_files: What performance/run_1 and performance/ranging hold; `session_files`: what performance/power holds.
        settings_files: Names, without suffix, of documents beside the measurements file or above it.
        nameplate: File with the capacity of the system's power supplies; empty before rounds asked for it.
        ptd_versions: Versions of PTDaemon; `analyzers`: names of meters with their type number.
    """

    units: Mapping[str, str]
    run_files: tuple[str, ...]
    session_files: tuple[str, ...]
    settings_files: tuple[str, ...]
    nameplate: str
    ptd_versions: tuple[str, ...]
    analyzers: Mapping[str, int]
    two_channel_types: tuple[int, ...]


@dataclass(frozen=True)
class EndpointRules:
    """Results of MLCommons' endpoints client: which models, and what its audits are called.

    Attributes:
        scored_models: Models whose score is held against the accuracy target.
        audits: Compliance test -> name of the audit; only `required_audits` must be there.
        scenario_types: What its configuration calls a scenario -> the scenario.
    """

    models: tuple[str, ...]
    scored_models: tuple[str, ...]
    audits: Mapping[str, str]
    required_audits: tuple[str, ...]
    scenario_types: Mapping[str, str]


@dataclass(frozen=True)
class SystemFields:
    """Keys of systems/<system>.json: `everything` is required, `non_empty` needs a value that is not empty."""

    everything: tuple[str, ...]
    non_empty: tuple[str, ...]
    integer: tuple[str, ...]
    text: tuple[str, ...]
    accelerator: tuple[str, ...]
    network: tuple[str, ...]
    optional: tuple[str, ...]


@dataclass(frozen=True)
class Seeds:
    """The three random seeds of a round, as in LoadGen's TestSettings."""

    qsl_rng_seed: int
    sample_index_rng_seed: int
    schedule_rng_seed: int

    def items(self) -> tuple[tuple[str, int], ...]:
        """Pairs of TestSettings attribute and value."""
        return tuple((name, int(getattr(self, name))) for name in self.__dataclass_fields__)


@dataclass(frozen=True)
class Round:
    """All rules of a round that Loadfleet knows."""

    name: str
    title: str
    loadgen_version: str
    official_checkers: tuple[str, ...]
    seeds: Seeds
    min_duration_ms: int
    early_stopping_confidence: float
    early_stopping_tolerance: float
    early_stopping_min_queries: Mapping[str, int]
    layout: Layout
    divisions: tuple[str, ...]
    compliance_divisions: tuple[str, ...]
    equal_issue_divisions: tuple[str, ...]
    statuses: tuple[str, ...]
    system_types: tuple[str, ...]
    system_fields: SystemFields
    measurement_fields: tuple[str, ...]
    scenarios: Mapping[str, ScenarioRules]
    untouched_settings: Mapping[str, Any]
    aliases: Mapping[str, str]
    metric_patterns: Mapping[str, re.Pattern[str]]
    compliance_tests: Mapping[str, ComplianceTest]
    power: PowerRules
    endpoints: EndpointRules | None
    models: Mapping[str, RoundModel]

    def has(self, name: str) -> bool:
        """Whether the round has a benchmark of that name or alias."""
        return self.aliases.get(name, name) in self.models

    def model(self, name: str) -> RoundModel:
        """The benchmark of that name or alias.

        Raises:
            InputError: The round has no such benchmark.
        """
        found = self.models.get(self.aliases.get(name, name))
        if found is None:
            others = [known for known in names() if known != self.name and load(known).has(name)]
            raise InputError(
                f"{self.title} has no model {name!r}",
                fix=f"set submission_round to a round that has it: {', '.join(others)}"
                if others
                else f"use one of {', '.join(sorted(self.models))}",
            )
        return found

    def resolve(self, folder: str, mapping: Mapping[str, str] | None = None) -> RoundModel | None:
        """The benchmark that a model folder stands for: own name, alias, then model_mapping.json; None if unknown.

        The substring guesses of MLCommons' checker (`mobilenet-v3-large` counts as resnet) are left out on purpose:
        they accept results under a wrong name.
        """
        for name in (folder, self.aliases.get(folder), (mapping or {}).get(folder)):
            if name is not None and self.aliases.get(name, name) in self.models:
                return self.models[self.aliases.get(name, name)]
        return None

    def scenario(self, name: str) -> str | None:
        """The right spelling of a scenario, whatever the letter case; None if unknown."""
        return {known.lower(): known for known in self.scenarios}.get(name.lower())

    def percentile(self, model: RoundModel, scenario: str) -> str | None:
        """The latency percentile that counts for a model in a scenario (`"90"`); None where none does."""
        return self.scenarios[scenario].percentile and (model.own_percentile or self.scenarios[scenario].percentile)

    def result(self, model: RoundModel, scenario: str) -> ScenarioResult:
        """Which number of the log counts for a model in a scenario."""
        return model.results.get(scenario, self.scenarios[scenario].result)


def names() -> list[str]:
    """Rounds of the catalogue, oldest first."""
    return sorted(
        (entry.name for entry in loader.entries("round")), key=lambda name: [int(n) for n in re.findall(r"\d+", name)]
    )


def newest(workload: Mapping[str, Any] | None = None) -> str:
    """The round that is meant when none is named: of all, or the last one that has a workload (its catalogue data)."""
    return str((workload or {}).get("round") or names()[-1])


@functools.cache
def load(name: str) -> Round:
    """The rules of a round (`v6.1`).

    Raises:
        InputError: There is no such round, or its file is not valid.
    """
    return _round(_merged(name))


@functools.cache
def by_seed() -> Mapping[int, str]:
    """Seeds that results show -> round: the first of LoadGen's, and the one that the endpoints client has as well."""
    known = {name: load(name).seeds for name in names()}
    return {seed: name for name, seeds in known.items() for seed in (seeds.qsl_rng_seed, seeds.sample_index_rng_seed)}


def _merged(name: str) -> dict[str, Any]:
    data = dict(loader.get("round", name).data)
    base = data.pop("based_on", None)
    return data if base is None else _merge(_merged(base), data)


def _merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = _merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _round(data: Mapping[str, Any]) -> Round:
    stopping = data["early_stopping"]
    fields = data["system_fields"]
    layout: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["layout"].items()}
    return Round(
        name=data["name"],
        title=data["title"],
        loadgen_version=data["loadgen_version"],
        official_checkers=tuple(data["official_checkers"]),
        seeds=Seeds(**data["seeds"]),
        min_duration_ms=data["min_duration_ms"],
        early_stopping_confidence=stopping["confidence"],
        early_stopping_tolerance=stopping["tolerance"],
        early_stopping_min_queries=stopping["min_queries"],
        layout=Layout(**layout),
        divisions=tuple(data["divisions"]),
        compliance_divisions=tuple(data["compliance_divisions"]),
        equal_issue_divisions=tuple(data["equal_issue_divisions"]),
        statuses=tuple(data["statuses"]),
        system_types=tuple(data["system_types"]),
        system_fields=SystemFields(
            everything=tuple(fields["all"]), **{key: tuple(value) for key, value in fields.items() if key != "all"}
        ),
        measurement_fields=tuple(data["measurement_fields"]),
        scenarios={name: _scenario(name, rules) for name, rules in data["scenarios"].items()},
        untouched_settings=data["untouched_settings"],
        aliases=data["aliases"],
        metric_patterns={name: re.compile(rules["pattern"]) for name, rules in data["metrics"].items()},
        compliance_tests={name: _compliance(name, rules) for name, rules in data["compliance_tests"].items()},
        power=_power(data["power"]),
        endpoints=_endpoints(data["endpoints"]) if data.get("endpoints") else None,
        models={name: _model(name, rules, data["min_duration_ms"]) for name, rules in data["models"].items()},
    )


def _scenario(name: str, rules: Mapping[str, Any]) -> ScenarioRules:
    return ScenarioRules(
        name=name,
        result=_result(rules),
        early_stopping=rules["early_stopping"],
        percentile=rules.get("percentile"),
        loadgen_scenario=rules.get("loadgen_scenario", name),
        samples_per_query=rules.get("samples_per_query"),
    )


def _result(rules: Mapping[str, Any]) -> ScenarioResult:
    return ScenarioResult(key=rules["key"], unit=rules["unit"], divisor=rules.get("divisor", 1.0))


def _compliance(name: str, rules: Mapping[str, Any]) -> ComplianceTest:
    return ComplianceTest(
        name=name,
        title=rules["title"],
        verify=tuple(rules["verify"]),
        passes=tuple((text,) if isinstance(text, str) else tuple(text) for text in rules["pass"]),
        whole_line=rules.get("whole_line", False),
        accuracy_log=rules.get("accuracy_log", False),
        accuracy_files=tuple(rules.get("accuracy_files", ())),
        fallback_files=tuple(rules.get("fallback_files", ())),
        tolerance=rules.get("tolerance", 0.0),
        performance_log=rules.get("performance_log", False),
        settings=rules.get("settings", {}),
        apart=rules.get("apart", {}),
        seeds=Seeds(**rules["seeds"]) if "seeds" in rules else None,
    )


def _power(rules: Mapping[str, Any]) -> PowerRules:
    lists = ("run_files", "session_files", "settings_files", "ptd_versions", "two_channel_types")
    return PowerRules(
        units=rules["units"],
        nameplate=rules.get("nameplate", ""),
        analyzers=rules["analyzers"],
        **{key: tuple(rules[key]) for key in lists},
    )


def _endpoints(rules: Mapping[str, Any]) -> EndpointRules:
    return EndpointRules(
        models=tuple(rules["models"]),
        scored_models=tuple(rules["scored_models"]),
        audits=rules["audits"],
        required_audits=tuple(rules["required_audits"]),
        scenario_types=rules["scenario_types"],
    )


def _targets(rules: Mapping[str, Mapping[str, float]]) -> tuple[Target, ...]:
    return tuple(
        Target(
            metric=metric,
            minimum=bound["reference"] * bound["share"] if "reference" in bound else bound.get("min"),
            maximum=bound["reference"] * bound["max_share"] if "max_share" in bound else bound.get("max"),
            reference=bound.get("reference"),
        )
        for metric, bound in rules.items()
    )


def _model(name: str, rules: Mapping[str, Any], min_duration_ms: int) -> RoundModel:
    return RoundModel(
        name=name,
        folder=rules.get("folder", name),
        loadgen_name=rules.get("loadgen_name", ""),
        dataset=rules["dataset"],
        dataset_samples=rules["dataset_samples"],
        performance_sample_count=rules["performance_sample_count"],
        offline_min_samples=rules.get("offline_min_samples", 1),
        min_duration_ms=rules.get("min_duration_ms", min_duration_ms),
        targets=_targets(rules["accuracy"]),
        scenarios={
            kind: ScenarioSet(tuple(found.get("required", ())), tuple(found.get("one_of", ())))
            for kind, found in rules["scenarios"].items()
        },
        results={scenario: _result(found) for scenario, found in rules.get("results", {}).items()},
        latency_ms=rules.get("latency_ms", {}),
        token_latency_ms=rules.get("token_latency_ms", {}),
        compliance=tuple(rules.get("compliance", ())),
        compliance_tolerance=rules.get("compliance_tolerance", {}),
        compliance_bounds={test: _targets(found) for test, found in rules.get("compliance_bounds", {}).items()},
        accuracy_files={folder: tuple(found) for folder, found in rules.get("accuracy_files", {}).items()},
        equal_issue=rules.get("equal_issue", False),
        token_latencies=rules.get("token_latencies", False),
        targets_by_scenario={
            scenario: _targets(found) for scenario, found in rules.get("accuracy_by_scenario", {}).items()
        },
        samples_by_scenario=rules.get("accuracy_samples", {}),
        own_percentile=rules.get("percentile"),
    )
