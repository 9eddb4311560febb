"""The documents of a submission: system description, measurements, how to repeat, where the code is, calibration."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from loadfleet.submission import divisions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round, RoundModel
    from loadfleet.submission.tree.cells import Cell

NOT_APPLICABLE = "N/A"

# run.json key -> variable of the collection, for the command that repeats a measurement
_VARIABLES = {
    "execution": "benchmark_execution",
    "model": "benchmark_model",
    "dataset": "benchmark_dataset",
    "backend": "benchmark_backend",
    "device": "benchmark_device",
    "batch_size": "benchmark_batch_size",
    "batch_cost": "benchmark_batch_cost",
    "threads": "benchmark_threads",
    "instances": "benchmark_instances",
    "query_count": "benchmark_query_count",
    "target_qps": "benchmark_target_qps",
    "target_latency_ms": "benchmark_target_latency_ms",
    "round": "submission_round",
}


def slug(text: str) -> str:
    """A name fit for a folder: no spaces, no leading dot, nothing that git or a shell trips over."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("._") or "system"


def system_description(description: Mapping[str, Any], rules: Round, **values: str) -> dict[str, str]:
    """The fields of the round, all text, in the round's order.

    `values` (division, submitter, status, system_type) win over the description. Unmeasured fields stay empty: nothing
    is invented. Accelerator fields of a machine that has none say "N/A", which the rules allow. The network's fields
    are written in the network division only, since checkers ask for all of them where one stands; optional fields where
    the description has them.
    """
    merged = {**description, **values}
    policy = divisions.load()
    names = rules.system_fields.everything
    if values["division"] == "network":
        merged[policy.network.flag] = "True"
        names += rules.system_fields.network
    names += tuple(name for name in rules.system_fields.optional if _text(merged.get(name)))
    fields = {name: _text(merged.get(name)) for name in names}
    if fields["accelerators_per_node"] == "0":
        for name in rules.system_fields.accelerator:
            fields[name] = fields[name] or NOT_APPLICABLE
    return fields


def needed_fields(rules: Round, division: str) -> tuple[str, ...]:
    """Fields of a system's description that need a value in a division."""
    network = rules.system_fields.network if division == "network" else ()
    return tuple(dict.fromkeys((*rules.system_fields.non_empty, *network)))


def network_reasons(log: Mapping[str, Any]) -> list[str]:
    """Why a detail log (its values) is none of the network division; empty when it is."""
    wanted, name = divisions.load().network.sut_name, str(log.get("sut_name"))
    return [] if wanted in name else [f"sut_name is {name!r} and holds no {wanted!r}: LoadGen ran beside the model"]


def own(folder: Path | None) -> list[Path]:
    """The submitter's own documents, as the folder has them."""
    return [] if folder is None else sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def framework(cells: Sequence[Cell]) -> str:
    """What executed the models, as the runs measured it: "onnxruntime 1.23.0"; the system probe cannot know it."""
    found = set()
    for cell in cells:
        backend = cell.result.get("backend") or {}
        name = str(backend.get("name") or "")
        version = (backend.get("versions") or {}).get(name)
        found.add(f"{name} {version}" if version else name)
    return ", ".join(sorted(found - {""}))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return value if isinstance(value, str) else json.dumps(value)


def measurements(model: Mapping[str, Any], rules: Round) -> dict[str, str]:
    """The round's measurement fields, as the model's catalogue entry states them."""
    return {name: _text(model.get(name)) for name in rules.measurement_fields}


def play_command(cell: Cell) -> list[str]:
    """The ansible-playbook command line that measures one scenario again."""
    run = cell.run
    values = {variable: run.get(key) for key, variable in _VARIABLES.items()}
    values["benchmark_model"] = cell.model.get("name")
    extra: dict[str, Any] = {name: value for name, value in values.items() if value not in (None, "", {}, [])}
    extra["benchmark_scenarios"] = [cell.scenario]
    extra["benchmark_modes"] = run.get("modes") or [cell.mode]
    playbook = f"playbooks/{cell.result['workload']}.yml"
    return ["ansible-playbook", playbook, "-i", "inventory", "-e", json.dumps(extra, sort_keys=True)]


