"""Quantised models: built from a model of the catalogue, near it in what they answer, the same in every build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from loadfleet import backends, catalogue
from loadfleet.backends import ModelFile, Options
from loadfleet.errors import InputError
from loadfleet.quantisation import dynamic, source, static
from loadfleet.quantisation.ranges import Range, measure

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(3)


def network() -> onnx.ModelProto:
    """A convolution, two products with weights and one without: float32 [n, 3, 8, 8] to [n, 5]."""
    weights = {
        "kernel": RANDOM.normal(size=(4, 3, 3, 3)),
        "matrix": RANDOM.normal(size=(4 * 36, 16)),
        "last": RANDOM.normal(size=(5, 16)),
        "shape": np.array([0, -1]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["convolved"], name="conv"),
        helper.make_node("Relu", ["convolved"], ["positive"], name="relu"),
        helper.make_node("Reshape", ["positive", "shape"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "matrix"], ["inner"], name="product"),
        helper.make_node("Gemm", ["inner", "last"], ["y"], name="gemm", transB=1),
    ]
    constants = [
        numpy_helper.from_array(value.astype(np.int64 if name == "shape" else np.float32), name)
        for name, value in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module")
def fp32() -> onnx.ModelProto:
    return network()


@pytest.fixture(scope="module")
def samples() -> list[dict[str, np.ndarray]]:
    return [{"x": RANDOM.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(20)]


@pytest.fixture(scope="module")
def quantised(fp32: onnx.ModelProto, samples: list[dict[str, np.ndarray]]) -> onnx.ModelProto:
    chosen = static.products(fp32)
    found = measure(fp32, [node.input[0] for node in chosen], samples)
    clips = {name: (each.largest, each.negative) for name, each in found.items()}
    return static.rewrite(fp32, {node.output[0] for node in chosen}, clips)


def answers(name: str, path: Path, model: onnx.ModelProto, samples: list[dict[str, np.ndarray]]) -> np.ndarray:
    onnx.save(model, path)
    session = backends.load(name).load(ModelFile(path, {"x": "x"}, {"y": "y"}), Options())
    return np.concatenate([session.run(sample)["y"] for sample in samples])


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_static_model_answers_nearly_the_same(name: str, fp32, quantised, samples, tmp_path: Path) -> None:
    wanted = answers(name, tmp_path / "fp32.onnx", fp32, samples)
    got = answers(name, tmp_path / "int8.onnx", quantised, samples)
    error = float(np.abs(got - wanted).mean() / np.abs(wanted).mean())
    assert 0 < error < 0.03


def test_openvino_computes_the_products_in_int8(quantised: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(quantised, tmp_path / "int8.onnx")
    session = backends.load("openvino").load(ModelFile(tmp_path / "int8.onnx", {"x": "x"}, {"y": "y"}), Options())
    products = session.describe()["products"]
    assert products.get("i8", 0) + products.get("u8", 0) >= 2, products


def test_onnxruntime_says_how_many_operators_are_integer(quantised: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(quantised, tmp_path / "int8.onnx")
    file = ModelFile(tmp_path / "int8.onnx", {"x": "x"}, {"y": "y"})
    assert (
        backends.load("onnxruntime").load(file, Options(cache=tmp_path / "kept")).describe()["integer_operators"] >= 2
    )


def test_activations_without_negative_values_use_all_of_uint8(quantised: onnx.ModelProto) -> None:
    zeros = {each.name: each.data_type for each in quantised.graph.initializer if each.name.endswith(".zero")}
    assert zeros["flat.zero"] == TensorProto.UINT8
    assert zeros["x.zero"] == TensorProto.INT8
    assert all(not numpy_helper.to_array(each).any() for each in quantised.graph.initializer if each.name in zeros)


def test_weights_have_a_scale_for_each_output_channel(fp32: onnx.ModelProto, quantised: onnx.ModelProto) -> None:
    scales = {each.name: list(each.dims) for each in quantised.graph.initializer if each.name.endswith(".scale")}
    assert (scales["kernel.scale"], scales["matrix.scale"], scales["last.scale"]) == ([4], [16], [5])
    axes = {node.name: node.attribute[0].i for node in quantised.graph.node if node.input[0] == "matrix.quantised"}
    assert axes == {"matrix.dequantised": 1}
    values = {each.name: numpy_helper.to_array(each) for each in quantised.graph.initializer}
    kernel = next(numpy_helper.to_array(each) for each in fp32.graph.initializer if each.name == "kernel")
    back = values["kernel.quantised"] * values["kernel.scale"][:, None, None, None]
    assert np.abs(back - kernel).max() <= values["kernel.scale"].max() / 2 + 1e-6


def test_what_is_kept_stays_as_it_is(fp32: onnx.ModelProto) -> None:
    assert [node.name for node in static.products(fp32, ("conv", "ge"))] == ["product"]


def test_a_range_grows_without_losing_counts() -> None:
    found = Range()
    for values in (np.array([0.5, -1.0]), np.zeros(3), np.full(1000, 7.0)):
        found.add(values.astype(np.float32))
    assert found.negative
    assert found.largest == 7
    assert found.levels == 127
    assert found.clip() == pytest.approx(7, rel=0.01)


def test_the_clip_gives_up_what_is_rare() -> None:
    found = Range()
    found.add(np.concatenate([RANDOM.normal(size=100_000), [60.0]]).astype(np.float32))
    assert found.clip() < 50
    assert Range().clip() == 1


def test_calibration_lists_are_read_and_wrong_ones_refused(tmp_path: Path) -> None:
    class Data:
        count = 10

    path = tmp_path / "list.txt"
    path.write_text("# a comment\n3\n\n9 # the last\n0\n")
    assert source.indices(path, Data()) == [3, 9, 0]  # type: ignore[arg-type]
    for text, words in (("10\n", "line 1: '10' is no sample index"), ("-1", "'-1'"), ("# none\n", "names no sample")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            source.indices(path, Data())  # type: ignore[arg-type]


def test_a_parameter_that_names_nothing_required(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model is 'other/model.onnx', not a file of a required entry \(minilm\)"):
        static.build({"minilm": tmp_path}, tmp_path, {"model": "other/model.onnx"})


DERIVED = [
    entry for entry in catalogue.entries("model") if "derived" in entry.data and "build" in entry.data["artifact"]
]


@pytest.mark.parametrize("entry", DERIVED, ids=lambda entry: entry.name)
def test_derived_models_are_built_from_the_one_they_name(entry: Any) -> None:
    build, origin = entry.data["artifact"]["build"], catalogue.get("model", entry.data["derived"]["from"])
    assert {"kind": "model", "name": origin.name} in build["requires"] or origin.data["precision"] == entry.data[
        "precision"
    ]
    assert origin.data["precision"] == "fp32"
    assert (origin.data["workload"], origin.data["outputs"]) == (entry.data["workload"], entry.data["outputs"])
    metric = catalogue.get("workload", entry.data["workload"]).data["metric"]
    assert entry.data["accuracy"][metric] >= 0.99 * origin.data["accuracy"][metric]
    assert entry.data["accuracy"]["samples"] == origin.data["accuracy"]["samples"]


def test_the_dynamic_build_repeats_itself(fp32: onnx.ModelProto, tmp_path: Path) -> None:
    origin = tmp_path / "toy"
    origin.mkdir()
    onnx.save(fp32, origin / "model.onnx")
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        dynamic.build({"toy": origin}, tmp_path / name, {"model": "toy/model.onnx"})
        made.append((tmp_path / name / "model.onnx").read_bytes())
    assert made[0] == made[1]
    assert any(node.op_type == "MatMulInteger" for node in onnx.load_from_string(made[0]).graph.node)
