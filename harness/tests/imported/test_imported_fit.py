"""Models of users for known workloads: their signature is compared before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imported_models as models
import pytest
from onnx import TensorProto, helper

from loadfleet import catalogue
from loadfleet.errors import InputError
from loadfleet.imported import fit, signature

if TYPE_CHECKING:
    from pathlib import Path

BERT = catalogue.get("workload", "bert").data
THEIRS = ["input_ids", "attention_mask", "token_type_ids", "start_logits", "end_logits"]
OURS = ["input_ids", "input_mask", "segment_ids", "output_start_logits", "output_end_logits"]


def check(path: Path) -> fit.Fit:
    return fit.check("my model", signature.read(path), BERT)


@pytest.mark.parametrize("names", [OURS, THEIRS, ["ids", *THEIRS[1:]]], ids=["ours", "usual", "one odd name"])
def test_names_find_each_other(tmp_path: Path, names: list[str]) -> None:
    found = check(models.reader(tmp_path / "m.onnx", names))
    assert list(found.inputs) == OURS[:3]
    assert list(found.inputs.values()) == names[:3]
    assert list(found.outputs.values()) == names[3:]
    assert (found.dynamic_shape, found.max_batch) == (True, None)


def test_a_fixed_size_must_be_the_longest_samples(tmp_path: Path) -> None:
    found = check(models.reader(tmp_path / "a.onnx", OURS, [1, 384]))
    assert (found.dynamic_shape, found.max_batch) == (False, 1)
    with pytest.raises(InputError, match="a size of input_ids is 128, not any size or 384"):
        check(models.reader(tmp_path / "b.onnx", OURS, ["batch", 128]))
    with pytest.raises(InputError, match="a size of input_ids is 8, not any number or 1"):
        check(models.reader(tmp_path / "c.onnx", OURS, [8, 384]))


def test_every_difference_is_told_with_both_signatures(tmp_path: Path) -> None:
    path = models.reader(tmp_path / "m.onnx", ["x", "y", "segment_ids", "p", "q"], kind=TensorProto.INT32)
    with pytest.raises(InputError) as refused:
        check(path)
    text = str(refused.value)
    for words in (
        "my model does not fit the workload bert",
        "it has no input input_ids",
        "nothing is given for the input x int32 [batch, width]",
        "segment_ids is int32, not int64",
        "it has no output output_end_logits",
        "the model: x int32 [batch, width], y int32",
        "bert: input_ids int64 [batch, width]",
        "or set benchmark_workload: onnx",
    ):
        assert words in text
    with pytest.raises(InputError, match="pixels float32"):
        check(models.classifier(tmp_path / "c.onnx", ["N", 3, 224, 224]))


def pictures(path: Path, output: str, kind: int, shape: models.Shape, more: str = "") -> fit.Fit:
    """A graph from pictures to one output, or to two of the same kind."""
    nodes = [helper.make_node("Cast", ["x"], [name], to=kind) for name in (output, more) if name]
    outputs = [models.port(name, shape, kind) for name in (output, more) if name]
    models.save(path, nodes, [models.port("x", ["n", 3, 224, 224])], outputs)
    return fit.check("my model", signature.read(path), catalogue.get("workload", "resnet50").data)


def test_one_of_several_outputs_is_enough_where_it_can_be_told(tmp_path: Path) -> None:
    floats, whole = TensorProto.FLOAT, TensorProto.INT64
    assert pictures(tmp_path / "a.onnx", "logits", floats, ["n", 1000]).outputs == {"scores": "logits"}
    assert pictures(tmp_path / "b.onnx", "y", floats, ["n", 1001]).outputs == {"scores": "y"}
    assert pictures(tmp_path / "c.onnx", "label", whole, ["n"]).outputs == {"label": "label"}
    with pytest.raises(
        InputError, match=r"its output may be label \(class\) or label_after_background \(class\): rename it"
    ):
        pictures(tmp_path / "d.onnx", "class", whole, ["n"])
    with pytest.raises(InputError, match=r"its output may be scores \(a\) or scores \(b\)"):
        pictures(tmp_path / "e.onnx", "a", floats, ["n", 1000], "b")
    with pytest.raises(InputError, match="it has none of the outputs label, label_after_background, scores"):
        pictures(tmp_path / "f.onnx", "logits", floats, ["n", 10])


@pytest.mark.parametrize("workload", [entry for entry in catalogue.entries("workload") if "inputs" in entry.data])
def test_the_shipped_models_have_the_signature_that_is_asked_of_others(workload: catalogue.Entry) -> None:
    own = [each.data for each in catalogue.entries("model") if each.data["workload"] == workload.name]
    assert own
    for model in own:
        assert set(model["inputs"]) == set(workload.data["inputs"])
        assert set(model["outputs"]) <= set(workload.data["outputs"])
