"""The embedded MiniLM question-answering model: int8 weights in safetensors, expanded to an fp32 ONNX graph.

Layout of the weights file: `NAME.q` int8 [rows, columns] with `NAME.s` float32 [rows] stands for `q * s[:, None]`;
other tensors are stored as they are. Names: `we`, `pe`, `te` (word, position, token-type embeddings), `ln` after them,
per layer `layers.I.{qkv,o,i,f}` (query, key and value stacked; attention output; feed-forward in and out) with `ln1`
after attention and `ln2` after the feed-forward, `qa` [2, hidden] (start, end). Matrices are [out, in]. The header's
metadata key `loadfleet` is a JSON object with the `architecture` and how the weights came about.

The graph is written for onnxruntime's optimiser, and is plain ONNX for any other: in opset 12, with layer normalisation
in primitive operators, `Unsqueeze` axes as attributes and the mask path of the original BERT export, every layer's
attention is fused into one kernel. Later opsets are not matched. No shapes are declared for inner tensors, because
onnxruntime then fuses the residual additions too, into a kernel that is slower on CPUs (8 % of the whole model).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Bump when the graph changes: the digest in the catalogue changes with it.
VERSION = 1
_OPSET, _IR_VERSION = 12, 7
# Added to the attention scores of padding.
_MASKED = -10000.0


@dataclass(frozen=True)
class Architecture:
    """Sizes of a BERT encoder; `epsilon` is that of layer normalisation."""

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    positions: int
    vocabulary: int
    epsilon: float


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write `model.onnx` into a folder; the same weights give the same bytes.

    Args:
        inputs: Folders of required store entries; used when `weights` names one of their files.
        output: Existing folder to write to.
        parameters: `weights`, a file of the package `loadfleet.embedded`, or "entry name/file name".

    Raises:
        InputError: The weights are missing or not in the layout of this module.
    """
    reference = str(parameters.get("weights", ""))
    entry, _, name = reference.partition("/")
    path = Path(inputs[entry]) / name if entry in inputs and name else embedded(reference)
    architecture, weights = read_weights(path)
    (output / "model.onnx").write_bytes(graph(architecture, weights).SerializeToString(deterministic=True))


def embedded(name: str) -> Path:
    """A file shipped in the package `loadfleet.embedded`.

    Raises:
        InputError: There is none of that name.
    """
    folder = Path(__file__).parents[2] / "embedded"
    path = folder / name
    if not name or path.parent != folder or not path.is_file():
        raise InputError(f"no embedded file {name!r}", fix=f"name a file of {folder}")
    return path


def read_weights(path: Path) -> tuple[Architecture, dict[str, NDArray[np.float32]]]:
    """The architecture and all tensors as float32, int8 matrices expanded.

    Raises:
        InputError: The file is no safetensors file, or lacks the metadata or a tensor.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  only when a model is built

    try:
        with safe_open(path, "numpy") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  not a mapping
        architecture = Architecture(**json.loads(metadata["loadfleet"])["architecture"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: these are no weights of this layout: {error!r}") from error
    weights: dict[str, NDArray[np.float32]] = {}
    for name, tensor in tensors.items():
        if name.endswith(".q"):
            plain = name.removesuffix(".q")
            weights[plain] = tensor.astype(np.float32) * tensors[f"{plain}.s"][:, None]
        elif f"{name.removesuffix('.s')}.q" not in tensors:
            weights[name] = tensor.astype(np.float32)
    expected = shapes(architecture)
    found = {name: tensor.shape for name, tensor in weights.items()}
    if found != expected:
        wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise InputError(f"{path}: missing, unknown or of a wrong shape: {', '.join(wrong[:5])}")
    return architecture, weights


def shapes(a: Architecture) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of an architecture."""
    found: dict[str, tuple[int, ...]] = {
        "we.weight": (a.vocabulary, a.hidden),
        "pe.weight": (a.positions, a.hidden),
        "te.weight": (2, a.hidden),
    }
    linear = {"qa": (2, a.hidden)}
    norms = ["ln"]
    for layer in range(a.layers):
        prefix = f"layers.{layer}"
        linear[f"{prefix}.qkv"] = (3 * a.hidden, a.hidden)
        linear[f"{prefix}.o"] = (a.hidden, a.hidden)
        linear[f"{prefix}.i"] = (a.feed_forward, a.hidden)
        linear[f"{prefix}.f"] = (a.hidden, a.feed_forward)
        norms += [f"{prefix}.ln1", f"{prefix}.ln2"]
    for name, shape in linear.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        found |= {f"{name}.weight": (a.hidden,), f"{name}.bias": (a.hidden,)}
    return found


