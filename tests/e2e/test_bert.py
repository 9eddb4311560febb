"""From a bare host to a checked submission: real Ansible, LoadGen, SQuAD and BERT."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import tarfile
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet import catalogue
from loadfleet.cell import standing
from loadfleet.fleet import Progress, RunRequest, run_playbook
from loadfleet.results import RunResults, validate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Job, Site

pytestmark = pytest.mark.e2e
MODEL_F1 = 76.248  # of the model card, over the whole development set


def result(folder: Path, cell: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / "localhost" / cell / "result.json").read_text())
    validate(value)
    return value


def test_the_default_run_measures_and_judges(first: Job) -> None:
    performance = result(first.folder, "bert/Offline/performance")
    assert performance["validity"]["loadgen"] == "VALID"
    assert performance["metric"]["unit"] == "Samples/s"
    assert performance["metric"]["value"] > 0
    assert performance["validity"]["submittable"] is False
    assert performance["loadgen"]["effective"]["effective_min_duration_ms"] == 20_000
    accuracy = result(first.folder, "bert/Offline/accuracy")["accuracy"]
    assert (accuracy["samples"], accuracy["total"], accuracy["met"]) == (1000, 10833, None)
    assert abs(accuracy["value"] - MODEL_F1) < 3, "a subset of a thousand is near the whole"
    card = catalogue.get("model", "minilm-squad").data["accuracy"]["f1"]
    assert accuracy["reference"] == card == pytest.approx(MODEL_F1, abs=0.01)


def test_every_log_comes_home_unedited(first: Job) -> None:
    for mode in ("accuracy", "performance"):
        folder = first.folder / "localhost/bert/Offline" / mode
        for name, known in result(first.folder, f"bert/Offline/{mode}")["files"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == known["sha256"], name
        assert (folder / "replay.sh").exists()
    assert (first.results / "latest").resolve() == first.folder.resolve()


def test_the_output_ends_with_the_table_and_the_paths(first: Job) -> None:
    for words in ("Offline", "Samples/s", "VALID", "1,000 samples were judged", "report.html", "submission"):
        assert words in first.output
    assert (first.folder / "report.html").stat().st_size > 5000


def test_a_test_run_makes_a_tree_that_says_why_it_is_refused(first: Job) -> None:
    folder = first.folder / "submission"
    tree = folder / "tree/open/Loadfleet"
    assert json.loads((tree / "model_mapping.json").read_text()) == {"minilm-squad": "bert-99"}
    (system,) = (tree / "systems").glob("*.json")
    fields = json.loads(system.read_text())
    assert len(fields) >= 35
    assert all(isinstance(value, str) for value in fields.values())
    summary = json.loads((folder / "mlperf_submission_1_summary.json").read_text())
    assert "600000" in json.dumps(summary)
    with tarfile.open(folder / "mlperf_submission_1.tar.gz") as archive:
        assert any(name.endswith("Offline/accuracy/accuracy.txt") for name in archive.getnames())
    for suffix in (".run", ".tstamps", ".md"):
        assert (folder / f"mlperf_submission_1{suffix}").stat().st_size > 0
    log = next(tree.glob("results/*/minilm-squad/Offline/accuracy/mlperf_log_accuracy.json"))
    assert log.stat().st_size <= 10_240


def test_a_second_run_changes_nothing_on_the_host(first: Job, site: Site) -> None:
    second = site.play("bert", benchmark_query_count=32)
    assert second.returncode == 0, second.output[-4000:]
    assert second.changed == 0, re.findall(r"TASK.*\n+changed.*", second.output)
    assert second.run_id != first.run_id
    assert first.folder.exists()


def test_the_same_run_id_adopts_and_measures_nothing_again(first: Job, site: Site) -> None:
    before = result(first.folder, "bert/Offline/performance")
    again = site.play("bert", benchmark_run_id=first.run_id)
    assert again.returncode == 0, again.output[-4000:]
    assert result(first.folder, "bert/Offline/performance") == before
    attempts = sorted(path.name for path in (first.folder / "submission").glob("mlperf_submission_*.tar.gz"))
    assert attempts == ["mlperf_submission_1.tar.gz"], "the same content is the same attempt"


def test_all_four_scenarios_run(first: Job, site: Site) -> None:
    scenarios = ["Offline", "Server", "SingleStream", "MultiStream"]
    # Whether Server's bound holds is a measurement; a machine that has other work to do must not fail the test.
    settings = {"benchmark_scenarios": scenarios, "benchmark_target_latency_ms": {"Server": 60_000}}
    job = site.play("run", "-e", json.dumps(settings), benchmark_query_count=70)
    assert job.returncode == 0, job.output[-4000:]
    for scenario in scenarios:
        number = result(job.folder, f"bert/{scenario}/performance")["metric"]
        assert number["value"] > 0
        accuracy = result(job.folder, f"bert/{scenario}/accuracy")["accuracy"]
        assert accuracy["samples"] == 70
        assert accuracy["value"] > 60


def test_a_compliance_test_runs_beside_what_it_is_compared_with(first: Job, site: Site) -> None:
    modes = json.dumps({"benchmark_modes": ["performance", "accuracy", "compliance"]})
    job = site.play("bert", "-e", modes, benchmark_query_count=400)
    assert job.returncode == 0, job.output[-4000:]
    test = result(job.folder, "bert/Offline/TEST01")
    assert test["loadgen"]["effective"]["effective_accuracy_log_sampling_target"] == 4096
    accuracy, performance = test["compliance"]["checks"]
    assert accuracy["passed"] is True, "onnxruntime answers alike whatever the batch"
    assert performance["passed"] is not False, "400 queries are too few to fail by their speed"
    folder = job.folder / "localhost/bert/Offline/TEST01"
    assert (folder / "verify_accuracy.txt").read_text().splitlines()[-1] == "TEST PASS"
    assert test["files"]["audit.config"]["sha256"] == hashlib.sha256((folder / "audit.config").read_bytes()).hexdigest()
    assert re.search(r"TEST01 (passed|not\s+judged)", job.output)
    record = json.loads((job.folder / "submission/generated.json").read_text())
    (left,) = [entry for entry in record["left_out"] if entry["cell"].endswith("TEST01")]
    assert left["reasons"] == ["the open division asks for no compliance test"]


def test_a_killed_controller_loses_nothing(first: Job, site: Site) -> None:
    run_id = "20260102T030405Z-bert-00dd"
    settings = {"benchmark_run_id": run_id, "benchmark_query_count": 300}
    process = subprocess.Popen(
        site.command("run", **settings), cwd=site.root, env=site.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    folder = site.store / "runs" / run_id
    deadline = time.monotonic() + 120
    while standing.read_status(folder).get("phase") != "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    job = site.play("run", **settings)
    assert job.returncode == 0, job.output[-4000:]
    events = [json.loads(line)["event"] for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert events.count("cell_started") == 2, "each cell ran once"
    assert result(job.results / run_id, "bert/Offline/performance")["exit_code"] == 0


def test_the_python_api_runs_watches_and_cancels(first: Job, site: Site) -> None:
    seen: list[str] = []
    cancel = threading.Event()

    def progress(step: Progress) -> None:
        if step.cell and "left" in step.text:
            seen.append(step.cell)
            cancel.set()

    outcome = run_playbook(
        RunRequest(
            playbook="run.yml",
            inventory="inventory",
            project_dir=site.root,
            results_path=site.path / "results",
            extra_vars={
                "store_path": str(site.store),
                "benchmark_modes": ["performance"],
                "benchmark_scenarios": ["SingleStream"],
            },
            on_progress=progress,
            cancel=cancel,
        )
    )
    assert (outcome.status, outcome.exit_code) == ("canceled", 4)
    assert seen
    assert outcome.run_id
    status = standing.read_status(site.store / "runs" / outcome.run_id)
    assert status["phase"] == "stopped", "the agent on the host was stopped too"


def test_results_can_be_read_back(first: Job) -> None:
    run = RunResults.load(first.folder)
    assert {(host.name, outcome.cell) for host in run.hosts for outcome in host.cells} == {
        ("localhost", "bert/Offline/accuracy"),
        ("localhost", "bert/Offline/performance"),
    }
