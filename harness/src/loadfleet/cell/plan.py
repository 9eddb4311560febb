"""From a run file to cells: what it asks for, with artefacts from the store; refused before anything starts."""

from __future__ import annotations

import shlex
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import workloads
from loadfleet.cell import model_facts, wanted
from loadfleet.cell.wanted import FIND, UNJUDGED
from loadfleet.compliance import tests as compliance
from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import Store
from loadfleet.tuning import found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.catalogue import Entry
    from loadfleet.cell.wanted import Wanted
    from loadfleet.store import StoreEntry

_FIND_MINUTES = 15.0  # of a search, when the user says nothing
_UNKNOWN_SYSTEM = "sha256:" + "0" * 64  # a run by hand, without a measured system description
_FREE_BYTES = 512 << 20  # LoadGen logs, status and telemetry of a run, with room to spare
_TIMEOUT_S = {"test": 1800.0, "valid": 6 * 3600.0}
_SEARCH_SHARE, _SEARCH_S = 2.0, 600.0  # a search ends by itself; what runs for so much longer hangs


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


def _of_model(run: Mapping[str, Any], label: str) -> list[dict[str, Any]]:
    """The cells of one model; `label` begins their names.

    Raises:
        InputError: A name, scenario, mode, round or value that cannot be run.
        NotReadyError: A model or data set is not in the store, or the disk is nearly full.
    """
    store = Store(Path(run["store_path"]).expanduser())
    asked = wanted.look_up(run, store.catalogue)
    common = _common(run, asked, store)
    cells = [
        {**common, "cell": f"{label}/{scenario}/{mode}", **_own(run, asked, scenario, mode)}
        for scenario in asked.scenarios
        for mode in asked.modes
    ]
    if run.get("start_at") and asked.execution != FIND:
        # Hosts differ in how long a cell takes: only the first one has a start that they can share.
        cells[0]["start_at"] = run["start_at"]
    return cells


def _common(run: Mapping[str, Any], asked: Wanted, store: Store) -> dict[str, Any]:
    """What all cells of a model say alike."""
    prefix = _prefix(run.get("run_prefix") or "")
    _room(store.path)
    model, dataset = _stored(store, asked.model), _stored(store, asked.dataset)
    _same_sizes(asked, dataset)
    system = run.get("system") or {"name": socket.gethostname(), "digest": _UNKNOWN_SYSTEM}
    return {
        "schema_version": 1,
        "run_id": run["run_id"],
        "host": run.get("host") or socket.gethostname(),
        "workload": asked.workload.name,
        "execution": asked.execution,
        "round": asked.rules.name,
        "implementation": asked.implementation,
        "store_path": str(store.path),
        "system": {"name": system["name"], "digest": system["digest"]},
        "model": _model(asked, model),
        "dataset": {
            "name": asked.dataset.name,
            "digest": dataset.digest,
            "path": str(dataset.path),
            "samples": asked.dataset.data["samples"],
            "performance_samples": asked.dataset.data.get("performance_samples", asked.dataset.data["samples"]),
        },
        "batch": asked.batch,
        "backend": {
            "name": asked.backend.name,
            "device": asked.device,
            "precision": asked.precision,
            **{key: run.get(key) for key in ("threads", "instances", "batch_size", "batch_cost")},
            "width_multiple": asked.backend.data.get("width_multiple", 1),
            "options": asked.options,
        },
        "command": {"prefix": prefix, "environment": dict(run.get("environment") or {})},
        "timeout_s": run.get("timeout_s") or _TIMEOUT_S.get(asked.execution, _search_timeout_s(run)),
        **_unofficial(asked.workload),
        **{key: run[key] for key in ("gate", "platform", "tried") if run.get(key)},
    }


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


def _room(path: Path) -> None:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < _FREE_BYTES:
        raise NotReadyError(
            f"{free >> 20} MiB free below {path}; a run needs {_FREE_BYTES >> 20} MiB for its logs",
            fix="free some space (`loadfleet cache show`), or set store_path to a larger disk",
        )


