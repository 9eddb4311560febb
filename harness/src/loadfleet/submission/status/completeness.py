"""Status of runs that came home and of a run that is planned: what a division still lacks, before a tree is made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.compliance import tests as compliance
from loadfleet.errors import InputError
from loadfleet.submission import divisions
from loadfleet.submission.request import Request, refuse
from loadfleet.submission.status import durations
from loadfleet.submission.status.matrix import DONE, Demand, Line, State, Status, ToRun, worst
from loadfleet.submission.tree import choose, documents, flavours, inferred, tested

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.catalogue.rounds import Round, RoundModel
    from loadfleet.submission.status.durations import Speeds
    from loadfleet.submission.status.intent import Intent
    from loadfleet.submission.tree.cells import Cell

_NOT_NEEDED = State("not needed")
_RUNS = ("accuracy", "performance")


def of(cells: Sequence[Cell], intent: Intent | None, rules: Round, request: Request) -> Status:
    """The matrix of cells and plan for what they are meant as.

    Args:
        cells: Runs that came home; may be empty when there is a plan.
        intent: The plan; its runs count as `planned` where nothing valid is there.
        rules: The round.
        request: Division, system type and so on.

    Raises:
        InputError: A plan that no result could make complete: a combination that does not exist, a model that the
            division or the suite does not take.
    """
    refuse(rules, request)
    if intent is not None:
        _refuse_plan(intent, rules, request)
    folders = _folders(cells, intent)
    lines = [
        line for (system, model), group in sorted(folders.items()) for line in _Model(rules, request, intent).lines(
            system, model, group
        )
    ]  # fmt: skip
    demands = [*_documents(request), *_descriptions(cells, intent, rules, request)]
    notes = []
    if request.division not in rules.compliance_divisions:
        notes.append(f"{request.division}: any scenarios, no compliance tests, accuracy is shown and has no target")
    return Status(
        round=rules.name,
        division=request.division,
        system_type=request.system_type,
        lines=tuple(lines),
        demands=tuple(demands),
        planned=intent is not None,
        notes=tuple(notes),
        variables=_variables(lines, intent, rules),
    )


def _variables(lines: Sequence[Line], intent: Intent | None, rules: Round) -> dict[str, Any]:
    """What to set so that the missing runs are made; empty when the plan makes them already."""
    runs = [run for line in lines for run in line.to_run]
    if not runs:
        return {}
    scenarios = {run.scenario for run in runs} | set(intent.scenarios if intent is not None else ())
    modes = {run.mode for run in runs} | set(intent.modes if intent is not None else ())
    found: dict[str, Any] = {
        "benchmark_scenarios": [name for name in rules.scenarios if name in scenarios],
        "benchmark_modes": [name for name in _RUNS if name in modes] + ([compliance.ALL] if modes - set(_RUNS) else []),
        "benchmark_execution": "valid",
    }
    if intent is None:
        return found
    given = {
        "benchmark_scenarios": set(intent.scenarios) == scenarios,
        "benchmark_modes": set(intent.modes) == modes,
        "benchmark_execution": intent.execution == "valid",
    }
    return {name: value for name, value in found.items() if not given[name]}


def _refuse_plan(intent: Intent, rules: Round, request: Request) -> None:
    benchmark = rules.model(str(intent.model.get("official_name") or intent.model["name"]))
    name = intent.model["name"]
    if request.kind not in benchmark.scenarios:
        raise InputError(
            f"{benchmark.name} is not part of the {request.kind} suite of {rules.title}",
            fix=f"set submission_system_type to {' or '.join(_types(benchmark))}, or choose another benchmark_model",
        )
    if request.division not in rules.compliance_divisions:
        return
    if not intent.model.get("reference"):
        raise InputError(
            f"benchmark_model is {name}, which is not the official model of {benchmark.name}: "
            f"the {request.division} division takes the official model only",
            fix="set submission_division: open, or benchmark_model to an official model "
            "(`loadfleet catalogue find official`)",
        )
    expected = {metric: float(value) for metric, value in intent.model["accuracy"].items()}
    below = _below(benchmark, intent.scenarios[0], expected) if expected else ""
    if below:
        raise InputError(
            f"benchmark_model is {name}, of which {below}: the {request.division} division refuses it",
            fix="choose a more accurate benchmark_model, or set submission_division: open",
        )
    policy = divisions.load().network
    if request.division == "network" and not intent.network:
        raise InputError(
            f"benchmark_backend is {intent.backend}, which runs beside LoadGen: in the network division LoadGen and "
            f"the system under test are apart, and the log's sut_name holds {policy.sut_name!r}",
            fix="set submission_division: closed, or measure with a backend that is reached over a network",
        )


def _types(benchmark: RoundModel) -> list[str]:
    return ["datacenter,edge" if kind == "combined" else kind for kind in sorted(benchmark.scenarios)]


def _below(benchmark: RoundModel, scenario: str, values: Mapping[str, float]) -> str:
    """The first target that is not met, in words; empty when all that are known are met."""
    found = {metric.lower(): value for metric, value in values.items()}
    for target in benchmark.targets_for(scenario):
        value = found.get(target.metric.lower())
        if value is not None and not target.met(value):
            return f"{target.metric} is {value:.6g} and {benchmark.name} asks for {target.words()}"
    return ""


def _folders(cells: Sequence[Cell], intent: Intent | None) -> dict[tuple[str, str], list[Cell]]:
    """(system, model) -> its cells; a plan adds its own, on every system that is known."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    names: dict[str, str] = {}
    for cell in sorted(cells, key=choose.system_name, reverse=True):
        names[cell.system_digest] = choose.system_name(cell)
    shared = Counter(names.values())
    for cell in cells:
        name = names[cell.system_digest]
        if shared[name] > 1:
            name = f"{name}-{documents.slug(cell.system_digest.partition(':')[2])[:8]}"
        groups.setdefault((name, str(cell.model.get("name"))), []).append(cell)
    if intent is not None:
        of_host = {cell.host: system for (system, _), group in groups.items() for cell in group}
        known = sorted({system for system, _ in groups})
        for system in intent.systems or known or ["any host"]:
            groups.setdefault((of_host.get(system, system), str(intent.model["name"])), [])
    return groups


