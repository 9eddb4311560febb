"""Image classification from preparation to a checked submission, and a family of models in one table."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from loadfleet import catalogue
from loadfleet.results import validate

if TYPE_CHECKING:
    from tests.e2e.conftest import Job, Site

pytestmark = pytest.mark.e2e
SCENARIOS = ["Offline", "Server", "SingleStream", "MultiStream"]
FAMILY = ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]


def known(model: str) -> float:
    """Top-1 accuracy on the embedded photos, of the model's entry."""
    return float(catalogue.get("model", model).data["accuracy_on"][f"photos-30-{model}"]["acc"])


def test_all_scenarios_from_preparation_to_a_tree(first: Job, site: Site) -> None:
    # Whether Server's bound holds is a measurement; a machine that has other work to do must not fail the test.
    settings = {"benchmark_scenarios": SCENARIOS, "benchmark_target_latency_ms": {"Server": 60_000}}
    job = site.play("resnet50", "-e", json.dumps(settings), benchmark_query_count=32)
    assert job.returncode == 0, job.output[-4000:]
    for scenario in SCENARIOS:
        cells = job.folder / "localhost/resnet50" / scenario
        found = {mode: json.loads((cells / mode / "result.json").read_text()) for mode in ("accuracy", "performance")}
        for result in found.values():
            validate(result)
            assert any("has 30 samples, the round's has 50,000" in text for text in result["validity"]["reasons"])
        assert found["performance"]["metric"]["value"] > 0
        accuracy = found["accuracy"]["accuracy"]
        assert (accuracy["metric"], accuracy["samples"], accuracy["met"]) == ("acc", 30, True)
        assert accuracy["value"] == pytest.approx(known("efficientnet-lite0"), abs=0.1)
        assert (cells / "accuracy/accuracy.txt").read_text() == "accuracy=93.333%, good=28, total=30\n"
    tree = job.folder / "submission/tree/open/Loadfleet"
    assert json.loads((tree / "model_mapping.json").read_text()) == {"efficientnet-lite0": "resnet"}
    check = json.loads((job.folder / "submission/mlperf_submission_1_summary.json").read_text())
    assert {result["official_name"] for result in check["results"]} == {"resnet"}
    refused = {finding["rule"] for finding in check["findings"] if finding["check"] == "accuracy"}
    assert refused == {"accuracy is measured on all 50000 samples"}


def test_a_family_is_one_run_and_one_table(first: Job, site: Site) -> None:
    job = site.play("mobilenets", benchmark_query_count=32)
    assert job.returncode == 0, job.output[-4000:]
    for model in FAMILY:
        cells = job.folder / "localhost" / model / "Offline"
        accuracy = json.loads((cells / "accuracy/result.json").read_text())
        assert accuracy["model"]["name"] == model
        assert accuracy["dataset"]["name"] == f"photos-30-{model}"
        assert accuracy["accuracy"]["value"] == pytest.approx(known(model), abs=0.1)
        assert re.search(rf"^localhost +{model} +Offline", job.output, re.MULTILINE)
    tree = job.folder / "submission/tree/open/Loadfleet"
    assert re.search(r"^Host +Model +Scenario", job.output, re.MULTILINE)
    assert json.loads((tree / "model_mapping.json").read_text()) == dict.fromkeys(FAMILY, "resnet")