class _Builder:
    """Nodes and constants of one graph; every node has one output, which carries its name."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self.architecture = architecture
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[Any] | np.generic | float) -> str:
        """A constant, made at its first use; a Python float becomes a float32 scalar."""
        if name not in self.constants:
            array = np.array(value, np.float32) if isinstance(value, float) else np.array(value, order="C")
            self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def weight(self, name: str, *, transposed: bool = False) -> str:
        array = self.weights[name]
        return self.constant(name, array.T if transposed else array)

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def linear(self, x: str, weights: str, name: str) -> str:
        product = self.node("MatMul", [x, self.weight(f"{weights}.weight", transposed=True)], f"{name}.matmul")
        return self.node("Add", [product, self.weight(f"{weights}.bias")], f"{name}.output")

    def layer_norm(self, x: str, weights: str, name: str) -> str:
        epsilon = self.constant("epsilon", self.architecture.epsilon)
        mean = self.node("ReduceMean", [x], f"{name}.mean", axes=[-1], keepdims=1)
        centred = self.node("Sub", [x, mean], f"{name}.centred")
        square = self.node("Pow", [centred, self.constant("two", 2.0)], f"{name}.square")
        variance = self.node("ReduceMean", [square], f"{name}.variance", axes=[-1], keepdims=1)
        positive = self.node("Add", [variance, epsilon], f"{name}.positive")
        deviation = self.node("Sqrt", [positive], f"{name}.deviation")
        unit = self.node("Div", [centred, deviation], f"{name}.unit")
        scaled = self.node("Mul", [unit, self.weight(f"{weights}.weight")], f"{name}.scaled")
        return self.node("Add", [scaled, self.weight(f"{weights}.bias")], f"{name}.output")

    def gelu(self, x: str, name: str) -> str:
        """The exact form: x * (1 + erf(x / sqrt 2)) / 2."""
        divided = self.node("Div", [x, self.constant("sqrt_two", float(np.sqrt(2.0)))], f"{name}.divided")
        error = self.node("Erf", [divided], f"{name}.erf")
        raised = self.node("Add", [error, self.constant("one", 1.0)], f"{name}.raised")
        product = self.node("Mul", [x, raised], f"{name}.product")
        return self.node("Mul", [product, self.constant("half", 0.5)], f"{name}.output")

    def embeddings(self) -> str:
        axis = self.constant("first_axis", np.array([0], np.int64))
        second = self.constant("second_axis", np.array([1], np.int64))
        word = self.node("Gather", [self.weight("we.weight"), "input_ids"], "embeddings.word")
        kind = self.node("Gather", [self.weight("te.weight"), "segment_ids"], "embeddings.segment")
        shape = self.node("Shape", ["input_ids"], "embeddings.shape")
        length = self.node("Gather", [shape, second], "embeddings.length", axis=0)
        position = self.node("Slice", [self.weight("pe.weight"), axis, length, axis], "embeddings.position")
        both = self.node("Add", [word, kind], "embeddings.word_segment")
        total = self.node("Add", [both, position], "embeddings.sum")
        return self.layer_norm(total, "ln", "embeddings.norm")

    def mask(self) -> str:
        """[batch, 1, 1, sequence]: 0 for tokens, a large negative number for padding."""
        row = self.node("Unsqueeze", ["input_mask"], "mask.row", axes=[1])
        plane = self.node("Unsqueeze", [row], "mask.plane", axes=[2])
        real = self.node("Cast", [plane], "mask.float", to=TensorProto.FLOAT)
        padding = self.node("Sub", [self.constant("one", 1.0), real], "mask.padding")
        return self.node("Mul", [padding, self.constant("masked", _MASKED)], "mask.output")

    def attention(self, x: str, mask: str, layer: str) -> str:
        a = self.architecture
        size = a.hidden // a.heads
        split = self.constant("heads_shape", np.array([0, 0, a.heads, size], np.int64))
        joined = self.constant("hidden_shape", np.array([0, 0, a.hidden], np.int64))
        heads = {}
        for number, name in enumerate(("query", "key", "value")):
            rows = slice(number * a.hidden, (number + 1) * a.hidden)
            path = f"{layer}.{name}"
            matrix = self.constant(f"{path}.weight", self.weights[f"{layer}.qkv.weight"][rows].T)
            bias = self.constant(f"{path}.bias", self.weights[f"{layer}.qkv.bias"][rows])
            product = self.node("MatMul", [x, matrix], f"{path}.matmul")
            plain = self.node("Add", [product, bias], f"{path}.output")
            shaped = self.node("Reshape", [plain, split], f"{path}.shaped")
            order = [0, 2, 3, 1] if name == "key" else [0, 2, 1, 3]
            heads[name] = self.node("Transpose", [shaped], f"{path}.heads", perm=order)
        scores = self.node("MatMul", [heads["query"], heads["key"]], f"{layer}.scores")
        root = self.constant("sqrt_head", float(np.sqrt(size)))
        scaled = self.node("Div", [scores, root], f"{layer}.scaled")
        masked = self.node("Add", [scaled, mask], f"{layer}.masked")
        shares = self.node("Softmax", [masked], f"{layer}.shares", axis=3)
        mixed = self.node("MatMul", [shares, heads["value"]], f"{layer}.mixed")
        turned = self.node("Transpose", [mixed], f"{layer}.turned", perm=[0, 2, 1, 3])
        return self.node("Reshape", [turned, joined], f"{layer}.attention")

    def layer(self, x: str, mask: str, layer: str) -> str:
        attended = self.linear(self.attention(x, mask, layer), f"{layer}.o", f"{layer}.attention_output")
        middle = self.node("Add", [attended, x], f"{layer}.attention_sum")
        middle = self.layer_norm(middle, f"{layer}.ln1", f"{layer}.attention_norm")
        inner = self.gelu(self.linear(middle, f"{layer}.i", f"{layer}.inner"), f"{layer}.gelu")
        outer = self.linear(inner, f"{layer}.f", f"{layer}.outer")
        total = self.node("Add", [outer, middle], f"{layer}.sum")
        return self.layer_norm(total, f"{layer}.ln2", f"{layer}.norm")


def graph(architecture: Architecture, weights: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """The ONNX model: int64 [batch, sequence] inputs, float32 [batch, sequence] start and end logits."""
    builder = _Builder(architecture, weights)
    x = builder.embeddings()
    mask = builder.mask()
    for layer in range(architecture.layers):
        x = builder.layer(x, mask, f"layers.{layer}")
    logits = builder.linear(x, "qa", "answer")
    for number, name in enumerate(("output_start_logits", "output_end_logits")):
        which = builder.constant(f"{name}.index", np.int64(number))
        builder.node("Gather", [logits, which], name, axis=2)

    def tensor(name: str, kind: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, ["batch", "sequence"])

    body = helper.make_graph(
        builder.nodes,
        "minilm-squad",
        [tensor(name, TensorProto.INT64) for name in ("input_ids", "input_mask", "segment_ids")],
        [tensor(name, TensorProto.FLOAT) for name in ("output_start_logits", "output_end_logits")],
        list(builder.constants.values()),
    )
    return helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="loadfleet",
        producer_version=str(VERSION),
    )
