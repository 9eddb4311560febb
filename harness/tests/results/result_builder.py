"""Sample run folders, schema-valid: what a cell writes, made of one template and the differences a test cares about."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = "20261122T003500Z-bert-3f9a"
DIGEST = "sha256:" + "ab" * 32
TOTAL = 10833
TEST_REASON = "test execution: LoadGen's minimums are lowered"


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, objects merged, everything else replaced."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def result(
    scenario: str = "Offline",
    mode: str = "performance",
    *,
    host: str = "localhost",
    execution: str = "valid",
    **changes: Any,
) -> dict[str, Any]:
    """A good result of one cell; keyword arguments replace or (objects) complete its keys."""
    latency_metric = {"name": "p90 latency", "value": 12.5, "unit": "ms"}
    throughput_metric = {"name": "samples per second", "value": 1234.5, "unit": "Samples/s"}
    performance = mode != "accuracy"
    base: dict[str, Any] = {
        "schema_version": 1,
        "run_id": RUN_ID,
        "host": host,
        "cell": f"bert/{scenario}/{mode}",
        "workload": "bert",
        "scenario": scenario,
        "mode": mode,
        "execution": execution,
        "round": "v6.1",
        "implementation": "native",
        "system": {"name": "laptop", "digest": DIGEST},
        "model": {
            "name": "minilm-squad",
            "digest": DIGEST,
            "precision": "fp32",
            "reference": False,
            "official_name": "bert-99",
            "weight_data_types": "fp32",
            "input_data_types": "int64",
            "weight_transformations": "none",
            "retraining": "yes",
            "starting_weights_filename": "model.safetensors",
        },
        "dataset": {"name": "squad-v1.1-dev-bert384", "digest": DIGEST, "samples": TOTAL},
        "backend": {
            "name": "onnxruntime",
            "device": "cpu",
            "versions": {"onnxruntime": "1.23.2", "python": "3.11.9"},
            "options": {"threads": 4},
        },
        "loadgen": {
            "version": "6.0.17",
            "requested": {"min_duration_ms": 600000, "min_query_count": 1, "target_qps": 1200.0},
            "effective": {
                "min_duration_ms": 600000,
                "min_query_count": 1,
                "target_qps": 1200.0,
                "samples_per_query": 792000,
            },
        },
        "metric": (throughput_metric if scenario == "Offline" else latency_metric) if performance else None,
        "latency": {
            "unit": "ms",
            "min": 2.1,
            "mean": 9.5,
            "p50": 9.0,
            "p90": 12.5,
            "p95": 14.0,
            "p97": 15.5,
            "p99": 21.0,
            "p99.9": 44.0,
            "max": 80.25,
        }
        if performance
        else None,
        "validity": {
            "loadgen": "VALID" if performance else None,
            "execution": execution,
            "submittable": execution == "valid",
            "reasons": [] if execution == "valid" else [TEST_REASON],
        },
        "accuracy": None
        if performance
        else {
            "metric": "f1",
            "unit": "%",
            "value": 76.4,
            "values": {"f1": 76.4, "exact_match": 65.1},
            "target": 75.636,
            "reference": 76.4,
            "official_target": 89.965,
            "samples": TOTAL,
            "total": TOTAL,
            "met": True,
            "line": '{"exact_match": 65.1, "f1": 76.4}',
        },
        "telemetry": {"cpu_percent_mean": 92.9, "rss_peak_bytes": 734003200, "grade": None, "energy_j": None},
        "power": None,
        "files": {"mlperf_log_summary.txt": {"sha256": "cd" * 32, "bytes": 2345}},
        "time": {
            "started": "2026-11-22T00:35:10Z",
            "finished": "2026-11-22T00:45:20Z",
            "load_s": 0.4,
            "warm_up_s": 2.5,
            "loadgen_s": 601.2,
            "clock_offset_ms": None,
        },
        "command": {"argv": ["loadfleet", "cell", "run", "cell.json"], "prefix": []},
        "exit_code": 0,
    }
    return merge(base, changes)


def write_cell(run: Path, value: dict[str, Any], *, telemetry: bool = False) -> Path:
    """Write a cell's folder below `run`/<host>; returns the folder."""
    folder = run / value["host"] / value["cell"]
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(value))
    if telemetry:
        lines = [
            {"t": second, "cpu_percent": 90 + second % 7, "rss_bytes": 700_000_000 + second * 1000}
            for second in range(90)
        ]
        (folder / "telemetry.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_host(run: Path, host: str, cells: dict[str, str], *, phase: str = "finished", **status: Any) -> Path:
    """Write a host's run.json, status.json and system.json; `cells` maps cell id to the agent's state of it."""
    folder = run / host
    folder.mkdir(parents=True, exist_ok=True)
    scenarios = sorted({cell.split("/")[1] for cell in cells})
    modes = sorted({cell.split("/")[2] for cell in cells})
    spec = {
        "schema_version": 1,
        "run_id": run.name,
        "host": host,
        "workload": "bert",
        "scenarios": scenarios,
        "modes": modes,
        "execution": "valid",
        "round": "v6.1",
    }
    (folder / "run.json").write_text(json.dumps(spec))
    (folder / "plan.json").write_text(json.dumps({"schema_version": 1, "cells": [{"id": cell} for cell in cells]}))
    (folder / "status.json").write_text(
        json.dumps(
            merge(
                {
                    "schema_version": 1,
                    "run_id": run.name,
                    "phase": phase,
                    "pid": 1,
                    "boot_id": "x",
                    "updated": 1.0,
                    "exit_code": 0,
                    "message": "",
                    "cells": [
                        {
                            "id": cell,
                            "state": state,
                            "exit_code": 0,
                            "progress": 1.0,
                            "detail": "",
                            "verdict": "",
                            "reasons": [],
                        }
                        for cell, state in cells.items()
                    ],
                },
                status,
            )
        )
    )
    (folder / "system.json").write_text(
        json.dumps(
            {
                "schema_version": 1,
                "name": "laptop",
                "digest": DIGEST,
                "measured": {"cpu_count": 4},
                "description": {"host_processor_model_name": "Example CPU", "host_memory_capacity": "16 GiB"},
                "unmeasured": [],
            }
        )
    )
    return folder


def run_folder(parent: Path, *results: dict[str, Any], run_id: str = RUN_ID, telemetry: bool = False) -> Path:
    """A finished run: one folder per host, one cell per result; `run.json` on top."""
    run = parent / run_id
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"schema_version": 1, "run_id": run_id, "workload": "bert"}))
    for value in results:
        write_cell(run, merge(value, {"run_id": run_id}), telemetry=telemetry)
    for host in sorted({value["host"] for value in results}):
        write_host(run, host, {value["cell"]: "done" for value in results if value["host"] == host})
    return run
