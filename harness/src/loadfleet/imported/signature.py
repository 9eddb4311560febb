"""What an ONNX file says of itself: inputs, outputs, weights, the files beside it. The weights are not loaded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Operators that hand integers on unchanged, or nearly so: what is looked up behind them was an input.
_PASSED_ON = frozenset({"Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Clip", "Slice", "Transpose"})
_TABLE_BEHIND = frozenset({"DequantizeLinear", "Cast", "Identity"})
# Fused embeddings of ONNX Runtime: position of the ids among the inputs -> position of the table they look up.
_FUSED = {"EmbedLayerNormalization": {0: 2, 1: 4, 8: 3}}
# ONNX's types as MLPerf's documents write them.
_PRECISIONS = {
    "FLOAT": "fp32",
    "DOUBLE": "fp64",
    "FLOAT16": "fp16",
    "BFLOAT16": "bf16",
    "INT8": "int8",
    "UINT8": "int8",
    "INT4": "int4",
    "UINT4": "int4",
}


@dataclass(frozen=True)
class Port:
    """An input or output of a graph.

    Attributes:
        name: In the graph.
        type: Of numpy (`float32`), or what ONNX calls it where numpy has none (`string`, `sequence`).
        shape: A number, or a symbol; an empty symbol is a size that nothing is known of. None for an unknown rank.
    """

    name: str
    type: str
    shape: tuple[int | str, ...] | None

    def __str__(self) -> str:
        shape = "of unknown rank" if self.shape is None else f"[{', '.join(str(each) or '?' for each in self.shape)}]"
        return f"{self.name} {self.type} {shape}"


@dataclass(frozen=True)
class Signature:
    """An ONNX model from outside.

    Attributes:
        inputs: Without those that have a value in the file.
        outputs: All of them.
        bounds: Integer input -> rows of the smallest table that its values look up.
        precision: What most bytes of the weights are, in MLPerf's words.
        external: Files beside the model that hold weights.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    bounds: Mapping[str, int]
    precision: str
    external: tuple[str, ...]


def read(path: Path) -> Signature:
    """Read a model's signature.

    Raises:
        InputError: The file is missing, or no ONNX model.
    """
    import onnx  # noqa: PLC0415  heavy

    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise InputError(f"the model {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # protobuf's own, of a package without types
        raise InputError(f"{path} is not an ONNX model: {error}", fix="name a file written by an exporter") from error
    graph = model.graph
    if not graph.output or not graph.node:
        raise InputError(f"{path} is not an ONNX model: it has no graph", fix="name a file written by an exporter")
    stored = {tensor.name for tensor in graph.initializer} | {each.values.name for each in graph.sparse_initializer}
    return Signature(
        inputs=tuple(_port(value) for value in graph.input if value.name not in stored),
        outputs=tuple(_port(value) for value in graph.output),
        bounds=_bounds(graph),
        precision=_precision(graph),
        external=tuple(sorted({name for tensor in _tensors(graph) for name in _location(tensor)})),
    )


def _port(value: Any) -> Port:
    kind = value.type.WhichOneof("value") or "unknown"
    if kind != "tensor_type":
        return Port(value.name, kind.removesuffix("_type"), None)
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return Port(value.name, _type(tensor.elem_type), None)
    shape = tuple(
        int(each.dim_value) if each.WhichOneof("value") == "dim_value" else str(each.dim_param)
        for each in tensor.shape.dim
    )
    return Port(value.name, _type(tensor.elem_type), shape)


def _type(number: int) -> str:
    import onnx  # noqa: PLC0415

    name: str = onnx.TensorProto.DataType.Name(number)
    return {"FLOAT": "float32", "DOUBLE": "float64", "BOOL": "bool"}.get(name, name.lower())


def _precision(graph: Any) -> str:
    import onnx  # noqa: PLC0415

    found: Counter[str] = Counter()
    for tensor in _tensors(graph):
        name = _PRECISIONS.get(onnx.TensorProto.DataType.Name(tensor.data_type))
        if name:
            found[name] += prod(tensor.dims) * (4 if name == "fp32" else 2 if name in {"fp16", "bf16"} else 1)
    return found.most_common(1)[0][0] if found else "fp32"


def _tensors(graph: Any) -> Iterator[Any]:
    """Weights of a graph and of the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
            for inner in attribute.graphs:
                yield from _tensors(inner)


def _location(tensor: Any) -> list[str]:
    import onnx  # noqa: PLC0415

    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return []
    return [each.value for each in tensor.external_data if each.key == "location"]


def _bounds(graph: Any) -> dict[str, int]:
    """The smallest table that each input looks up by its values, followed through what passes them on."""
    tables = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    sources: dict[str, str] = {}
    found: dict[str, int] = {}
    for node in graph.node:  # sorted topologically, as ONNX demands
        if node.op_type == "Constant":
            tables[node.output[0]] = next((tuple(each.t.dims) for each in node.attribute if each.name == "value"), ())
        elif node.op_type in _TABLE_BEHIND and node.input[0] in tables:
            tables[node.output[0]] = tables[node.input[0]]
        if node.op_type in _PASSED_ON and node.input[0]:
            sources[node.output[0]] = sources.get(node.input[0], node.input[0])
        for ids, table, axis in _lookups(node):
            rows = tables.get(table, ())
            if len(rows) > axis:
                name = sources.get(ids, ids)
                found[name] = min(found.get(name, rows[axis]), rows[axis])
    return {name: rows for name, rows in found.items() if rows > 0}


def _lookups(node: Any) -> Iterator[tuple[str, str, int]]:
    """What a node looks up: name of the ids, name of the table, axis of the rows."""
    if node.op_type == "Gather":
        axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
        if axis >= 0:
            yield node.input[1], node.input[0], axis
    for ids, table in _FUSED.get(node.op_type, {}).items():
        if max(ids, table) < len(node.input) and node.input[ids]:
            yield node.input[ids], node.input[table], 0
