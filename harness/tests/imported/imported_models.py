"""Small ONNX models of many kinds, written by the tests themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Shape = list[int | str | None] | None
WIDTH = 384


def port(name: str, shape: Shape, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def weights(name: str, *shape: int) -> Any:
    return numpy_helper.from_array(np.random.default_rng(7).standard_normal(shape).astype(np.float32), name)


def save(
    path: Path, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], stored: Sequence[Any] = ()
) -> Path:
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(stored))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def classifier(path: Path, shape: Shape, batch: int | str = "N") -> Path:
    """Pixels to ten numbers."""
    nodes = [
        helper.make_node("Conv", ["pixels", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["numbers"]),
    ]
    stored = [weights("w", 4, 3, 3, 3), weights("fc", 4, 10)]
    return save(path, nodes, [port("pixels", shape)], [port("numbers", [batch, 10])], stored)


def encoder(path: Path, ids: str = "input_ids", mask: str = "attention_mask", kind: int = TensorProto.INT64) -> Path:
    """Two inputs of token ids: one looks up a table of a hundred rows behind a cast, one of two."""
    names = [ids, mask, "token_type_ids"]
    nodes = [
        helper.make_node("Cast", [ids], ["ids64"], to=TensorProto.INT64),
        helper.make_node("Gather", ["words", "ids64"], ["x"]),
        helper.make_node("Gather", ["types", "token_type_ids"], ["t"]),
        helper.make_node("Add", ["x", "t"], ["xt"]),
        helper.make_node("Cast", [mask], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["m", "axes"], ["m1"]),
        helper.make_node("Mul", ["xt", "m1"], ["y"]),
        helper.make_node("ReduceMean", ["y"], ["z"], axes=[1], keepdims=0),
    ]
    stored = [weights("words", 100, 8), weights("types", 2, 8), numpy_helper.from_array(np.array([2]), "axes")]
    inputs = [port(name, ["batch", "seq"], kind if name == ids else TensorProto.INT64) for name in names]
    return save(path, nodes, inputs, [port("z", ["batch", 8])], stored)


def reader(path: Path, names: Sequence[str], shape: Shape = None, kind: int = TensorProto.INT64) -> Path:
    """What looks like a model of questions and answers: three inputs, two outputs of their shape."""
    whole = shape or ["batch", "width"]
    nodes = [
        helper.make_node("Add", [names[0], names[1]], ["a"]),
        helper.make_node("Add", ["a", names[2]], ["b"]),
        helper.make_node("Cast", ["b"], [names[3]], to=TensorProto.FLOAT),
        helper.make_node("Neg", [names[3]], [names[4]]),
    ]
    return save(path, nodes, [port(name, whole, kind) for name in names[:3]], [port(name, whole) for name in names[3:]])


def unusual(path: Path) -> Path:
    """No dimension for samples: a recurrent state beside the sample, and a scalar."""
    nodes = [helper.make_node("Mul", ["frame", "rate"], ["x"]), helper.make_node("Add", ["x", "state"], ["next"])]
    return save(
        path, nodes, [port("frame", [1, 16]), port("state", [2, 1, 16]), port("rate", [])], [port("next", [2, 1, 16])]
    )
