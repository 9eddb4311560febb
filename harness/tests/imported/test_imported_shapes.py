"""Signatures as they are read, and the inputs that follow from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imported_models as models
import onnx
import pytest
from onnx import TensorProto, helper

from loadfleet.errors import InputError
from loadfleet.imported import shapes, signature

if TYPE_CHECKING:
    from pathlib import Path


def made(path: Path, **given: list[int]) -> shapes.Inputs:
    return shapes.settle(signature.read(path), given)


def test_token_ids_lie_below_the_rows_of_the_table_that_they_look_up(tmp_path: Path) -> None:
    inputs = made(models.encoder(tmp_path / "m.onnx"))
    assert (inputs.batch, inputs.joined) == (0, True)
    assert [each.as_data() for each in inputs.made] == [
        {"name": "input_ids", "type": "int64", "shape": [128], "fill": "below", "bound": 100},
        {"name": "attention_mask", "type": "int64", "shape": [128], "fill": "ones"},
        {"name": "token_type_ids", "type": "int64", "shape": [128], "fill": "zeros"},
    ]


def test_ids_are_followed_through_fused_embeddings_and_quantised_tables(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["table"]),
        helper.make_node("Unsqueeze", ["a", "axes"], ["a1"]),
        helper.make_node("Gather", ["table", "a1"], ["x"]),
        helper.make_node("EmbedLayerNormalization", ["b", "", "words"], ["y"], domain="com.microsoft"),
    ]
    stored = [
        helper.make_tensor("q", TensorProto.INT8, [50, 4], [0] * 200),
        helper.make_tensor("scale", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        models.weights("words", 30, 4),
    ]
    inputs = [models.port(name, ["n", "s"], TensorProto.INT32) for name in ("a", "b")]
    path = models.save(tmp_path / "m.onnx", nodes, inputs, [models.port("y", ["n", "s", 4])], stored)
    assert signature.read(path).bounds == {"a": 50, "b": 30}


@pytest.mark.parametrize(
    ("shape", "batch", "sample"),
    [
        (["N", 3, "h", "w"], 0, (3, 224, 224)),
        (["N", 3, None, None], 0, (3, 224, 224)),
        ([1, 3, 64, 64], 1, (3, 64, 64)),
        ([4, 3, 64, 64], 4, (3, 64, 64)),
    ],
)
def test_sizes_of_images(tmp_path: Path, shape: models.Shape, batch: int, sample: tuple[int, ...]) -> None:
    inputs = made(models.classifier(tmp_path / "m.onnx", shape, batch or "N"))
    assert (inputs.batch, inputs.joined) == (batch, True)
    assert (inputs.made[0].shape, inputs.made[0].fill) == (sample, "random")


def test_a_users_shape_settles_what_is_open_and_no_more(tmp_path: Path) -> None:
    path = models.classifier(tmp_path / "m.onnx", ["N", 3, "rows", "columns"])
    assert made(path, pixels=[1, 3, 32, 48]).made[0].shape == (3, 32, 48)
    assert made(path, pixels=[1, 3, 32, 48]).batch == 0, "a leading 1 says the shape of a sample"
    assert made(path, pixels=[6, 3, 32, 48]).batch == 6
    with pytest.raises(
        InputError, match=r"gives \[1, 4, 32, 48\] for the input pixels float32 \[N, 3, rows, columns\]"
    ):
        made(path, pixels=[1, 4, 32, 48])
    with pytest.raises(InputError, match="gives"):
        made(path, pixels=[3, 32, 48])
    with pytest.raises(InputError, match="names 'pixel'; the model's inputs are pixels"):
        made(path, pixel=[1, 3, 32, 48])


def test_one_symbol_is_one_size_in_all_inputs(tmp_path: Path) -> None:
    path = models.encoder(tmp_path / "m.onnx")
    assert {each.shape for each in made(path, input_ids=[1, 77]).made} == {(77,)}
    assert made(path, input_ids=[5, 77]).batch == 5
    with pytest.raises(InputError, match="makes the size 'seq' both 77 and 78"):
        made(path, input_ids=[1, 77], attention_mask=[1, 78])


def test_an_unknown_size_is_refused_with_what_to_write(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = models.save(tmp_path / "m.onnx", nodes, [models.port("x", ["N", "k", 5])], [models.port("y", ["N", "k", 5])])
    with pytest.raises(InputError) as refused:
        made(path)
    assert "the size 'k' of the input x float32 [N, k, 5] is not known" in str(refused.value)
    assert 'set benchmark_input_shapes: {"x": [1, 128, 5]}' in refused.value.fix
    assert made(path, x=[1, 9, 5]).made[0].shape == (9, 5)


def test_where_nothing_is_the_batch_a_call_is_a_sample(tmp_path: Path) -> None:
    inputs = made(models.unusual(tmp_path / "m.onnx"))
    assert (inputs.batch, inputs.joined) == (1, False)
    assert {each.name: each.shape for each in inputs.made} == {"frame": (1, 16), "state": (2, 1, 16), "rate": ()}


def test_texts_cannot_be_made(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    shapes_ = [models.port(name, ["N"], TensorProto.STRING) for name in ("x", "y")]
    path = models.save(tmp_path / "m.onnx", nodes, shapes_[:1], shapes_[1:])
    with pytest.raises(InputError, match="the input x is a string; only tensors of numbers can be made"):
        made(path)


@pytest.mark.parametrize("content", [b"", b"no model at all, but words", onnx.ModelProto().SerializeToString()])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not an ONNX model"):
        signature.read(path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        signature.read(tmp_path / "none.onnx")