@dataclass
class _Place:
    """One scenario of one benchmark on one system, while its line is made."""

    benchmark: RoundModel
    scenario: str
    cells: Sequence[Cell]
    speeds: Speeds
    to_run: list[ToRun]


@dataclass(frozen=True)
class _Model:
    """Makes the lines of a model on a system."""

    rules: Round
    request: Request
    intent: Intent | None

    @property
    def strict(self) -> bool:
        """Whether the division asks for whole sets of scenarios, targets and compliance tests."""
        return self.request.division in self.rules.compliance_divisions

    def lines(self, system: str, model: str, cells: Sequence[Cell]) -> list[Line]:
        facts = cells[0].model if cells else self._facts()
        stated = self.rules.resolve(str(facts.get("official_name") or model))
        if stated is None:
            why = State("invalid", f"{self.rules.name} has no such model", "use another round, or state official_name")
            return [
                Line(system, model, "", scenario, why, why, _NOT_NEEDED, _NOT_NEEDED)
                for scenario in sorted({cell.scenario for cell in cells})
            ]
        chosen = choose.choose(cells, self.rules.name, lambda _: model, [], tests=self.strict)
        scored = [
            (cell.scenario, flavours.values(cell.result.get("accuracy"))) for cell in chosen if cell.mode == "accuracy"
        ]
        speeds = self._speeds(model, cells)
        return [
            line
            for benchmark in flavours.served(self.rules, stated, scored, self.request.flavours)
            for line in self._benchmark(system, model, facts, benchmark, chosen, speeds)
        ]

    def _facts(self) -> Mapping[str, Any]:
        return {} if self.intent is None else self.intent.model

    def _speeds(self, model: str, cells: Sequence[Cell]) -> Speeds:
        speeds = durations.of_cells(cells)
        if self.intent is None or speeds.performance:
            return speeds
        store = None if self.intent.store is None else Path(self.intent.store).expanduser()
        return durations.of_store(store, self.intent.workload, model)

    def _benchmark(
        self,
        system: str,
        model: str,
        facts: Mapping[str, Any],
        benchmark: RoundModel,
        cells: Sequence[Cell],
        speeds: Speeds,
    ) -> list[Line]:
        intended = self._intended(model)
        present = {cell.scenario for cell in cells} | set(intended)
        states: dict[str, Line] = {}
        for scenario in self._wanted(benchmark, present):
            here = [cell for cell in cells if cell.scenario == scenario]
            place = _Place(benchmark, scenario, here, speeds, [])
            refusal = self._refusal(benchmark, scenario, facts, present)
            if refusal is not None:
                measured = judged = tested = refusal
            else:
                measured = self._run(place, "performance", intended)
                judged = self._run(place, "accuracy", intended)
                tested = self._tests(place, intended)
            power = State("valid") if any(cell.result.get("power") for cell in here) else _NOT_NEEDED
            states[scenario] = Line(
                system, model, benchmark.name, scenario, measured, judged, tested, power, tuple(place.to_run)
            )
        return [self._inferred(line, benchmark, cells, states) for line in states.values()]

    def _intended(self, model: str) -> tuple[str, ...]:
        """Scenarios that the plan measures with this model."""
        return self.intent.scenarios if self.intent is not None and self.intent.model["name"] == model else ()

    def _wanted(self, benchmark: RoundModel, present: set[str]) -> list[str]:
        suite = benchmark.scenarios.get(self.request.kind)
        needed = set(suite.required) if suite else set()
        if suite and suite.one_of and not present & set(suite.one_of):
            needed.add(suite.one_of[0])
        return [name for name in self.rules.scenarios if name in needed | present]

    def _refusal(
        self, benchmark: RoundModel, scenario: str, facts: Mapping[str, Any], present: set[str]
    ) -> State | None:
        """A state that holds for the whole line, whatever was run."""
        suite = benchmark.scenarios.get(self.request.kind)
        division = self.request.division
        if suite is None:
            types = " or ".join(_types(benchmark))
            return State(
                "invalid",
                f"{benchmark.name} is not part of the {self.request.kind} suite",
                f"set submission_system_type to {types}",
            )
        if not self.strict:
            return _NOT_NEEDED if scenario not in present else None
        if not facts.get("reference"):
            return State(
                "invalid",
                f"{facts.get('name')} is not the official model of {benchmark.name}, which {division} asks for",
                "set submission_division: open, or measure with the official benchmark_model",
            )
        if scenario not in suite.known:
            return State(
                "invalid",
                f"{scenario} is no scenario of {benchmark.name} in {division} {self.request.kind}",
                "leave it out of benchmark_scenarios, or submit it to open",
            )
        return None

    def _run(self, place: _Place, mode: str, intended: Sequence[str]) -> State:
        """The state of one mode; what is to be run is added to the place."""
        state = self._there(place, mode)
        if state is None or state.state in {"invalid", "test-length"}:
            state = self._after_plan(place, mode, intended, state)
        if state.state not in DONE:
            seconds, at_least = durations.of_mode(self.rules, place.benchmark, mode, place.scenario, place.speeds)
            place.to_run.append(ToRun(place.scenario, mode, seconds, at_least))
        return state

    def _there(self, place: _Place, mode: str) -> State | None:
        """What is at home; None when there is nothing."""
        found = [cell for cell in place.cells if cell.mode == mode]
        if not found:
            return None
        cell = min(found, key=lambda cell: len(cell.reasons(self.rules.name)))
        reasons = cell.reasons(self.rules.name)
        if self.strict and mode == "accuracy":
            below = _below(place.benchmark, place.scenario, flavours.values(cell.result.get("accuracy")))
            reasons += [below] if below else []
        if mode not in _RUNS:
            reasons += tested.mismatches(cell, place.cells)
        if self.request.division == "network" and mode != "accuracy":
            reasons += documents.network_reasons(cell.detail().values)
        if not reasons:
            return State("valid")
        if cell.result.get("execution") == "test":
            return State("test-length", reasons[0])
        return State("invalid", "; ".join(reasons), "mend the cause and measure again")

    def _after_plan(self, place: _Place, mode: str, intended: Sequence[str], state: State | None) -> State:
        if place.scenario in intended and self.intent is not None and mode in self.intent.modes:
            if self.intent.execution == "valid":
                return State("planned")
            return State("test-length", f"benchmark_execution is {self.intent.execution}")
        if state is not None:
            return state
        suite = place.benchmark.scenarios[self.request.kind]
        either = f" or {' or '.join(suite.one_of[1:])}" if place.scenario == next(iter(suite.one_of), None) else ""
        what = f"{place.scenario}{either} run" if not place.cells and place.scenario not in intended else f"{mode} run"
        return State("missing", f"no {what}{' is planned' if self.intent is not None else ''}")

    def _tests(self, place: _Place, intended: Sequence[str]) -> State:
        if not self.strict or not place.benchmark.compliance:
            return _NOT_NEEDED
        states = {name: self._run(place, name, intended) for name in place.benchmark.compliance}
        for name, state in states.items():
            if state.state not in DONE:
                self._again(place, name)
        return worst(states)

    def _again(self, place: _Place, test: str) -> None:
        """A test is compared with the runs beside it: they are made again, even when there are good ones."""
        for mode in sorted(compliance.with_references({test}) - {test}):
            if all(run.mode != mode for run in place.to_run):
                seconds, at_least = durations.of_mode(self.rules, place.benchmark, mode, place.scenario, place.speeds)
                place.to_run.append(ToRun(place.scenario, mode, seconds, at_least))

    def _inferred(self, line: Line, benchmark: RoundModel, cells: Sequence[Cell], lines: Mapping[str, Line]) -> Line:
        """The line, or when its scenario is not there and may be inferred, what it takes over from the other one."""
        if not self.request.infer or line.performance.state not in {"missing", "not needed"}:
            return line
        if any(cell.scenario == line.scenario for cell in cells):
            return line
        measured = [name for name, other in lines.items() if other.performance.state in {"valid", "planned"}]
        origin = inferred.source(benchmark, self.request.kind, line.scenario, measured)
        if origin is None:
            return line
        run = next((cell for cell in cells if (cell.scenario, cell.mode) == (origin, "performance")), None)
        obstacle = inferred.obstacle(run, line.scenario) if run is not None else ""
        if obstacle:
            return line

        def taken(state: State) -> State:
            return State("inferred", f"from {origin}") if state.state in {"valid", "planned"} else state

        other = lines[origin]
        return replace(
            line,
            performance=taken(other.performance),
            accuracy=taken(other.accuracy),
            compliance=taken(other.compliance),
            to_run=(),
        )


