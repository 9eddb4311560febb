"""From a run file to cells: names looked up, artefacts found in the store, mistakes refused before anything starts."""

from __future__ import annotations

import difflib
import shlex
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue, workloads
from loadfleet.catalogue import rounds
from loadfleet.compliance import tests as compliance
from loadfleet.errors import InputError, NotReadyError
from loadfleet.loadgen.scenarios import SCENARIOS
from loadfleet.store import Store
from loadfleet.tuning import found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.store import StoreEntry

MODES = ("accuracy", "performance")  # what runs when nothing is said
FIND = "find"  # the execution that searches, and the mode of its cells
EXECUTIONS = ("test", "valid", FIND)
FIND_MINUTES = 15.0  # of a search, when the user says nothing
UNJUDGED = "none"  # metric of a workload whose answers are neither right nor wrong
UNKNOWN_SYSTEM = "sha256:" + "0" * 64  # a run by hand, without a measured system description
_FREE_BYTES = 512 << 20  # LoadGen logs, status and telemetry of a run, with room to spare
_TIMEOUT_S = {"test": 1800.0, "valid": 6 * 3600.0}
_SEARCH_SHARE, _SEARCH_S = 2.0, 600.0  # a search ends by itself; what runs for so much longer hangs
_FACTS = (
    "precision",
    "reference",
    "official_name",
    "weight_data_types",
    "input_data_types",
    "weight_transformations",
    "retraining",
    "starting_weights_filename",
)


