"""Every backend: the right arrays by name, and clear words for a model that does not fit."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from loadfleet import backends, catalogue
from loadfleet.backends import ModelFile, Options, capabilities
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


def _installed(name: str) -> bool:
    try:
        backends.load(name)
    except NotReadyError:
        return False
    return True


# Everything that computes and is installed here: adding a backend to the catalogue adds it here.
REAL = [entry.name for entry in catalogue.entries("backend") if entry.data["requirements"] and _installed(entry.name)]
COMPUTED = [(name, precision) for name in REAL for precision in backends.load(name).precisions()]
# Those that keep what they made of a model.
KEEPING = [name for name in REAL if "onnx" in catalogue.get("backend", name).data["formats"]]
SUBTRACTION = """
from torch import nn

class Subtraction(nn.Module):
    def forward(self, a, b):
        return {"c": a - b}

def load(path):
    from loadfleet.errors import InputError
    if not path.read_bytes().startswith(b"minus"):
        raise InputError("these are no weights")
    return Subtraction()
"""


@pytest.fixture
def models(model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ModelFile]:
    """The same subtraction for every backend."""
    (tmp_path / "subtraction.py").write_text(SUBTRACTION)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "subtraction", raising=False)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"minus")
    formats = {"onnx": model, "safetensors": replace(model, path=weights, module="subtraction:load")}
    return {name: formats[catalogue.get("backend", name).data["formats"][0]] for name in REAL}


def test_both_backends_of_the_shipped_environment_are_here() -> None:
    assert {"onnxruntime", "openvino"} <= set(REAL)


@pytest.mark.parametrize(("name", "precision"), COMPUTED)
def test_every_precision_computes_as_precisely_as_it_says(
    name: str, precision: str, models: dict[str, ModelFile]
) -> None:
    session = backends.load(name).load(models[name], Options(threads=1, precision=precision))
    left = np.random.default_rng(1).normal(size=(3, 50)).astype(np.float32)
    error = float(np.abs(session.run({"left": left, "right": np.zeros_like(left)})["difference"] - left).max())
    assert error <= {"fp32": 0, "bf16": 2**-8}[precision] * float(np.abs(left).max())


@pytest.mark.parametrize("name", REAL)
def test_names_are_the_canonical_ones(name: str, models: dict[str, ModelFile]) -> None:
    session = backends.load(name).load(models[name], Options(threads=1))
    out = session.run({"right": np.ones((2, 3), np.float32), "left": np.full((2, 3), 5, np.float32)})
    assert set(out) == {"difference"}
    assert (out["difference"] == 4).all()
    assert session.describe()["threads"] == 1


def test_null_answers_in_the_shape_of_the_input(model: ModelFile) -> None:
    session = backends.load("null").load(model, Options())
    assert session.run({"left": np.ones((2, 3), np.int64)})["difference"].shape == (2, 3)


def test_null_answers_in_the_shapes_that_the_workload_declares(model: ModelFile) -> None:
    shapes = {
        "label": {"type": "int64", "shape": ["batch"]},
        "logits": {"type": "float32", "shape": ["batch", "width"]},
        "boxes": {"type": "float32", "shape": ["detections", 4]},
    }
    session = backends.load("null").load(ModelFile(model.path, {}, {}, shapes), Options())
    outputs = session.run({"x": np.ones((3, 5), np.float32)})
    assert {name: (array.dtype.name, array.shape) for name, array in outputs.items()} == {
        "label": ("int64", (3,)),
        "logits": ("float32", (3, 5)),
        "boxes": ("float32", (0, 4)),
    }


@pytest.mark.parametrize("name", REAL)
def test_shapes_may_change_from_call_to_call(name: str, models: dict[str, ModelFile]) -> None:
    session = backends.load(name).load(models[name], Options(threads=1))
    for shape in ((1, 1), (4, 7), (2, 3), (4, 7)):
        left = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        kept = session.run({"left": left, "right": left / 2})["difference"]
        session.run({"left": left * 0, "right": left})
        assert (kept == left / 2).all(), "an answer stays what it was when the next one is computed"


@pytest.mark.parametrize("name", REAL)
def test_fp32_is_fp32(name: str, models: dict[str, ModelFile]) -> None:
    session = backends.load(name).load(models[name], Options(threads=1))
    left = np.full((2, 3), 1 + 2**-20, np.float32)  # what bf16 would round to 1
    assert (session.run({"left": left, "right": np.zeros_like(left)})["difference"] == left).all()


def test_bf16_is_refused_where_the_processor_lacks_it(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    from loadfleet.backends import openvino  # noqa: PLC0415

    backend = openvino.OpenVino()
    if "BF16" in openvino.ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert backend.load(model, Options(precision="bf16")).describe()["compute_precision"] == "bf16"
    monkeypatch.setattr(openvino.ov.Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(NotReadyError, match=r"benchmark_precision is bf16, .* \(fp32\)"):
        backend.load(model, Options(precision="bf16"))


@pytest.mark.parametrize("name", [*REAL, "null"])
def test_versions_name_what_can_change_a_number(name: str) -> None:
    assert all(backends.load(name).versions().values())


@pytest.mark.parametrize("name", REAL)
def test_a_wrong_signature_names_both(name: str, models: dict[str, ModelFile]) -> None:
    with pytest.raises(InputError, match=r"inputs \['a', 'b'\].*says \['a', 'x'\]"):
        backends.load(name).load(replace(models[name], inputs={"left": "a", "right": "x"}, outputs={}), Options())


def test_a_device_this_build_cannot_use(model: ModelFile) -> None:
    with pytest.raises(NotReadyError, match="no CUDAExecutionProvider"):
        backends.load("onnxruntime").load(model, Options(device="cuda"))
    with pytest.raises(InputError, match="device 'tpu'"):
        backends.load("onnxruntime").load(model, Options(device="tpu"))


@pytest.mark.parametrize("name", REAL)
def test_a_file_that_is_no_model(name: str, models: dict[str, ModelFile]) -> None:
    models[name].path.write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="cannot load"):
        backends.load(name).load(models[name], Options())


@pytest.mark.parametrize("name", KEEPING)
def test_what_was_compiled_is_kept_and_used(name: str, model: ModelFile, tmp_path: Path) -> None:
    backend, options = backends.load(name), Options(cache=tmp_path / "compiled")
    inputs = {"left": np.full((2, 3), 5, np.float32), "right": np.ones((2, 3), np.float32)}
    answers = [backend.load(model, options).run(inputs)["difference"] for _ in range(2)]
    kept = {path: path.stat() for path in (tmp_path / "compiled").rglob("*") if path.is_file() and path.stat().st_size}
    assert kept, "nothing was kept"
    assert all((answer == 4).all() for answer in answers)
    backend.load(model, options)
    assert {path: path.stat().st_mtime_ns for path in kept} == {path: seen.st_mtime_ns for path, seen in kept.items()}


def test_compiled_networks_answer_the_same_and_are_kept(
    models: dict[str, ModelFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    for name in REAL:
        if "compile" not in catalogue.get("backend", name).data.get("options", {}):
            continue
        options = Options(cache=tmp_path / "compiled", extra={"compile": True})
        session = backends.load(name).load(models[name], options)
        assert session.describe()["compiled"]
        for shape in ((2, 3), (1, 7), (5, 4)):
            left = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            assert (session.run({"left": left, "right": left / 2})["difference"] == left / 2).all()
        assert any(path.is_file() for path in (tmp_path / "compiled" / name).rglob("*"))
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CXX", raising=False)
        with pytest.raises(NotReadyError, match=r"needs a C\+\+ compiler"):
            backends.load(name).load(models[name], options)


@pytest.mark.parametrize("name", KEEPING)
def test_what_was_kept_and_is_damaged_is_made_again(name: str, model: ModelFile, tmp_path: Path) -> None:
    backend, options = backends.load(name), Options(cache=tmp_path / "compiled")
    backend.load(model, options)
    for path in (tmp_path / "compiled").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"\0" * path.stat().st_size)
    inputs = {"left": np.full((2, 3), 5, np.float32), "right": np.ones((2, 3), np.float32)}
    assert (backend.load(model, options).run(inputs)["difference"] == 4).all()


@pytest.mark.parametrize("name", KEEPING)
def test_another_model_of_the_same_place_is_not_taken_for_it(name: str, model: ModelFile, tmp_path: Path) -> None:
    backend, options = backends.load(name), Options(cache=tmp_path / "compiled")
    backend.load(model, options)
    graph = onnx.load(model.path)
    graph.graph.node[0].op_type = "Add"
    onnx.save(graph, model.path)
    inputs = {"left": np.full((2, 3), 5, np.float32), "right": np.ones((2, 3), np.float32)}
    assert (backend.load(model, options).run(inputs)["difference"] == 6).all()


@pytest.mark.parametrize("name", KEEPING)
def test_a_store_that_cannot_be_written_is_done_without(name: str, model: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    session = backends.load(name).load(model, Options(cache=tmp_path / "file"))
    inputs = {"left": np.full((2, 3), 5, np.float32), "right": np.ones((2, 3), np.float32)}
    assert (session.run(inputs)["difference"] == 4).all()


@pytest.mark.parametrize("name", [*REAL, "null"])
def test_capabilities_are_those_of_this_machine(name: str) -> None:
    found = backends.load(name).capabilities()
    assert found["precisions"][0] == "fp32"
    assert set(found["precisions"]) <= set(catalogue.get("backend", name).data["precisions"])
    assert set(found["cpu"]) <= set(capabilities.flags())


def test_flags_are_read_of_both_kinds_of_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu amx_tile avx512_vnni amx_bf16\n")
    assert capabilities.flags(path) == ["amx_bf16", "amx_tile", "avx512_vnni", "fpu"]
    path.write_text("processor\t: 0\nFeatures\t: fp asimd i8mm\n")
    assert capabilities.flags(path) == ["asimd", "fp", "i8mm"]
    assert capabilities.flags(tmp_path / "none") == []
    monkeypatch.setattr(capabilities, "flags", lambda: ["fp", "asimd", "i8mm"])
    assert capabilities.cpu() == ["asimd", "i8mm"]
    before = capabilities.fingerprint()
    monkeypatch.setattr(capabilities, "flags", lambda: ["asimd"])
    assert capabilities.fingerprint() != before
    assert capabilities.cpu() == ["asimd"]


@pytest.mark.parametrize("name", [*REAL, "null"])
def test_a_precision_that_is_not_native_is_refused(name: str) -> None:
    with pytest.raises(NotReadyError, match=rf"benchmark_precision is fp8, which {name} does not compute .* \(fp32"):
        backends.load(name).check_precision("fp8")


def test_a_device_is_checked_without_a_model() -> None:
    backends.load("null").check_device("cpu")
    backends.load("onnxruntime").check_device("cpu")
    with pytest.raises(NotReadyError, match="no CUDAExecutionProvider"):
        backends.load("onnxruntime").check_device("cuda")
