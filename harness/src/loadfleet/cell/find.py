"""A cell that searches: probes within a time, what they found into the store for later runs, result.json."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from loadfleet import workloads
from loadfleet.catalogue import rounds
from loadfleet.cell import result_file, sessions, settings
from loadfleet.cell.probing import Probes
from loadfleet.errors import InputError
from loadfleet.loadgen.scenarios import SCENARIOS
from loadfleet.tuning import arrangement, found, prediction, record, strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.tuning.strategy import Findings, Task
    from loadfleet.workloads import Dataset

_WORDS = (
    "execution is find: short probes, nothing to submit; benchmark_execution: valid measures with what was found, "
    "unless settings are set"
)


def run(folder: Path, cell: Mapping[str, Any], argv: list[str]) -> int:
    """Search for a checked cell; probes, status and result.json are in `folder`. Probes that are there count.

    Returns:
        0: what was found is in result.json and in the store.

    Raises:
        InputError: The folder holds the result of another search.
        NotReadyError: The backend or LoadGen is missing, or the store cannot be written.
        BadResultError: Nothing was found; the message says why.
    """
    if (folder / result_file.NAME).exists():
        raise InputError(f"{folder} already holds result.json", fix="name a new folder: a search is never overwritten")
    times = {**result_file.started(cell), "load_s": None, "warm_up_s": None, "loadgen_s": None}
    depends = found.conditions(cell)
    dataset = workloads.load(cell["workload"]).open(Path(cell["dataset"]["path"]))
    about = task(cell, dataset)
    findings = strategy.find(about, Probes(folder, cell, _Status(folder, about.budget_s).say))
    kept = _keep(cell, findings, {**depends, "round": cell["round"], "bound_ms": about.bound_ms})
    result = _result(cell, findings, depends["versions"], kept)
    result_file.write(folder, cell, result, times, argv)
    return 0


def task(cell: Mapping[str, Any], dataset: Dataset) -> Task:
    """What the cell leaves open. What the user has set is taken as it is."""
    rules = rounds.load(cell["round"])
    scenario = SCENARIOS[cell["scenario"]]
    asked = prediction.rules(rules, scenario.name, cell["model"]["facts"].get("official_name"))
    server = scenario.name == "Server"
    return strategy.Task(
        rules=asked,
        layouts=_layouts(cell, dataset, one_session=not scenario.higher_is_better),
        batches=_batches(cell, dataset, asked.samples_per_query if not scenario.higher_is_better else None),
        budget_s=60.0 * cell["find"]["minutes"],
        bound_ms=settings.latency_limit(cell, rules) if server else None,
        guess=cell["loadgen"]["target_qps"],
    )


def _layouts(cell: Mapping[str, Any], dataset: Dataset, *, one_session: bool) -> list[dict[str, float]]:
    """Instances x threads, the usual one first, without those whose models would not fit into half of the memory."""
    asked, usual = cell["backend"], sessions.layout(cell, dataset)
    here: dict[str, float] = {"instances": usual.instances, "threads": usual.threads}
    others: list[dict[str, float]] = []
    if not (asked["instances"] or asked["threads"]):
        cores = len(os.sched_getaffinity(0))
        physical = psutil.cpu_count(logical=False) if cores == psutil.cpu_count() else None
        others = arrangement.layouts(cores, physical)
    if one_session:
        threads = sorted({each["threads"] for each in others} - {here["threads"]}, reverse=True)
        return [{"threads": count} for count in (here["threads"], *threads)]
    most = max(usual.instances, int(psutil.virtual_memory().available / 2 / sessions.session_bytes(cell)))
    return [here, *(each for each in others if each != here and each["instances"] <= most)]


def _batches(cell: Mapping[str, Any], dataset: Dataset, query: int | None) -> list[dict[str, float]]:
    """Batches to try; `query` is the number of samples that arrive together, None where that is no bound."""
    asked, usual = cell["backend"], sessions.layout(cell, dataset)
    if query == 1:
        return [{}]
    here: dict[str, float] = {"batch_size": usual.batch_samples, "batch_cost": usual.batch_cost}
    if asked["batch_size"] or asked.get("batch_cost"):
        return [here]
    bounds = [most for most in (query, cell["batch"].get("most")) if most]
    costs = (float(dataset.lengths.min()), float(dataset.lengths.max())) if usual.width is None else (usual.width,) * 2
    return strategy.batches(here, min(bounds, default=None), costs)


def _keep(cell: Mapping[str, Any], findings: Findings, depends: Mapping[str, Any]) -> Path:
    arranged = {name: value for name, value in findings.chosen.items() if name in found.SETTINGS}
    place = Path()
    for kind, (probes, result) in findings.searches.items():
        chosen = findings.chosen if kind == strategy.RATE else arranged
        place = record.keep(Path(cell["store_path"]), record.key(cell), kind, probes, result, chosen, depends)
    return place


def _result(cell: Mapping[str, Any], findings: Findings, versions: Mapping[str, str], kept: Path) -> dict[str, Any]:
    """result.json but for its times and command."""
    scenario = SCENARIOS[cell["scenario"]]
    ours = {name: value for name, value in versions.items() if name not in ("loadgen", "loadfleet")}
    probes = [one.as_json() for tried, _ in findings.searches.values() for one in tried]
    options = {name: int(value) for name, value in findings.chosen.items() if name in found.SETTINGS}
    return {
        **result_file.head(cell, ours, options),
        "loadgen": {"version": versions["loadgen"], "requested": {}, "effective": {}},
        "metric": {"name": scenario.metric, "value": findings.value, "unit": scenario.unit},
        "latency": None,
        "validity": {"loadgen": None, "execution": cell["execution"], "submittable": False, "reasons": [_WORDS]},
        "accuracy": None,
        "search": {
            "chosen": findings.chosen,
            "complete": findings.complete,
            "notes": list(findings.notes),
            "prediction": findings.prediction.as_json(),
            "record": str(kept),
            "probes": sorted(probes, key=lambda one: int(one["where"])),
        },
        "telemetry": None,
        "power": None,
        "files": {},
        "exit_code": 0,
    }


class _Status:
    """status.json: how much of the time is spent, and what the present probe does."""

    def __init__(self, folder: Path, budget_s: float) -> None:
        self._path = folder / "status.json"
        self._budget = budget_s
        self._began = time.monotonic()

    def say(self, detail: str, before_s: float = 0.0) -> None:
        """Write it; `before_s` was spent before an interruption."""
        share = min(0.99, (before_s + time.monotonic() - self._began) / self._budget)
        status = {"phase": "searching", "progress": round(share, 4), "detail": detail, "updated": time.time()}
        temporary = self._path.with_name(".status.json.search")
        temporary.write_text(json.dumps(status), encoding="utf-8")
        temporary.replace(self._path)