def make(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cells of a checked run file, in the order they run; of several models one after the other.

    Raises:
        InputError: A name, scenario, mode, round or value that cannot be run.
        NotReadyError: A model or data set is not in the store, or the disk is nearly full.
    """
    if not run.get("models"):
        return _of_model(run, run["workload"])
    if run.get("model"):
        raise InputError(
            f"benchmark_models is {', '.join(run['models'])} and benchmark_model is {run['model']}",
            fix="set one of the two",
        )
    first, *others = run["models"]
    rest = {key: value for key, value in run.items() if key != "start_at"}
    return [
        *_of_model({**run, "model": first}, first),
        *(cell for name in others for cell in _of_model({**rest, "model": name}, name)),
    ]


def _of_model(run: Mapping[str, Any], label: str) -> list[dict[str, Any]]:
    """The cells of one model; `label` begins their names.

    Raises:
        InputError: A name, scenario, mode, round or value that cannot be run.
        NotReadyError: A model or data set is not in the store, or the disk is nearly full.
    """
    execution = _choice("benchmark_execution", run.get("execution") or "test", EXECUTIONS)
    workload = catalogue.get("workload", run["workload"])
    scenarios = [
        _choice("benchmark_scenarios", name, workload.data["scenarios"])
        for name in run.get("scenarios") or workload.data["scenarios"][:1]
    ]
    asked = _modes(None if execution == FIND else run.get("modes"), workload)
    minutes = run.get("find_minutes") or FIND_MINUTES
    store = Store(Path(run["store_path"]).expanduser())
    model, dataset = _entries(run, workload, store)
    for entry in (model, dataset):
        if entry.data.get("workload", workload.name) != workload.name:
            raise InputError(
                f"{entry.kind} {entry.name} belongs to the workload {entry.data['workload']}, not to {workload.name}",
                fix=f"change benchmark_{entry.kind} or benchmark_workload",
            )
    backend = catalogue.get("backend", run.get("backend") or "onnxruntime")
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
    device = _choice("benchmark_device", run.get("device") or "cpu", list(backend.data["devices"]))
    precision = _precision(run.get("precision") or "fp32", backend, model)
    implementation = _choice("benchmark_implementation", run.get("implementation") or "native", ("native",))
    rules = rounds.load(run.get("round") or rounds.newest(workload.data))
    official = model.data.get("official_name")
    if official:
        rules.model(official)
    modes = [FIND] if execution == FIND else compliance.expand(asked, rules, official)
    if execution != "test" and run.get("query_count"):
        follows = "follows the round's own counts" if execution == "valid" else "chooses its own lengths"
        raise InputError(
            f"benchmark_query_count is {run['query_count']}; execution {execution} {follows}",
            fix="remove benchmark_query_count, or set benchmark_execution: test",
        )
    for name in ("target_qps", "target_latency_ms"):
        for scenario in run.get(name) or {}:
            _choice(f"benchmark_{name}", scenario, list(SCENARIOS))
    batch = _batch(run.get("batch_size"), workload.data, model)
    prefix = _prefix(run.get("run_prefix") or "")
    _room(store.path)
    model_entry, data_entry = _stored(store, model), _stored(store, dataset)
    _same_sizes(workload, model, dataset, data_entry)
    system = run.get("system") or {"name": socket.gethostname(), "digest": UNKNOWN_SYSTEM}
    cells: list[dict[str, Any]] = [
        {
            "schema_version": 1,
            "run_id": run["run_id"],
            "host": run.get("host") or socket.gethostname(),
            "cell": f"{label}/{scenario}/{mode}",
            "workload": workload.name,
            "scenario": scenario,
            "mode": mode,
            "execution": execution,
            "round": rules.name,
            "implementation": implementation,
            "store_path": str(store.path),
            "system": {"name": system["name"], "digest": system["digest"]},
            "model": {
                "name": model.name,
                "digest": model_entry.digest,
                "path": str(_model_file(model_entry, model.data)),
                "inputs": model.data["inputs"],
                "outputs": model.data.get("outputs", {}),
                "dynamic_shape": bool(model.data.get("dynamic_shape")),
                "shapes": workload.data.get("outputs", {}),
                "module": model.data.get("module", ""),
                "accuracy": _reference(_origin(model).data, dataset),
                **_compared(model.data, dataset),
                "facts": _facts(model.data, backend.name, precision),
            },
            "dataset": {
                "name": dataset.name,
                "digest": data_entry.digest,
                "path": str(data_entry.path),
                "samples": dataset.data["samples"],
                "performance_samples": dataset.data.get("performance_samples", dataset.data["samples"]),
            },
            "batch": batch,
            "backend": {
                "name": backend.name,
                "device": device,
                "precision": precision,
                **{key: run.get(key) for key in ("threads", "instances", "batch_size", "batch_cost")},
                "width_multiple": backend.data.get("width_multiple", 1),
                "options": _options(run.get("backend_options") or {}, backend),
            },
            "loadgen": {
                "model": workload.data["loadgen_model"],
                "target_qps": (run.get("target_qps") or {}).get(scenario),
                "target_latency_ms": (run.get("target_latency_ms") or {}).get(scenario)
                or workload.data.get("latency_ms", {}).get(scenario),
                "query_count": run.get("query_count"),
            },
            "command": {"prefix": prefix, "environment": dict(run.get("environment") or {})},
            "timeout_s": run.get("timeout_s") or _TIMEOUT_S.get(execution, _SEARCH_SHARE * 60 * minutes + _SEARCH_S),
            **({"find": {"minutes": minutes}} if mode == FIND else {}),
            **_unofficial(workload),
            **(
                {"compliance": compliance.describe(mode, rules, official, scenario)}
                if mode not in (*compliance.MODES, FIND)
                else {}
            ),
            **{key: run[key] for key in ("gate", "platform", "tried") if run.get(key)},
        }
        for scenario in scenarios
        for mode in modes
    ]
    if run.get("start_at") and execution != FIND:
        # Hosts differ in how long a cell takes: only the first one has a start that they can share.
        cells[0]["start_at"] = run["start_at"]
    return cells


def _modes(asked: Sequence[str] | None, workload: catalogue.Entry) -> list[str]:
    """Modes and tests as they were asked for; a workload without accuracy is measured only."""
    known = (*compliance.MODES, compliance.ALL, *compliance.names())
    if workload.data["metric"] != UNJUDGED:
        return [_choice("benchmark_modes", name, known) for name in asked or MODES]
    for name in asked or ():
        if _choice("benchmark_modes", name, known) != "performance":
            raise InputError(
                f"benchmark_modes: {name} cannot run: the workload {workload.name} claims no accuracy, "
                "for its inputs are made and no answer is right or wrong",
                fix="set benchmark_modes: [performance]",
            )
    return ["performance"]


def _entries(
    run: Mapping[str, Any], workload: catalogue.Entry, store: Store
) -> tuple[catalogue.Entry, catalogue.Entry]:
    """Model and data set; those that a user imported are known to the store."""
    model = catalogue.model_of(workload, run.get("model"), store.catalogue, run.get("backend"))
    return model, catalogue.dataset_of(workload, model, run.get("dataset"), store.catalogue)


def _same_sizes(
    workload: catalogue.Entry, model: catalogue.Entry, dataset: catalogue.Entry, stored: StoreEntry
) -> None:
    """Refuse a model of the user's own whose inputs have other sizes than the data."""
    shapes = model.data.get("shapes")
    if not shapes:
        return
    import numpy as np  # noqa: PLC0415  for these models only

    data = workloads.load(workload.name).open(Path(stored.path))
    width = None if model.data.get("dynamic_shape") else int(data.lengths.max())
    for name, array in data.batch(np.zeros(1, np.int64), width).items():
        own, given = shapes.get(name, []), list(array.shape)
        rest = zip(own[1:], given[1:], strict=False)
        if own and (len(own) != len(given) or any(isinstance(size, int) and size != other for size, other in rest)):
            raise InputError(
                f"the model {model.name} takes {name} {own}; the data set {dataset.name} gives {given}",
                fix="choose a benchmark_model_preprocessing of that shape, or export the model with these sizes",
            )


def _unofficial(workload: catalogue.Entry) -> dict[str, Any]:
    """Why nothing of a workload can be submitted, and that it claims no accuracy, where that is so."""
    found: dict[str, Any] = {}
    if workload.data["metric"] == UNJUDGED:
        found["judged"] = False
    if not workload.data.get("checker_models", True):
        words = f"the workload {workload.name} is none of MLPerf's benchmarks"
        found["unofficial"] = words if found.get("judged", True) else f"{words} and claims no accuracy"
    return found


def _compared(model: Mapping[str, Any], dataset: catalogue.Entry) -> dict[str, Any]:
    """The accuracy that is shown beside a model's own, of one that it claims nothing of."""
    other = model.get("compared_with")
    if other is None:
        return {}
    return {"compared": {"name": other, "accuracy": _reference(catalogue.get("model", other).data, dataset)}}


def with_found(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells with what earlier searches found for them, where they are not searches themselves."""
    settled = []
    for cell in cells:
        kept = found.lookup(Path(cell["store_path"]), cell) if cell["mode"] != FIND else None
        settled.append({**cell, "found": kept} if kept else cell)
    return settled


def without_found(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells as `make` gave them."""
    return [{key: value for key, value in cell.items() if key != "found"} for cell in cells]


def _batch(asked: int | None, workload: Mapping[str, Any], model: catalogue.Entry) -> dict[str, int | None]:
    """Most samples and most cost of a batch when nobody says otherwise, and what the model can take."""
    usual, most = workload["batch"], model.data.get("max_batch")
    if most and asked and asked > most:
        raise InputError(
            f"benchmark_batch_size is {asked}; the model {model.name} takes at most {most} samples at a time",
            fix=f"set benchmark_batch_size: {most} or less, or leave it out",
        )
    return {"samples": min(usual["samples"], most or usual["samples"]), "cost": usual["cost"], "most": most}


def _reference(model: Mapping[str, Any], dataset: catalogue.Entry) -> dict[str, float]:
    """The model's own accuracy on a data set, metric -> per cent; empty where nobody measured it."""
    stated = model.get("accuracy")
    if stated is None:
        return {}
    found = model.get("accuracy_on", {}).get(dataset.name)
    if found is None:
        found = stated if stated["samples"] == dataset.data["samples"] else {}
    return {name: value for name, value in found.items() if name != "samples"}


def _origin(model: catalogue.Entry) -> catalogue.Entry:
    """The model whose accuracy counts: the one it was made from without training, else itself."""
    while "derived" in model.data:
        model = catalogue.get("model", model.data["derived"]["from"])
    return model


def _precision(asked: str, backend: catalogue.Entry, model: catalogue.Entry) -> str:
    """What the backend shall compute in; a precision that a model has, and not the backend, is said to be one."""
    if asked in backend.data["precisions"]:
        return asked
    if asked == model.data["precision"]:
        return "fp32"  # of what the model itself leaves in fp32
    made = [
        entry.name
        for entry in catalogue.entries("model")
        if entry.data["precision"] == asked and _origin(entry).name == model.name
    ]
    if made:
        raise InputError(
            f"benchmark_precision is {asked}, which {backend.name} does not make of {model.name} by itself",
            fix=f"leave it out and set benchmark_model: {' or '.join(made)}",
        )
    return _choice("benchmark_precision", asked, backend.data["precisions"])


def _options(asked: Mapping[str, Any], backend: catalogue.Entry) -> dict[str, Any]:
    known = list(backend.data.get("options", {}))
    for name in asked:
        if name not in known:
            raise InputError(
                f"benchmark_backend_options: {name!r} is no option of {backend.name}",
                fix=f"use {' or '.join(known)}" if known else "remove it: this backend has none",
            )
    return dict(asked)


def _facts(model: Mapping[str, Any], backend: str, precision: str) -> dict[str, Any]:
    """What measurements.json says of the model; computing in less than its weights have is a transformation."""
    facts = {key: model.get(key) for key in _FACTS}
    if precision != "fp32" and facts["precision"] == "fp32":
        facts |= {
            "precision": precision,
            "weight_data_types": precision,
            "weight_transformations": f"fp32 weights converted to {precision} by {backend} when they are loaded",
        }
    elif precision != "fp32":
        facts["weight_transformations"] = (
            f"{facts['weight_transformations']}; the rest computed in {precision} by {backend}"
        )
    return facts


def _choice(variable: str, value: str, known: Sequence[str]) -> str:
    if value in known:
        return value
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.5) or [
        name for name in known if name.lower() == value.lower()
    ]
    hint = f"; did you mean {close[0]}?" if close else ""
    raise InputError(f"{variable}: {value!r} is not known{hint}", fix=f"use one of: {', '.join(known)}")


def _prefix(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"benchmark_run_prefix: {text!r} is not a command line: {error}") from error
    if words and not shutil.which(words[0]):
        raise NotReadyError(
            f"benchmark_run_prefix: {words[0]!r} is not an executable on this host",
            fix="install it or change the prefix",
        )
    return words


def _stored(store: Store, entry: catalogue.Entry) -> StoreEntry:
    found = store.find(entry.kind, entry.name)
    if found is None:
        raise NotReadyError(
            f"the {entry.kind} {entry.name} is not in the store {store.path}",
            fix=f"run the playbook prepare, or `loadfleet cache ensure {entry.kind} {entry.name} --store {store.path}`",
        )
    return found


def _model_file(entry: StoreEntry, data: Mapping[str, Any]) -> Path:
    return Path(entry.path) / str(data["artifact"]["files"][0]["name"])


def _room(path: Path) -> None:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < _FREE_BYTES:
        raise NotReadyError(
            f"{free >> 20} MiB free below {path}; a run needs {_FREE_BYTES >> 20} MiB for its logs",
            fix="free some space (`loadfleet cache show`), or set store_path to a larger disk",
        )