def cell_command(cell: Cell) -> list[str]:
    """What ran on the machine: the prefix (numactl and the like) and the argument list."""
    command = cell.result.get("command") or {}
    return [str(part) for part in [*(command.get("prefix") or []), *(command.get("argv") or [])]]


def scenario_readme(
    cells: Sequence[Cell], model: RoundModel, system_name: str, scenario: str, serves: Sequence[str] = ()
) -> str:
    """README.md of a scenario: the commands that repeat it, what was loaded, how it was set.

    Args:
        cells: Its cells; those of another scenario when it is inferred.
        model: The benchmark.
        system_name: Folder of the system.
        scenario: The scenario.
        serves: All benchmarks that the same runs are submitted for, when there are several.
    """
    first = cells[0]
    dataset, backend = first.result.get("dataset") or {}, first.result.get("backend") or {}
    versions = ", ".join(f"{name} {version}" for name, version in sorted((backend.get("versions") or {}).items()))
    loadgen = first.result.get("loadgen") or {}
    lines = [
        f"# {first.model.get('name')}, {scenario}, on {system_name}",
        "",
        f"Benchmark `{model.name}`, measured with Loadfleet (implementation `{first.result.get('implementation')}`).",
        "",
    ]
    if scenario != first.scenario:
        lines += [
            f"**Inferred**: this result was not measured in {scenario}. The logs are those of {first.scenario}.",
            "",
        ]
    if serves:
        lines += [f"The same runs are submitted for {' and '.join(f'`{name}`' for name in serves)}.", ""]
    lines += [
        "## Repeat it",
        "",
        "From a checkout of Loadfleet, for any inventory (performance and accuracy follow each other):",
        "",
        "```sh",
        shlex.join(play_command(first)),
        "```",
        "",
    ]
    for cell in cells:
        if cell_command(cell):
            lines += [f"What ran on the machine for `{cell.name}` (run {cell.run_id}):", ""]
            lines += ["```sh", shlex.join(cell_command(cell)), "```", ""]
    lines += [
        "## What was loaded",
        "",
        "| | |",
        "|---|---|",
        f"| model | {first.model.get('name')} ({first.model.get('precision')}), {first.model.get('digest')} |",
        f"| data set | {dataset.get('name')}, {dataset.get('samples')} samples, {dataset.get('digest')} |",
        f"| backend | {backend.get('name')} on {backend.get('device')}: {versions} |",
        f"| LoadGen | {loadgen.get('version')} |",
        f"| run | {', '.join(sorted({cell.run_id for cell in cells}))} |",
        "",
        "Backend options: `"
        + json.dumps(backend.get("options") or {}, sort_keys=True)
        + "`. LoadGen settings: `user.conf`.",
        "",
    ]
    return "\n".join(lines)


def source_readme(cell: Cell, model: RoundModel) -> str:
    """src/<model>/README.md: where the code is."""
    workload, backend = cell.result["workload"], (cell.result.get("backend") or {}).get("name")
    return "\n".join(
        [
            f"# Code of {cell.model.get('name')}",
            "",
            f"Benchmark `{model.name}` ({model.dataset}), implementation `{cell.result.get('implementation')}` of",
            f"Loadfleet, workload `{workload}`, backend `{backend}`. The code that issues queries, pre- and",
            "post-processes and scores is the Python distribution `loadfleet` (Apache-2.0): its packages",
            "`loadfleet.workloads`, `loadfleet.loadgen` and `loadfleet.backends`.",
            "The README.md of each scenario names the exact commands, versions and digests.",
            "",
        ]
    )


def calibration(cells: Sequence[Cell]) -> str:
    """documentation/calibration.md: numeric formats and how the weights were converted, model by model."""
    lines = ["# Calibration and quantization", ""]
    models = {str(cell.model.get("name")): cell.model for cell in cells}
    for name, model in sorted(models.items()):
        lines += [
            f"## {name}",
            "",
            f"Weights: {model.get('weight_data_types')}. Inputs: {model.get('input_data_types')}.",
            f"Transformations of the weights: {model.get('weight_transformations')}.",
            f"Retraining: {model.get('retraining')}. Starting weights: {model.get('starting_weights_filename')}.",
            "No sample of the accuracy data set was used to choose quantization parameters unless said so above.",
            "",
        ]
    return "\n".join(lines)
