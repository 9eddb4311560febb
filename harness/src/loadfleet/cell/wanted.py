"""What a run file asks for, looked up in the catalogue; what is not known or cannot go together is refused."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue
from loadfleet.catalogue import rounds
from loadfleet.cell import model_facts
from loadfleet.compliance import tests as compliance
from loadfleet.errors import InputError
from loadfleet.loadgen.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadfleet.catalogue import Entry
    from loadfleet.catalogue.rounds import Round

FIND = "find"  # the execution that searches, and the mode of its cells
UNJUDGED = "none"  # metric of a workload whose answers are neither right nor wrong
_EXECUTIONS = ("test", "valid", FIND)
_MODES = ("accuracy", "performance")  # what runs when nothing is said


@dataclass(frozen=True)
class Wanted:
    """What the cells of one model are to run.

    Attributes:
        execution: test, valid or find.
        workload: Entry of the catalogue, as are model, dataset and backend.
        model: The model.
        dataset: The data set, prepared as the model wants it.
        backend: What computes the model.
        device: Name of a device of the backend.
        precision: What the backend computes in.
        options: Of the backend.
        batch: Most samples and most cost of a batch when nobody says otherwise, and what the model can take.
        implementation: native.
        rules: The round.
        scenarios: LoadGen's names.
        modes: accuracy, performance, find, and names of compliance tests.
    """

    execution: str
    workload: Entry
    model: Entry
    dataset: Entry
    backend: Entry
    device: str
    precision: str
    options: dict[str, Any]
    batch: dict[str, int | None]
    implementation: str
    rules: Round
    scenarios: list[str]
    modes: list[str]

    @property
    def official(self) -> str | None:
        """The round's name of the model; None for a model that the round does not know."""
        name: str | None = self.model.data.get("official_name")
        return name


def look_up(run: Mapping[str, Any], overlay: Path) -> Wanted:
    """What a checked run file asks for.

    Args:
        run: The run file, of one model.
        overlay: Folder of entries that a user imported.

    Raises:
        InputError: A name, scenario, mode, round or value that cannot be run.
    """
    execution = _choice("benchmark_execution", run.get("execution") or "test", _EXECUTIONS)
    workload = catalogue.get("workload", run["workload"])
    scenarios = [
        _choice("benchmark_scenarios", name, workload.data["scenarios"])
        for name in run.get("scenarios") or workload.data["scenarios"][:1]
    ]
    asked = _modes(None if execution == FIND else run.get("modes"), workload)
    model, dataset = _entries(run, workload, overlay)
    backend = _backend(run.get("backend") or "onnxruntime", model)
    device = _choice("benchmark_device", run.get("device") or "cpu", list(backend.data["devices"]))
    precision = _precision(run.get("precision") or "fp32", backend, model)
    implementation = _choice("benchmark_implementation", run.get("implementation") or "native", ("native",))
    rules = rounds.load(run.get("round") or rounds.newest(workload.data))
    official = model.data.get("official_name")
    if official:
        rules.model(official)
    modes = [FIND] if execution == FIND else compliance.expand(asked, rules, official)
    _check_loadgen(run, execution)
    return Wanted(
        execution=execution,
        workload=workload,
        model=model,
        dataset=dataset,
        backend=backend,
        device=device,
        precision=precision,
        options=_options(run.get("backend_options") or {}, backend),
        batch=_batch(run.get("batch_size"), workload, model),
        implementation=implementation,
        rules=rules,
        scenarios=scenarios,
        modes=modes,
    )


def _choice(variable: str, value: str, known: Sequence[str]) -> str:
    if value in known:
        return value
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.5) or [
        name for name in known if name.lower() == value.lower()
    ]
    hint = f"; did you mean {close[0]}?" if close else ""
    raise InputError(f"{variable}: {value!r} is not known{hint}", fix=f"use one of: {', '.join(known)}")


