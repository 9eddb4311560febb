"""A closed datacenter submission of the endpoints client: configuration and summaries instead of LoadGen's logs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from submission_builder import changed, edit_json, write_json

from loadfleet.catalogue import rounds

if TYPE_CHECKING:
    from pathlib import Path

ROUND = "v6.1"
AUDITS = {"wan-2.2-t2v-a14b": ["output_caching_test"]}
# model -> scenarios; scores, samples and token counts as the round wants them
RESULTS = {
    "gpt-oss-120b": ("Offline", "Server"),
    "qwen3-vl-235b-a22b": ("Offline", "Interactive"),
    "wan-2.2-t2v-a14b": ("Offline", "SingleStream"),
}
TYPES = {"Offline": "offline", "Server": "online", "Interactive": "online", "SingleStream": "singlestream"}
SCORES: dict[str, Any] = {"gpt-oss-120b": 83.2, "qwen3-vl-235b-a22b": {"f1": 0.791}, "wan-2.2-t2v-a14b": 70.6}


def build(accepted_closed: Path, root: Path) -> Path:
    """A copy of an accepted closed submission, with other results."""
    shutil.copytree(accepted_closed, root)
    submitter = root / "closed" / "Example"
    edit_json(submitter / "systems" / "example-board.json", system_type="datacenter")
    shutil.rmtree(submitter / "results")
    for model, scenarios in RESULTS.items():
        (submitter / "src" / model).mkdir(parents=True)
        (submitter / "src" / model / "README.md").write_text("placeholder\n")
        for scenario in scenarios:
            result(submitter / "results" / "example-board" / model / scenario, model, scenario)
    shutil.rmtree(submitter / "src" / "bert-99", ignore_errors=True)
    return root


def result(folder: Path, model: str, scenario: str) -> None:
    rules = rounds.load(ROUND)
    benchmark = rules.models[model]
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("how it was measured\n")
    fields = dict.fromkeys(rules.measurement_fields, "x")
    write_json(folder / "measurements.json", fields)
    (folder / "config.yaml").write_text(
        f"type: {TYPES[scenario]}\nversion: '1.0'\nsettings:\n  runtime:\n    min_duration_ms: 600000\n"
        f"    dataloader_random_seed: {rules.seeds.sample_index_rng_seed}\n"
        f"    scheduler_random_seed: {rules.seeds.schedule_rng_seed}\n"
        "  load_pattern: {type: poisson, target_qps: 10}\n"
    )
    percentiles = {"50.0": 2e8, "90": 4e8, "99.0": 9e8, "99.9": 9.5e8}
    small = {"50.0": 1e6, "99": 1.2e7}
    summary = {
        "n_samples_issued": 7200,
        "n_samples_completed": 7200,
        "n_samples_failed": 0,
        "duration_ns": 720_000_000_000,
        "qps": 10.0,
        "tps": 12500.5,
        "latency": {"min": 1e8, "avg": 2.5e8, "max": 1e9, "early_stopping_percentiles": percentiles},
        "ttft": {"avg": 1e8, "early_stopping_percentiles": {"99.0": 4e8}},
        "tpot": {"avg": 1e6, "early_stopping_percentiles": small},
        "output_sequence_lengths": {"min": 10, "max": 3000, "avg": 1250.0},
    }
    write_json(folder / "performance" / "result_summary.json", summary)
    samples = benchmark.samples_for(scenario)
    parts = [samples // 2, samples - samples // 2] if model.startswith("gpt") else [samples]
    scores = [{"dataset_type": "accuracy", "total_samples": part, "score": SCORES[model]} for part in parts]
    scores.append({"dataset_type": "performance", "total_samples": 7200})
    write_json(folder / "accuracy" / "accuracy_results.json", {"accuracy_scores": scores})
    for name, files in benchmark.accuracy_files.items():
        (folder / "accuracy" / name).mkdir()
        for file in (*files, "captions"):
            (folder / "accuracy" / name / f"{file}.mp4").write_bytes(b"x")
    for audit in AUDITS.get(model, ()):
        write_json(folder / "audit" / f"audit_{audit}.json", {"test": audit, "passed": True})


def change(path: Path, *keys: Any, value: Any = None) -> None:
    """Set what lies below `keys` of a JSON file; None removes it."""
    write_json(path, changed(path, keys, value))