def _documents(request: Request) -> list[Demand]:
    found = []
    for document in divisions.load().demanded(request.division, request.kind):
        own = document.found(request.documents)
        if own is not None:
            found.append(Demand("", f"document {document.name}", met=True, why=str(own)))
        elif document.generated:
            found.append(Demand("", f"document {document.name}", met=True, why="is written from the catalogue"))
        else:
            found.append(
                Demand(
                    "",
                    f"document {document.name}",
                    met=False,
                    why=f"{request.division} {request.system_type} asks for {document.title}",
                    fix=f"write {document.example} and name its folder in submission_documents_path",
                )
            )
    return found


def _descriptions(cells: Sequence[Cell], intent: Intent | None, rules: Round, request: Request) -> list[Demand]:
    """Fields of systems that the division needs and nobody stated; of a plan, those that software never measures."""
    needed = documents.needed_fields(rules, request.division)
    network = [name for name in rules.system_fields.network if name != divisions.load().network.flag]
    systems: dict[str, Cell] = {cell.system_digest: cell for cell in cells}
    found = []
    for cell in systems.values():
        stated = {name: value for name, value in cell.system["description"].items() if value not in (None, "")}
        description = documents.system_description(
            {"framework": documents.framework([cell])} | stated,
            rules,
            division=request.division,
            submitter=request.submitter,
            status=request.status,
            system_type=request.system_type,
        )
        unknown = [name for name in needed if not description[name]]
        if request.division in rules.compliance_divisions:
            unmeasured = set(cell.system.get("unmeasured") or []) - {"framework"}
            unknown += [name for name in needed if name in unmeasured and name not in unknown]
        found.append(_described(choose.system_name(cell), unknown, network))
    if not systems and intent is not None and request.division == "network":
        unknown = [name for name in network if not intent.description.get(name)]
        found.append(_described(", ".join(intent.systems), unknown, network))
    return found


def _described(system: str, unknown: Sequence[str], network: Sequence[str]) -> Demand:
    if not unknown:
        return Demand(system, "description", met=True, why="complete")
    fixes = [
        f"state {', '.join(names)} in {variable}"
        for variable, names in (
            ("system_description_overrides", [name for name in unknown if name not in network]),
            ("system_description_network", [name for name in unknown if name in network]),
        )
        if names
    ]
    why = f"neither measured nor stated: {', '.join(unknown)}"
    return Demand(system, "description", met=False, why=why, fix=" and ".join(fixes))
