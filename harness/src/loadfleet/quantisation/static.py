"""Static int8: products read int8 activations and int8 weights, written as quantise-dequantise pairs (QDQ).

Activations are symmetric with one scale a tensor (zero point 0: uint8 where nothing is negative, else int8), clipped
where the squared error over the calibration samples is smallest, or not at all where large values carry what later
layers need; weights are symmetric int8 with a scale for each output channel. Everything else stays fp32, and so do
products without constant weights, such as those inside attention. A zero point other than 0 would cost: runtimes take
it off in a pass of its own.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from loadfleet.errors import InputError
from loadfleet.quantisation import source
from loadfleet.quantisation.ranges import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

# Scales for each channel came with this operator set.
_OPSET = 13
_OPERATORS = ("MatMul", "Gemm", "Conv")
_LEVELS = 127


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write `model.onnx`; the same inputs give the same bytes with the same onnxruntime on the same kind of processor.

    Args:
        inputs: Folders of required store entries, by name.
        output: Existing folder to write to.
        parameters: `model` and `calibration` as entry/file, `workload`, `dataset`; optional `keep`: names of nodes that
            stay fp32, or how they begin; optional `unclipped`: patterns of tensors that keep their whole range.

    Raises:
        InputError: A parameter is missing, or the model has nothing to quantise.
    """
    model = onnx.load(source.file(inputs, parameters, "model"))
    keep = tuple(str(name) for name in parameters.get("keep", ()))
    model = _recent(model)
    chosen = products(model, keep)
    if not chosen:
        raise InputError(
            f"{parameters['model']} has no product with constant weights ({', '.join(_OPERATORS)}) to quantise",
            fix="choose another model, or change `keep`",
        )
    tensors = list(dict.fromkeys(node.input[0] for node in chosen))
    whole = [str(pattern) for pattern in parameters.get("unclipped", ())]
    feeds = source.feeds(inputs, parameters, source.names(parameters))
    clips = {}
    for name, found in measure(model, tensors, feeds).items():
        unclipped = any(fnmatch.fnmatchcase(name, pattern) for pattern in whole)
        clips[name] = (found.largest or 1.0 if unclipped else found.clip(), found.negative)
    quantised = rewrite(model, {node.output[0] for node in chosen}, clips)
    (output / "model.onnx").write_bytes(quantised.SerializeToString(deterministic=True))


def _recent(model: onnx.ModelProto) -> onnx.ModelProto:
    version = next(each.version for each in model.opset_import if each.domain == "")
    return model if version >= _OPSET else onnx.version_converter.convert_version(model, _OPSET)


def products(model: onnx.ModelProto, keep: tuple[str, ...] = ()) -> list[onnx.NodeProto]:
    """The nodes that multiply by constant weights, without those to keep as they are."""
    constants = {each.name for each in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.op_type in _OPERATORS
        and node.input[1] in constants
        and not any(node.name.startswith(name) for name in keep)
    ]


def rewrite(model: onnx.ModelProto, chosen: Iterable[str], clips: Mapping[str, tuple[float, bool]]) -> onnx.ModelProto:
    """A copy whose chosen products read quantised tensors.

    Args:
        model: fp32, operator set 13 or later.
        chosen: Outputs of the products.
        clips: Magnitude to clip at, and whether values are negative, of each activation they read.
    """
    weights = {each.name: each for each in model.graph.initializer}
    wanted, nodes = set(chosen), list[onnx.NodeProto]()
    added: dict[str, onnx.TensorProto] = {}
    done: set[str] = set()

    def constant(name: str, value: NDArray[Any]) -> str:
        added[name] = numpy_helper.from_array(value, name)
        return name

    for node in model.graph.node:
        if node.output[0] not in wanted:
            nodes.append(node)
            continue
        activation, matrix = node.input[:2]
        if activation not in done:
            clip, negative = clips[activation]
            kind = np.int8 if negative else np.uint8
            scale = constant(f"{activation}.scale", np.array(clip / np.iinfo(kind).max, np.float32))
            zero = constant(f"{activation}.zero", np.array(0, kind))
            pair = f"{activation}.quantised"
            nodes.append(helper.make_node("QuantizeLinear", [activation, scale, zero], [pair], name=pair))
            back = f"{activation}.dequantised"
            nodes.append(helper.make_node("DequantizeLinear", [pair, scale, zero], [back], name=back))
            done.add(activation)
        if matrix not in done:
            axis = _channel(node, weights[matrix])
            values, scales = _quantised(numpy_helper.to_array(weights[matrix]), axis)
            parts = [
                constant(f"{matrix}.quantised", values),
                constant(f"{matrix}.scale", scales),
                constant(f"{matrix}.zero", np.zeros(scales.shape, np.int8)),
            ]
            back = f"{matrix}.dequantised"
            nodes.append(helper.make_node("DequantizeLinear", parts, [back], name=back, axis=axis))
            done.add(matrix)
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.input[0], changed.input[1] = f"{activation}.dequantised", f"{matrix}.dequantised"
        nodes.append(changed)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    used = {name for node in nodes for name in node.input}
    del copy.graph.node[:], copy.graph.initializer[:], copy.graph.value_info[:]
    copy.graph.node.extend(nodes)
    copy.graph.initializer.extend([*(each for each in weights.values() if each.name in used), *added.values()])
    return copy


def _channel(node: onnx.NodeProto, weights: onnx.TensorProto) -> int:
    """The axis of the output channels of a product's weights."""
    if node.op_type == "Conv":
        return 0
    transposed = any(each.name == "transB" and each.i for each in node.attribute)
    return 0 if transposed else len(weights.dims) - 1


def _quantised(values: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 values and float32 scales, one for each channel; a channel of zeros has the scale 1."""
    others = tuple(other for other in range(values.ndim) if other != axis)
    largest = np.abs(values).max(axis=others)
    scales = np.where(largest > 0, largest / _LEVELS, 1.0).astype(np.float32)
    shape = [-1 if place == axis else 1 for place in range(values.ndim)]
    rounded = np.round(values / scales.reshape(shape))
    return np.clip(rounded, -_LEVELS, _LEVELS).astype(np.int8), scales