def _modes(asked: Sequence[str] | None, workload: Entry) -> list[str]:
    """Modes and tests as they were asked for; a workload without accuracy is measured only."""
    known = (*compliance.MODES, compliance.ALL, *compliance.names())
    if workload.data["metric"] != UNJUDGED:
        return [_choice("benchmark_modes", name, known) for name in asked or _MODES]
    for name in asked or ():
        if _choice("benchmark_modes", name, known) != "performance":
            raise InputError(
                f"benchmark_modes: {name} cannot run: the workload {workload.name} claims no accuracy, "
                "for its inputs are made and no answer is right or wrong",
                fix="set benchmark_modes: [performance]",
            )
    return ["performance"]


def _entries(run: Mapping[str, Any], workload: Entry, overlay: Path) -> tuple[Entry, Entry]:
    """Model and data set, both of the workload."""
    model = catalogue.model_of(workload, run.get("model"), overlay, run.get("backend"))
    dataset = catalogue.dataset_of(workload, model, run.get("dataset"), overlay)
    for entry in (model, dataset):
        if entry.data.get("workload", workload.name) != workload.name:
            raise InputError(
                f"{entry.kind} {entry.name} belongs to the workload {entry.data['workload']}, not to {workload.name}",
                fix=f"change benchmark_{entry.kind} or benchmark_workload",
            )
    return model, dataset


def _backend(name: str, model: Entry) -> Entry:
    """The backend, which has to run models of this kind."""
    backend = catalogue.get("backend", name)
    if not {model.data["format"], "*"} & set(backend.data["formats"]):
        raise InputError(
            f"the backend {backend.name} runs {', '.join(backend.data['formats'])}; "
            f"the model {model.name} is {model.data['format']}",
            fix="change benchmark_backend or benchmark_model",
        )
    if backend.name not in model.data.get("backends", [backend.name]):
        raise InputError(
            f"the model {model.name} is for {', '.join(model.data['backends'])}; benchmark_backend is {backend.name}",
            fix="change benchmark_backend or benchmark_model",
        )
    return backend


def _precision(asked: str, backend: Entry, model: Entry) -> str:
    """What the backend shall compute in; a precision that a model has, and not the backend, is said to be one."""
    if asked in backend.data["precisions"]:
        return asked
    if asked == model.data["precision"]:
        return "fp32"  # of what the model itself leaves in fp32
    made = [
        entry.name
        for entry in catalogue.entries("model")
        if entry.data["precision"] == asked and model_facts.origin(entry).name == model.name
    ]
    if made:
        raise InputError(
            f"benchmark_precision is {asked}, which {backend.name} does not make of {model.name} by itself",
            fix=f"leave it out and set benchmark_model: {' or '.join(made)}",
        )
    return _choice("benchmark_precision", asked, backend.data["precisions"])


def _check_loadgen(run: Mapping[str, Any], execution: str) -> None:
    """Refuse counts that the execution does not take, and targets of unknown scenarios."""
    if execution != "test" and run.get("query_count"):
        follows = "follows the round's own counts" if execution == "valid" else "chooses its own lengths"
        raise InputError(
            f"benchmark_query_count is {run['query_count']}; execution {execution} {follows}",
            fix="remove benchmark_query_count, or set benchmark_execution: test",
        )
    for name in ("target_qps", "target_latency_ms"):
        for scenario in run.get(name) or {}:
            _choice(f"benchmark_{name}", scenario, list(SCENARIOS))


def _options(asked: Mapping[str, Any], backend: Entry) -> dict[str, Any]:
    known = list(backend.data.get("options", {}))
    for name in asked:
        if name not in known:
            raise InputError(
                f"benchmark_backend_options: {name!r} is no option of {backend.name}",
                fix=f"use {' or '.join(known)}" if known else "remove it: this backend has none",
            )
    return dict(asked)


def _batch(asked: int | None, workload: Entry, model: Entry) -> dict[str, int | None]:
    """Most samples and most cost of a batch when nobody says otherwise, and what the model can take."""
    usual, most = workload.data["batch"], model.data.get("max_batch")
    if most and asked and asked > most:
        raise InputError(
            f"benchmark_batch_size is {asked}; the model {model.name} takes at most {most} samples at a time",
            fix=f"set benchmark_batch_size: {most} or less, or leave it out",
        )
    return {"samples": min(usual["samples"], most or usual["samples"]), "cost": usual["cost"], "most": most}
