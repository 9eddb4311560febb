"""Any ONNX model: from a file to the table."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from loadfleet.results import validate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Job, Site

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution over pixels of any number and size."""
    stored = [
        numpy_helper.from_array(np.random.default_rng(1).standard_normal(shape).astype(np.float32), name)
        for name, shape in (("w", (8, 3, 3, 3)), ("fc", (8, 10)))
    ]
    nodes = [
        helper.make_node("Conv", ["pixels", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["scores"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, "rows", "columns"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "g", [pixels], [scores], stored)
    path = tmp_path_factory.mktemp("models") / "scores.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_a_model_of_ones_own_is_measured_and_nothing_is_claimed(first: Job, site: Site, model: Path) -> None:
    settings = {
        "benchmark_model_path": str(model),
        "benchmark_input_shapes": {"pixels": [1, 3, 48, 64]},
        "benchmark_scenarios": ["Offline", "SingleStream"],
        "benchmark_query_count": 70,
    }
    job = site.play("onnx", "-e", json.dumps(settings))
    assert job.returncode == 0, job.output[-4000:]
    run_id = re.findall(r"\d{8}T\d{6}Z-onnx-[0-9a-f]{4}", job.output)[0]
    for scenario in settings["benchmark_scenarios"]:
        cell = job.results / run_id / "localhost/onnx" / scenario / "performance/result.json"
        result: dict[str, Any] = json.loads(cell.read_text())
        validate(result)
        assert result["metric"]["value"] > 0
        assert (result["accuracy"], result["accuracy_claimed"]) == (None, False)
        assert result["model"]["name"] == "scores"
        assert (
            "the workload onnx is none of MLPerf's benchmarks and claims no accuracy" in result["validity"]["reasons"]
        )
    assert job.output.count("no accuracy") >= 2
    assert re.search(r"Versions: onnxruntime \S+, LoadGen \S+", job.output)
    assert not (job.results / run_id / "submission").exists()

    refused = site.play("onnx", "-e", json.dumps({**settings, "benchmark_modes": ["accuracy"]}))
    assert refused.returncode != 0
    assert "benchmark_modes is accuracy, and the workload onnx claims no accuracy" in " ".join(refused.output.split())
    assert "Prepare hosts" not in refused.output, "nothing is touched"
