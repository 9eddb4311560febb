"""The embedded model: its digest, its graph, and that it answers as recorded."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import save_file
from workload_helpers import EMBEDDED

from loadfleet import catalogue, files
from loadfleet.errors import InputError
from loadfleet.workloads.bert import Bert, model
from loadfleet.workloads.bert.dataset import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "minilm-squad-int8.safetensors"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model.build({}, folder, {"weights": WEIGHTS})
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def session(built):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.optimized_model_filepath = str(built.with_name("optimised.onnx"))
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(built), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def responses(session, dataset) -> np.ndarray:
    """float32 [N, 384, 2], from batches of similar length."""
    found = np.zeros((dataset.count, 384, 2), np.float32)
    order = np.argsort(dataset.lengths, kind="stable")
    for begin in range(0, len(order), 8):
        indices = order[begin : begin + 8]
        outputs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), dataset.batch(indices)), strict=True))
        found[indices] = dataset.respond(indices, outputs)
    return found


def test_the_digest_is_the_one_in_the_catalogue(built):
    (declared,) = catalogue.get("model", "minilm-squad").data["artifact"]["files"]
    assert built.name == declared["name"]
    assert files.sha256(built) == declared["sha256"]
    assert built.stat().st_size == declared["size"]


def test_the_graph_is_valid_and_has_the_names_of_the_catalogue(built):
    graph = onnx.load(built).graph
    onnx.checker.check_model(str(built), full_check=True)
    entry = catalogue.get("model", "minilm-squad").data
    assert [value.name for value in graph.input] == [entry["inputs"][name] for name in INPUTS]
    assert [value.name for value in graph.output] == [entry["outputs"][name] for name in OUTPUTS]
    for value in (*graph.input, *graph.output):
        assert [dimension.dim_param for dimension in value.type.tensor_type.shape.dim] == ["batch", "sequence"]


@pytest.mark.usefixtures("session")
def test_onnxruntime_fuses_attention_and_gelu_of_every_layer(built):
    optimised = onnx.load(built.with_name("optimised.onnx"), load_external_data=False)
    operators = collections.Counter(node.op_type for node in optimised.graph.node)
    assert operators["Attention"] == operators["BiasGelu"] == 6
    assert operators["LayerNormalization"] == 13
    assert operators["SkipLayerNormalization"] == operators["Softmax"] == operators["Erf"] == 0


def test_logits_are_as_recorded(responses, dataset, expected):
    for sample, (_, length, start, start_logit, end, end_logit) in enumerate(expected["features"]):
        logits = responses[sample, :length]
        assert length == dataset.lengths[sample]
        assert logits[[start, end], [0, 1]] == pytest.approx([start_logit, end_logit], abs=5e-3)
        assert logits.max(axis=0) == pytest.approx([start_logit, end_logit], abs=5e-3)


def test_accuracy_is_as_recorded(responses, prepared, write_log, expected):
    log = write_log((sample, row.tobytes()) for sample, row in enumerate(responses))
    accuracy = Bert().accuracy(prepared, log)
    one = 100 / 176 + 1e-9  # other CPUs round differently: one question may tip over
    assert accuracy.values["f1"] == pytest.approx(expected["model"]["f1"], abs=one)
    assert accuracy.values["exact_match"] == pytest.approx(expected["model"]["exact_match"], abs=one)


def test_padding_does_not_change_the_answer(session, dataset):
    index = np.array([int(dataset.lengths.argmin())])
    length = int(dataset.lengths[index[0]])
    exact = session.run(list(OUTPUTS), dataset.batch(index))
    padded = session.run(list(OUTPUTS), dataset.batch(index, 384))
    for one, other in zip(exact, padded, strict=True):
        assert other[:, :length] == pytest.approx(one, abs=1e-3)


def test_the_weights_say_where_they_come_from():
    card = (EMBEDDED / "minilm-squad-int8.md").read_text(encoding="utf-8")
    assert files.sha256(EMBEDDED / WEIGHTS) in card
    accuracy = catalogue.get("model", "minilm-squad").data["accuracy"]
    assert f"{accuracy['f1']:.4f}" in card
    assert f"{accuracy['exact_match']:.4f}" in card
    assert (EMBEDDED / WEIGHTS).stat().st_size < 24_000_000


@pytest.mark.parametrize("name", ["", "nothing.safetensors", "../errors.py"])
def test_weights_that_are_not_embedded_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="no embedded file"):
        model.build({}, tmp_path, {"weights": name})
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_required_entry_may_hold_the_weights(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"x\.safetensors: these are no weights"):
        model.build({"weights": tmp_path}, tmp_path, {"weights": "weights/x.safetensors"})


def test_weights_of_another_shape_are_refused(tmp_path):
    sizes = {"layers": 1, "hidden": 4, "heads": 2, "feed_forward": 8, "positions": 8, "vocabulary": 8, "epsilon": 1e-12}
    tensors = {"qa.weight": np.zeros((3, 4), np.float32)}
    save_file(tensors, tmp_path / "w.safetensors", {"loadfleet": json.dumps({"architecture": sizes})})
    with pytest.raises(InputError, match=r"missing, unknown or of a wrong shape: layers\.0"):
        model.read_weights(tmp_path / "w.safetensors")
