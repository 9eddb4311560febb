"""Object detection from preparation to a checked submission: real Ansible, LoadGen, photos and detector."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from loadfleet import catalogue
from loadfleet.results import validate

if TYPE_CHECKING:
    from tests.e2e.conftest import Job, Site

pytestmark = pytest.mark.e2e
SCENARIOS = ["Offline", "Server", "SingleStream", "MultiStream"]


def test_all_scenarios_from_preparation_to_a_tree(first: Job, site: Site) -> None:
    """After another workload on the same host: environments are there, model and data set are not."""
    # Whether Server's bound holds is a measurement; a machine that has other work to do must not fail the test.
    settings = {"benchmark_scenarios": SCENARIOS, "benchmark_target_latency_ms": {"Server": 60_000}}
    job = site.play("retinanet", "-e", json.dumps(settings), benchmark_query_count=32)
    assert job.returncode == 0, job.output[-4000:]
    reference = catalogue.get("model", "ssd-mobilenetv2-openimages").data["accuracy"]["mAP"]
    for scenario in SCENARIOS:
        cells = job.folder / "localhost/retinanet" / scenario
        found = {mode: json.loads((cells / mode / "result.json").read_text()) for mode in ("accuracy", "performance")}
        for result in found.values():
            validate(result)
            assert result["round"] == "v5.1", "the newest round that has the benchmark"
        assert found["performance"]["metric"]["value"] > 0
        accuracy = found["accuracy"]["accuracy"]
        assert (accuracy["metric"], accuracy["samples"], accuracy["met"]) == ("mAP", 32, True)
        assert accuracy["value"] == pytest.approx(reference, abs=0.1)
        lines = (cells / "accuracy/accuracy.txt").read_text().splitlines()
        assert len(lines) == 13
        assert lines[0].startswith(" Average Precision  (AP)")
        assert lines[-1] == accuracy["line"] == f"mAP={accuracy['value']:.3f}%"
    tree = job.folder / "submission/tree/open/Loadfleet"
    assert json.loads((tree / "model_mapping.json").read_text()) == {"ssd-mobilenetv2-openimages": "retinanet"}
    check = json.loads((job.folder / "submission/mlperf_submission_1_summary.json").read_text())
    for result in check["results"]:
        assert result["official_name"] == "retinanet"
        assert result["accuracy"] == {"mAP": pytest.approx(reference, abs=0.1)}
    refused = {finding["rule"] for finding in check["findings"] if finding["check"] == "accuracy"}
    assert refused == {"accuracy is measured on all 24781 samples"}
