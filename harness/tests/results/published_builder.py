"""Published results trees in little: the files that a row of the index is made of, for any round of the catalogue."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from loadfleet.catalogue import rounds

DATA = Path(__file__).parents[1] / "submission" / "data"
RESNET = DATA / "v4.1-closed-edge-resnet50-power.tar.xz"
LLAMA = DATA / "v5.1-closed-datacenter-llama3.1-8b.tar.xz"

SYSTEM = {
    "status": "available",
    "system_type": "edge",
    "number_of_nodes": "1",
    "host_processor_model_name": "Example CPU 9000",
    "host_processors_per_node": "2",
    "host_processor_core_count": "32",
    "accelerator_model_name": "N/A",
    "accelerators_per_node": "0",
    "framework": "onnxruntime 1.20",
    "operating_system": "Debian 12",
    "hw_notes": "",
    "sw_notes": "",
}
SCORE = {"f1": 90.5, "exact_match": 83.1}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def log(round_name: str, scenario: str, values: dict[str, Any]) -> str:
    """mlperf_log_detail.txt with the round's seeds."""
    entries: dict[str, Any] = {
        "effective_scenario": scenario,
        "effective_test_mode": "PerformanceOnly",
        **{f"effective_{name}": seed for name, seed in rounds.load(round_name).seeds.items()},
        "result_validity": "VALID",
        **values,
    }
    tail = '"time_ms": 1.5, "namespace": "mlperf::logging", "event_type": "POINT_IN_TIME", "metadata": '
    where = '{"is_error": false, "is_warning": false, "file": "loadgen.cc", "line_no": 1, "pid": 1, "tid": 1}'
    return "".join(
        f':::MLLOG {{"key": "{key}", "value": {json.dumps(value)}, {tail}{where}}}\n' for key, value in entries.items()
    )


def publish(
    root: Path,
    *,
    round_name: str = "v6.1",
    division: str = "closed",
    submitter: str = "Example",
    system: str = "board",
    model: str = "bert-99",
    scenario: str = "Offline",
    folder: str = "",
    values: dict[str, Any] | None = None,
    description: dict[str, Any] | None = None,
    verdict: str = "VALID",
    score: dict[str, float] | None = None,
) -> Path:
    """Write one result; returns its scenario folder (called `folder`, else as its scenario)."""
    place = root / division / submitter
    write(place / "systems" / f"{system}.json", {**SYSTEM, "system_name": f"System {system}", **(description or {})})
    result = place / "results" / system / model / (folder or scenario)
    layout = rounds.load(round_name).layout
    fields = {"system": system, "model": model, "scenario": result.name, "implementation": "ours"}
    name = layout.measurements_name.format(**fields)
    write(place / layout.measurements.format(**fields) / name, {"weight_data_types": "int8"})
    run = result / "performance" / "run_1"
    write(run / "mlperf_log_detail.txt", log(round_name, scenario, values or {"result_samples_per_second": 100.0}))
    write(run / "mlperf_log_summary.txt", f"Scenario : {scenario}\nResult is : {verdict}\n")
    found = score or SCORE
    write(
        result / "accuracy" / "accuracy.txt",
        json.dumps({"exact_match": found["exact_match"], "f1": found["f1"]}) + "\n",
    )
    return result


def git(*arguments: str, cwd: Path | None = None) -> str:
    """Git as another person: with a name, and without the tester's configuration."""
    person = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *person, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()
