"""The network that is built of weights, and the reader of the weights."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import pytest

from loadfleet.errors import NotReadyError
from loadfleet.workloads.image_classification import efficientnet_lite, torch_state

if TYPE_CHECKING:
    from pathlib import Path


class _Named:
    """Pickles as a reference to something by name, as PyTorch's classes and functions do."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Stored:
    """Pickles as a reference to a storage."""

    def __init__(self, *facts: Any) -> None:
        self.facts = ("storage", *facts)


class _Pickler(pickle._Pickler):
    def persistent_id(self, value: Any) -> tuple[Any, ...] | None:
        return value.facts if isinstance(value, _Stored) else None

    def save(self, value: Any, *args: Any, **options: Any) -> None:
        if isinstance(value, _Named):
            module, name = value.name.rsplit(".", 1)
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        elif isinstance(value, tuple) and value[:1] == ("reduce",):
            self.save(value[1])
            self.save(value[2])
            self.write(pickle.REDUCE)
        else:
            super().save(value, *args, **options)


def dumped(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, 2).dump(value)
    return stream.getvalue()


def state_file(path: Path, tensors: dict[str, np.ndarray], function: str = "torch._utils._rebuild_tensor_v2") -> Path:
    """A state dict in the format that PyTorch wrote before 1.6."""
    state = {
        name: (
            "reduce",
            _Named(function),
            (
                _Stored(_Named("torch.FloatStorage"), str(number), "cpu", value.size, None),
                0,
                value.shape,
                tuple(stride // 4 for stride in value.strides),
                False,
                OrderedDict(),
            ),
        )
        for number, (name, value) in enumerate(tensors.items())
    }
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, state, [str(n) for n in range(len(tensors))]]
    storages = b"".join(struct.pack("<q", value.size) + value.ravel("K").tobytes() for value in tensors.values())
    path.write_bytes(b"".join(dumped(part) for part in head) + storages)
    return path


def test_tensors_are_read_as_they_lie(tmp_path: Path) -> None:
    tensors = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "turned": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        "one": np.array(5, np.float32),
    }
    found = torch_state.read(state_file(tmp_path / "a.pth", tensors))
    assert list(found) == list(tensors)
    for name, value in tensors.items():
        assert np.array_equal(found[name], value), name


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "torch._utils._rebuild_parameter"])
def test_a_file_that_names_anything_else_is_refused_and_nothing_is_called(tmp_path: Path, function: str) -> None:
    path = state_file(tmp_path / "a.pth", {"x": np.zeros(1, np.float32)}, function)
    with pytest.raises(NotReadyError, match=f"it names {function.replace('.', ' ').split()[0]}"):
        torch_state.read(path)


