"""Results folders with real LoadGen logs (data/logs.tar.xz, made by record_logs.py), as the engine leaves them."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RUN = "20261122T021852Z-bert-0f1e"

DESCRIPTION = {
    "division": "",
    "submitter": "",
    "status": "",
    "system_type": "",
    "system_type_detail": "",
    "system_name": "Example board, 2 cores",
    "number_of_nodes": "1",
    "host_processor_model_name": 'Example "X" CPU',
    "host_processors_per_node": "1",
    "host_processor_core_count": "2",
    "host_processor_frequency": "",
    "host_processor_caches": "",
    "host_processor_interconnect": "",
    "host_memory_capacity": "24 GiB",
    "host_memory_configuration": "1 x 24 GiB",
    "host_storage_type": "SSD",
    "host_storage_capacity": "100 GiB",
    "host_networking": "Ethernet 1 Gbit/s",
    "host_networking_topology": "one switch",
    "host_network_card_count": "1",
    "accelerators_per_node": "0",
    "accelerator_model_name": "",
    "accelerator_memory_capacity": "",
    "accelerator_host_interconnect": "",
    "accelerator_memory_configuration": "",
    "accelerator_interconnect": "",
    "accelerator_interconnect_topology": "",
    "accelerator_frequency": "",
    "accelerator_on-chip_memories": "",
    "cooling": "air",
    "framework": "onnxruntime 1.23",
    "operating_system": "Debian 12",
    "other_software_stack": "Python 3.11",
    "hw_notes": "",
    "sw_notes": "",
}

MINILM = {
    "name": "minilm-squad",
    "digest": "sha256:" + "1" * 64,
    "precision": "int8",
    "reference": False,
    "official_name": "bert-99",
    "weight_data_types": "int8",
    "input_data_types": "int64",
    "weight_transformations": "quantization",
    "retraining": "Yes",
    "starting_weights_filename": "minilm.onnx",
}
BERT = {**MINILM, "name": "bert-large-int8", "reference": True, "retraining": "No"}


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def changed(path: Path, keys: Sequence[Any], value: Any) -> Any:
    """The content of a JSON file with `value` below `keys`; None removes what is there."""
    content = place = json.loads(path.read_text())
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return content


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON object; None removes a key."""
    value = {**json.loads(path.read_text()), **changes}
    write_json(path, {key: item for key, item in value.items() if item is not None})


class Results:
    """Builds `<root>/<run id>/<host>/<workload>/<Scenario>/<mode>/`."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root = root
        self.logs = logs

    def run(self, run_id: str = RUN, *, host: str = "localhost", digest: str = "a", **cells: Any) -> Path:
        """One host's cells in a run folder; keywords as for `cell`."""
        run = self.root / run_id
        system = {
            "schema_version": 1,
            "name": "example-board",
            "digest": "sha256:" + digest * 64,
            "measured": {},
            "description": DESCRIPTION,
            "unmeasured": ["host_processor_frequency"],
        }
        write_json(run / host / "system.json", system)
        scenarios = cells.pop("scenarios", ("Offline",))
        settings = {"run_id": run_id, "host": host, "workload": "bert", "scenarios": list(scenarios)}
        write_json(run / host / "run.json", {**settings, "modes": ["accuracy", "performance"], "execution": "valid"})
        for scenario in scenarios:
            for mode in cells.get("modes", ("accuracy", "performance")):
                self.cell(run, host, scenario, mode, digest=digest, **cells)
        return run

    def cell(
        self,
        run: Path,
        host: str,
        scenario: str,
        mode: str,
        *,
        digest: str = "a",
        model: dict[str, Any] = MINILM,
        f1: float = 76.5,
        execution: str = "valid",
        reasons: tuple[str, ...] = (),
        **_: Any,
    ) -> Path:
        folder = run / host / "bert" / scenario / mode
        shutil.copytree(self.logs / scenario / ("accuracy" if mode == "accuracy" else "performance"), folder)
        accuracy = None
        if mode == "TEST01":
            detail = folder / "mlperf_log_detail.txt"
            key, seed = '"key": "effective_accuracy_log_rng_seed", "value": ', "720381539243781796"
            detail.write_text(detail.read_text().replace(f"{key}0", f"{key}{seed}"))
            for name in ("verify_accuracy.txt", "verify_performance.txt"):
                (folder / name).write_text("TEST PASS\n")
            (folder / "accuracy.txt").write_text(json.dumps({"exact_match": f1 - 10, "f1": f1}) + "\n")
            (folder / "mlperf_log_accuracy.json").write_text("[\n]\n")
        elif mode == "accuracy":
            line = json.dumps({"exact_match": f1 - 10, "f1": f1})
            (folder / "accuracy.txt").write_text(line + "\n")
            answers = (f'{{ "seq_id" : {i}, "qsl_idx" : {i}, "data" : "{"0000C841" * 768}" }}' for i in range(12))
            (folder / "mlperf_log_accuracy.json").write_text("[\n" + ",\n".join(answers) + "\n]\n")
            accuracy = {
                "metric": "f1",
                "unit": "%",
                "value": f1,
                "samples": 10833,
                "total": 10833,
                "met": True,
                "values": {"f1": f1, "exact_match": f1 - 10},
                "target": f1 * 0.99,
                "reference": f1,
                "official_target": 89.96526,
                "line": line,
            }
        else:
            (folder / "mlperf_log_accuracy.json").write_text("[\n]\n")
        sizes = {
            path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        }
        result = {
            "schema_version": 1,
            "run_id": run.name,
            "host": host,
            "cell": f"bert/{scenario}/{mode}",
            "workload": "bert",
            "scenario": scenario,
            "mode": mode,
            "execution": execution,
            "round": "v6.1",
            "implementation": "native",
            "system": {"name": "example-board", "digest": "sha256:" + digest * 64},
            "model": model,
            "dataset": {"name": "squad-v1.1-dev-bert384", "digest": "sha256:" + "2" * 64, "samples": 10833},
            "backend": {"name": "onnxruntime", "device": "cpu", "versions": {"onnxruntime": "1.23.0"}, "options": {}},
            "loadgen": {"version": "6.0.17", "requested": {}, "effective": {}},
            "metric": None if accuracy else {"name": "throughput", "value": 17.9875, "unit": "Samples/s"},
            "latency": None,
            "validity": {
                "loadgen": None if accuracy else "VALID",
                "execution": execution,
                "submittable": execution == "valid" and not reasons,
                "reasons": list(reasons),
            },
            "accuracy": accuracy,
            "telemetry": None,
            "power": None,
            "files": sizes,
            "time": {
                "started": "2026-11-22T02:18:52Z",
                "finished": "2026-11-22T02:28:56Z",
                "load_s": 0.1,
                "warm_up_s": 0.2,
                "loadgen_s": 602.3,
                "clock_offset_ms": None,
            },
            "command": {"argv": ["loadfleet", "cell", "run", "cell.json"], "prefix": ["numactl", "-N", "0"]},
            "exit_code": 0,
        }
        write_json(folder / "result.json", result)
        return folder
