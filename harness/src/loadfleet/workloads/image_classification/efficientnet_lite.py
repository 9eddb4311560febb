"""EfficientNet-Lite as ONNX, behind the inputs and outputs of MLPerf's ResNet-50.

The network is that of TensorFlow's EfficientNet-Lite (tensorflow/tpu, models/official/efficientnet/lite): a stem, seven
stages of inverted bottlenecks without squeeze and excitation, ReLU6, padding as TensorFlow's SAME. Widths, kernels and
the number of blocks are read off the weights. Each batch normalisation is folded into its convolution.

| name | what |
| --- | --- |
| `input_tensor:0` | float32 [N, 3, S, S], RGB less ResNet-50's means; the network's own input, (RGB - 127) / 128, is made of it |
| `softmax_tensor:0` | float32 [N, 1001], probabilities; the first, of the background class, is 0 |
| `ArgMax:0` | int64 [N] |
"""  # noqa: E501  a table

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from loadfleet.errors import NotReadyError
from loadfleet.workloads.image_classification import torch_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]

# Output channels before width scaling decide where a stage begins; its first block has this stride.
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_EPSILON = 1e-3  # of batch normalisation
_RESNET_MEANS = (123.68, 116.78, 103.94)  # MLPerf's reference, pre_process_vgg
_OWN_MEAN, _OWN_SCALE = 127.0, 1 / 128
_OPSET, _IR_VERSION = 13, 8


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Build entry point of the store.

    Args:
        inputs: Folder of the required entry that holds the weights.
        output: Where `model.onnx` is written.
        parameters: `weights` (`entry/file`) and `resolution`.

    Raises:
        NotReadyError: The weights are none of an EfficientNet-Lite.
    """
    entry, _, file = parameters["weights"].partition("/")
    weights = torch_state.read(inputs[entry] / file)
    try:
        graph = _Graph(weights, int(parameters["resolution"]))
        graph.whole()
    except KeyError as error:
        raise NotReadyError(f"{parameters['weights']} lacks the tensor {error} of an EfficientNet-Lite") from error
    onnx.save(graph.model(), output / "model.onnx")


class _Graph:
    """Nodes and initialisers, in the order of the network."""

    def __init__(self, weights: Weights, size: int) -> None:
        self._weights = weights
        self._resolution = self._size = size
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def whole(self) -> None:
        """Everything between `input_tensor:0` and the two outputs."""
        shift = np.array(_RESNET_MEANS, np.float32).reshape(1, 3, 1, 1) - np.float32(_OWN_MEAN)
        current = self._node("Add", ["input_tensor:0", self._constant("shift", shift)], "shifted")
        # 1 / 128 is a power of two: in the weights of the first convolution it changes no bit of the result.
        current = self._convolution(current, "_conv_stem", "_bn0", stride=2, scale=_OWN_SCALE)
        current, channels, stage = self._relu6(current, "stem"), 0, -1
        for number in range(self._blocks()):
            block = f"_blocks.{number}."
            width = len(self._weights[block + "_project_conv.weight"])
            first = width != channels
            stage, channels = stage + first, width
            current = self._block(current, block, _STRIDES[stage] if first else 1, residual=not first)
        current = self._relu6(self._convolution(current, "_conv_head", "_bn1"), "head")
        current = self._node("GlobalAveragePool", [current], "pooled")
        current = self._node("Flatten", [current], "features")
        weight, bias = self._constant("fc.weight", self._weights["_fc.weight"]), self._weights["_fc.bias"]
        current = self._node("Gemm", [current, weight, self._constant("fc.bias", bias)], "logits", transB=1)
        current = self._node("Softmax", [current], "probabilities", axis=1)
        pads = self._constant("background", np.array([0, 1, 0, 0], np.int64))
        self._node("Pad", [current, pads], "softmax_tensor:0")
        self._node("ArgMax", ["softmax_tensor:0"], "ArgMax:0", axis=1, keepdims=0)

    def model(self) -> onnx.ModelProto:
        size = self._resolution
        graph = helper.make_graph(
            self._nodes,
            "efficientnet-lite",
            [helper.make_tensor_value_info("input_tensor:0", TensorProto.FLOAT, ["N", 3, size, size])],
            [
                helper.make_tensor_value_info("ArgMax:0", TensorProto.INT64, ["N"]),
                helper.make_tensor_value_info("softmax_tensor:0", TensorProto.FLOAT, ["N", 1001]),
            ],
            self._constants,
        )
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="loadfleet")
        onnx.checker.check_model(model)
        return model

    def _blocks(self) -> int:
        return len({name.split(".")[1] for name in self._weights if name.startswith("_blocks.")})

    def _block(self, given: str, block: str, stride: int, *, residual: bool) -> str:
        """Expand, depthwise, project; added to what was given where its shape is kept."""
        current = given
        if block + "_expand_conv.weight" in self._weights:
            current = self._relu6(self._convolution(current, block + "_expand_conv", block + "_bn0"), block + "expand")
        group = len(self._weights[block + "_depthwise_conv.weight"])
        current = self._convolution(current, block + "_depthwise_conv", block + "_bn1", stride=stride, group=group)
        current = self._relu6(current, block + "depthwise")
        current = self._convolution(current, block + "_project_conv", block + "_bn2")
        return self._node("Add", [current, given], block + "sum") if residual else current

    def _convolution(
        self, given: str, convolution: str, normalisation: str, *, stride: int = 1, group: int = 1, scale: float = 1.0
    ) -> str:
        """A convolution with its batch normalisation folded in, in float64, and padding as TensorFlow's SAME."""
        weight = self._weights[convolution + ".weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self._weights[f"{normalisation}.{name}"].astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + _EPSILON)
        kernel, size = weight.shape[-1], self._size
        self._size = -(-size // stride)
        padding = max(0, (self._size - 1) * stride + kernel - size)
        before, after = padding // 2, padding - padding // 2
        constants = [
            self._constant(convolution + ".weight", (weight * factor[:, None, None, None] * scale).astype(np.float32)),
            self._constant(convolution + ".bias", (beta - mean * factor).astype(np.float32)),
        ]
        return self._node(
            "Conv",
            [given, *constants],
            convolution,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=group,
        )

    def _relu6(self, given: str, name: str) -> str:
        if not any(constant.name == "six" for constant in self._constants):
            self._constant("zero", np.array(0, np.float32))
            self._constant("six", np.array(6, np.float32))
        return self._node("Clip", [given, "zero", "six"], name + "_relu6")

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output