def test_a_real_attack_does_nothing(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(tmp_path / "made"), "w"))

    head = [0x1950A86A20F9469CFC6C, 1001, {}, Attack(), []]
    (tmp_path / "a.pth").write_bytes(b"".join(pickle.dumps(part, 2) for part in head))
    with pytest.raises(NotReadyError, match="is no state dict"):
        torch_state.read(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("keep", [0, 20, 200, -4])
def test_a_file_that_is_cut_off(tmp_path: Path, keep: int) -> None:
    path = state_file(tmp_path / "a.pth", {"x": np.arange(10, dtype=np.float32)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(NotReadyError, match="is no state dict of PyTorch that can be read"):
        torch_state.read(path)


def small_network(seed: int = 3) -> dict[str, np.ndarray]:
    """Weights of a narrow EfficientNet-Lite with one block for each of its seven stages and one that is added up."""
    chance = np.random.default_rng(seed)

    def convolution(name: str, shape: tuple[int, ...], norm: str) -> dict[str, np.ndarray]:
        count = shape[0]
        return {
            f"{name}.weight": chance.normal(0, 0.3, shape).astype(np.float32),
            f"{norm}.weight": chance.uniform(0.5, 1.5, count).astype(np.float32),
            f"{norm}.bias": chance.normal(0, 0.1, count).astype(np.float32),
            f"{norm}.running_mean": chance.normal(0, 0.1, count).astype(np.float32),
            f"{norm}.running_var": chance.uniform(0.5, 1.5, count).astype(np.float32),
        }

    weights = convolution("_conv_stem", (4, 3, 3, 3), "_bn0")
    given = 4
    for number, (kernel, width) in enumerate([(3, 2), (3, 3), (5, 4), (3, 5), (5, 6), (5, 7), (3, 8), (3, 8)]):
        block, inner = f"_blocks.{number}.", given if number == 0 else 2 * given
        if number:
            weights |= convolution(block + "_expand_conv", (inner, given, 1, 1), block + "_bn0")
        weights |= convolution(block + "_depthwise_conv", (inner, 1, kernel, kernel), block + "_bn1")
        weights |= convolution(block + "_project_conv", (width, inner, 1, 1), block + "_bn2")
        given = width
    weights |= convolution("_conv_head", (16, given, 1, 1), "_bn1")
    weights["_fc.weight"] = chance.normal(0, 0.3, (1000, 16)).astype(np.float32)
    weights["_fc.bias"] = chance.normal(0, 0.3, 1000).astype(np.float32)
    return weights


def reference(weights: dict[str, np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """The network by its definition, convolution before normalisation, in float64: probabilities [1000]."""

    def step(x: np.ndarray, name: str, norm: str, stride: int = 1, *, clip: bool = True) -> np.ndarray:
        weight = weights[name + ".weight"].astype(np.float64)
        kernel, depthwise = weight.shape[-1], weight.shape[1] == 1 and x.shape[0] == weight.shape[0] and x.shape[0] > 1
        new = -(-x.shape[1] // stride)
        padding = max(0, (new - 1) * stride + kernel - x.shape[1])
        x = np.pad(x, ((0, 0), *[(padding // 2, padding - padding // 2)] * 2))
        out = np.zeros((len(weight), new, new))
        for row in range(new):
            for column in range(new):
                patch = x[:, row * stride : row * stride + kernel, column * stride : column * stride + kernel]
                out[:, row, column] = (
                    (patch * weight[:, 0]).sum((1, 2)) if depthwise else (weight * patch).sum((1, 2, 3))
                )
        facts = [weights[f"{norm}.{key}"][:, None, None] for key in ("weight", "bias", "running_mean", "running_var")]
        out = (out - facts[2]) / np.sqrt(facts[3].astype(np.float64) + 1e-3) * facts[0] + facts[1]
        return out.clip(0, 6) if clip else out

    x = step((pixels.transpose(2, 0, 1).astype(np.float64) - 127) / 128, "_conv_stem", "_bn0", 2)
    for number, stride in enumerate((1, 2, 2, 2, 1, 2, 1, 1)):
        block, given = f"_blocks.{number}.", x
        if block + "_expand_conv.weight" in weights:
            x = step(x, block + "_expand_conv", block + "_bn0")
        x = step(x, block + "_depthwise_conv", block + "_bn1", stride)
        x = step(x, block + "_project_conv", block + "_bn2", clip=False)
        x = x + given if number == 7 else x
    features = step(x, "_conv_head", "_bn1").mean((1, 2))
    logits = weights["_fc.weight"] @ features + weights["_fc.bias"]
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def test_the_graph_computes_the_network_behind_resnets_signature(tmp_path: Path) -> None:
    weights = small_network()
    (tmp_path / "weights").mkdir()
    state_file(tmp_path / "weights/w.pth", weights)
    efficientnet_lite.build({"weights": tmp_path / "weights"}, tmp_path, {"weights": "weights/w.pth", "resolution": 33})
    session = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["input_tensor:0"]
    assert [value.name for value in session.get_outputs()] == ["ArgMax:0", "softmax_tensor:0"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 33, 33, 3)).astype(np.float32)
    means = np.array([123.68, 116.78, 103.94], np.float32)
    label, scores = session.run(None, {"input_tensor:0": (pixels - means).transpose(0, 3, 1, 2)})
    assert (label.dtype, scores.shape) == (np.int64, (2, 1001))
    assert (scores[:, 0] == 0).all()
    for number in range(2):
        expected = reference(weights, pixels[number])
        np.testing.assert_allclose(scores[number, 1:], expected, rtol=1e-3, atol=1e-7)
        assert label[number] - 1 == expected.argmax()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state_file(tmp_path / "w.pth", {"conv1.weight": np.zeros((4, 3, 7, 7), np.float32)})
    with pytest.raises(NotReadyError, match=r"lacks the tensor '_conv_stem\.weight'"):
        efficientnet_lite.build({"w": tmp_path}, tmp_path, {"weights": "w/w.pth", "resolution": 224})