def _stored(store: Store, entry: Entry) -> StoreEntry:
    found = store.find(entry.kind, entry.name)
    if found is None:
        raise NotReadyError(
            f"the {entry.kind} {entry.name} is not in the store {store.path}",
            fix=f"run the playbook prepare, or `loadfleet cache ensure {entry.kind} {entry.name} --store {store.path}`",
        )
    return found


def _same_sizes(asked: Wanted, stored: StoreEntry) -> None:
    """Refuse a model of the user's own whose inputs have other sizes than the data."""
    model = asked.model
    shapes = model.data.get("shapes")
    if not shapes:
        return
    import numpy as np  # noqa: PLC0415  for these models only

    data = workloads.load(asked.workload.name).open(Path(stored.path))
    width = None if model.data.get("dynamic_shape") else int(data.lengths.max())
    for name, array in data.batch(np.zeros(1, np.int64), width).items():
        own, given = shapes.get(name, []), list(array.shape)
        rest = zip(own[1:], given[1:], strict=False)
        if own and (len(own) != len(given) or any(isinstance(size, int) and size != other for size, other in rest)):
            raise InputError(
                f"the model {model.name} takes {name} {own}; the data set {asked.dataset.name} gives {given}",
                fix="choose a benchmark_model_preprocessing of that shape, or export the model with these sizes",
            )


def _model(asked: Wanted, stored: StoreEntry) -> dict[str, Any]:
    """The model: where it lies, how it is called, and what is known of it."""
    entry = asked.model
    return {
        "name": entry.name,
        "digest": stored.digest,
        "path": str(Path(stored.path) / str(entry.data["artifact"]["files"][0]["name"])),
        "inputs": entry.data["inputs"],
        "outputs": entry.data.get("outputs", {}),
        "dynamic_shape": bool(entry.data.get("dynamic_shape")),
        "shapes": asked.workload.data.get("outputs", {}),
        "module": entry.data.get("module", ""),
        "accuracy": model_facts.accuracy(entry, asked.dataset),
        **model_facts.compared(entry, asked.dataset),
        "facts": model_facts.facts(entry, asked.backend.name, asked.precision),
    }


def _search_timeout_s(run: Mapping[str, Any]) -> float:
    return _SEARCH_SHARE * 60 * _minutes(run) + _SEARCH_S


def _minutes(run: Mapping[str, Any]) -> float:
    minutes: float = run.get("find_minutes") or _FIND_MINUTES
    return minutes


def _unofficial(workload: Entry) -> dict[str, Any]:
    """Why nothing of a workload can be submitted, and that it claims no accuracy, where that is so."""
    found: dict[str, Any] = {}
    if workload.data["metric"] == UNJUDGED:
        found["judged"] = False
    if not workload.data.get("checker_models", True):
        words = f"the workload {workload.name} is none of MLPerf's benchmarks"
        found["unofficial"] = words if found.get("judged", True) else f"{words} and claims no accuracy"
    return found


def _own(run: Mapping[str, Any], asked: Wanted, scenario: str, mode: str) -> dict[str, Any]:
    """What a cell says besides: its scenario and mode, and what is asked of LoadGen in them."""
    target_ms = (run.get("target_latency_ms") or {}).get(scenario)
    own: dict[str, Any] = {
        "scenario": scenario,
        "mode": mode,
        "loadgen": {
            "model": asked.workload.data["loadgen_model"],
            "target_qps": (run.get("target_qps") or {}).get(scenario),
            "target_latency_ms": target_ms or asked.workload.data.get("latency_ms", {}).get(scenario),
            "query_count": run.get("query_count"),
        },
    }
    if mode == FIND:
        own["find"] = {"minutes": _minutes(run)}
    elif mode not in compliance.MODES:
        own["compliance"] = compliance.describe(mode, asked.rules, asked.official, scenario)
    return own
