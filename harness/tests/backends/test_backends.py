"""Every backend: the right arrays by name, and clear words for a model that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from loadfleet import backends
from loadfleet.backends import ModelFile, Options
from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    shape = ["n", "m"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b", "c")]
    graph = helper.make_graph([helper.make_node("Sub", ["a", "b"], ["c"])], "minus", values[:2], values[2:])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return ModelFile(path, {"left": "a", "right": "b"}, {"difference": "c"})


def test_onnxruntime_maps_canonical_names(model: ModelFile) -> None:
    session = backends.load("onnxruntime").load(model, Options(threads=1))
    out = session.run({"right": np.ones((2, 3), np.float32), "left": np.full((2, 3), 5, np.float32)})
    assert set(out) == {"difference"}
    assert (out["difference"] == 4).all()
    assert session.describe()["threads"] == 1


def test_null_answers_in_the_shape_of_the_input(model: ModelFile) -> None:
    session = backends.load("null").load(model, Options())
    assert session.run({"left": np.ones((2, 3), np.int64)})["difference"].shape == (2, 3)


@pytest.mark.parametrize("name", ["onnxruntime", "null"])
def test_versions_name_what_can_change_a_number(name: str) -> None:
    assert all(backends.load(name).versions().values())


def test_a_wrong_signature_names_both(model: ModelFile) -> None:
    with pytest.raises(InputError, match=r"inputs \['a', 'b'\].*says \['a', 'x'\]"):
        backends.load("onnxruntime").load(ModelFile(model.path, {"left": "a", "right": "x"}, {}), Options())


def test_a_device_this_build_cannot_use(model: ModelFile) -> None:
    with pytest.raises(NotReadyError, match="no CUDAExecutionProvider"):
        backends.load("onnxruntime").load(model, Options(device="cuda"))
    with pytest.raises(InputError, match="device 'tpu'"):
        backends.load("onnxruntime").load(model, Options(device="tpu"))


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="cannot load"):
        backends.load("onnxruntime").load(ModelFile(path), Options())


def test_a_device_is_checked_without_a_model() -> None:
    backends.load("null").check_device("cpu")
    backends.load("onnxruntime").check_device("cpu")
    with pytest.raises(NotReadyError, match="no CUDAExecutionProvider"):
        backends.load("onnxruntime").check_device("cuda")
