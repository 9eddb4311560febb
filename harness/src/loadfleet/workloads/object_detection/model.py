"""The embedded SSD-MobileNetV2: fp16 weights in safetensors, expanded to an fp32 ONNX graph with RetinaNet's signature.

Layout of the weights file: `NAME.weight` [out, in / groups, height, width] and `NAME.bias` [out] of each convolution.
The header's metadata key `loadfleet` is a JSON object: `classes` (label 0 is the background), `input` (side of the
network's own square input), `layers` in the order they run (`operator`, `from`, `stride`, `activation`), and the layers
whose outputs are the `boxes` and the `scores` of each feature map. `tools/detector_weights.py` writes it.

The graph takes what the reference model takes: `images` float32 [1, 3, side, side] in 0..1. It answers `boxes` [D, 4]
(xmin, ymin, xmax, ymax in pixels of that input), `scores` [D], best first, and `labels` int64 [D]. Anchors, decoding
and the suppression of overlaps are in the graph, as they are in the reference's: they are part of what is measured.
"""

from __future__ import annotations

import json
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
_OPSET, _IR_VERSION = 13, 8
# Of the SSD anchors and box code that the weights were trained with (TensorFlow's object detection API, the pipeline
# ssd_mobilenet_v2): six maps with sizes from 0.2 to 0.95 of the picture, offsets scaled by 10 and sizes by 5.
_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
_STRIDES = (16, 32, 64, 128, 256, 512)
_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
_FIRST_MAP = ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))
_OFFSET_SCALE, _SIZE_SCALE = 10.0, 5.0


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write `model.onnx` into a folder; the same weights give the same bytes.

    Args:
        inputs: Folders of required store entries; not used, the weights come with the harness.
        output: Existing folder to write to.
        parameters: `weights`, a file of the package `loadfleet.embedded`; `side` (pixels of the input);
            `score_threshold`, `overlap` (of two boxes of a class, above which the lower score goes),
            `detections_per_class`, `detections`.

    Raises:
        InputError: A parameter is missing, or the weights are missing or not in the layout of this module.
    """
    try:
        weights = str(parameters["weights"])
        side = int(parameters["side"])
        limits: dict[str, Any] = {key: float(parameters[key]) for key in ("score_threshold", "overlap")}
        limits |= {key: int(parameters[key]) for key in ("detections_per_class", "detections")}
    except (KeyError, ValueError) as error:
        raise InputError(f"building a detector: parameter missing or not a number: {error}") from error
    description, tensors = read_weights(Path(__file__).parents[2] / "embedded" / weights)
    model = _Graph(description, tensors).model(side, **limits)
    (output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """The description of the network and all tensors as float32.

    Raises:
        InputError: The file is no safetensors file, or lacks the metadata or a tensor.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  only when a model is built

    try:
        with safe_open(path, "numpy") as stored:
            description: dict[str, Any] = json.loads((stored.metadata() or {})["loadfleet"])
            found = {name: stored.get_tensor(name).astype(np.float32) for name in stored.keys()}  # noqa: SIM118
        layers = [layer["name"] for layer in description["layers"] if layer["operator"] != "add"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: these are no weights of this layout: {error!r}") from error
    wanted = {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    if wrong := sorted(wanted ^ set(found)):
        raise InputError(f"{path}: missing or unknown tensors: {', '.join(wrong[:5])}")
    return description, found


def anchors(side: int) -> NDArray[np.float32]:
    """float32 [A, 4]: centre y and x, height and width of each anchor, as shares of the picture, map by map."""
    rows = []
    for number, stride in enumerate(_STRIDES):
        cells = -(-side // stride)
        between = (_SCALES[number] * _SCALES[number + 1]) ** 0.5
        shapes = [*((_SCALES[number], ratio) for ratio in _RATIOS), (between, 1.0)] if number else _FIRST_MAP
        for y in range(cells):
            for x in range(cells):
                centre = ((y + 0.5) / cells, (x + 0.5) / cells)
                rows += [(*centre, scale / ratio**0.5, scale * ratio**0.5) for scale, ratio in shapes]
    return np.array(rows, np.float32)


class _Graph:
    """Collects nodes and constants of the ONNX graph."""

    def __init__(self, description: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]) -> None:
        self.description = description
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[Any] | np.generic | list[int] | float) -> str:
        """A float becomes a float32 scalar, a list an int64 vector."""
        kind = {float: np.float32, list: np.int64}.get(type(value))
        self.constants[name] = numpy_helper.from_array(np.array(value, kind, order="C"), name)
        return name

    def node(self, operator: str, inputs: list[str], name: str, *more: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name, *more], name=name, **attributes))
        return name

    def network(self, side: int) -> None:
        """From `images` to the outputs of all layers: resized and in -1..1, as the weights were trained."""
        own = int(self.description["input"])
        size = self.constant("input_size", [1, 3, own, own])
        mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        x = "images" if side == own else self.node("Resize", ["images", "", "", size], "resized", **mode)
        doubled = self.node("Mul", [x, self.constant("two", 2.0)], "doubled")
        self.node("Sub", [doubled, self.constant("one", 1.0)], "input")
        self.constant("zero", 0.0)
        self.constant("six", 6.0)
        for layer in self.description["layers"]:
            self.layer(layer)

    def layer(self, layer: Mapping[str, Any]) -> None:
        name, sources, clipped = layer["name"], list(layer["from"]), layer.get("activation") == "relu6"
        if layer["operator"] == "add":
            self.node("Add", sources, name)
            return
        weight = self.weights[f"{name}.weight"]
        parts = [self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        self.node(
            "Conv",
            [*sources, *parts],
            f"{name}.unclipped" if clipped else name,
            auto_pad="SAME_UPPER",
            group=weight.shape[0] if layer["operator"] == "depthwise" else 1,
            kernel_shape=list(weight.shape[2:]),
            strides=[layer["stride"]] * 2,
        )
        if clipped:
            self.node("Clip", [f"{name}.unclipped", "zero", "six"], name)

    def joined(self, heads: list[str], columns: int, name: str) -> str:
        """[1, A, columns]: a head of every map, its channels last, one after the other."""
        shape = self.constant(f"{name}.shape", [1, -1, columns])
        flat = []
        for head in heads:
            last = self.node("Transpose", [head], f"{name}.{head}.channels_last", perm=[0, 2, 3, 1])
            flat.append(self.node("Reshape", [last, shape], f"{name}.{head}.flat"))
        return self.node("Concat", flat, name, axis=1)

    def decoded(self, codes: str, side: int) -> str:
        """[1, A, 4]: xmin, ymin, xmax, ymax in pixels of the input, cut at its edges."""
        known = anchors(int(self.description["input"]))
        parts = ("y", "x", "height", "width")
        for number, part in enumerate(parts):
            self.constant(f"anchors.{part}", known[None, :, number : number + 1])
        split = self.constant("split", [1, 1, 1, 1])
        self.node("Split", [codes, split], *(f"code.{part}" for part in parts), axis=2)
        offset, size, half = (
            self.constant(name, value)
            for name, value in (("offset_scale", _OFFSET_SCALE), ("size_scale", _SIZE_SCALE), ("half", 0.5))
        )
        for part, extent in (("y", "height"), ("x", "width")):
            share = self.node("Div", [f"code.{part}", offset], f"{part}.share")
            moved = self.node("Mul", [share, f"anchors.{extent}"], f"{part}.moved")
            self.node("Add", [moved, f"anchors.{part}"], f"{part}.centre")
            power = self.node("Div", [f"code.{extent}", size], f"{extent}.power")
            factor = self.node("Exp", [power], f"{extent}.factor")
            whole = self.node("Mul", [factor, f"anchors.{extent}"], f"{extent}.whole")
            self.node("Mul", [whole, half], f"{extent}.half")
            self.node("Sub", [f"{part}.centre", f"{extent}.half"], f"{part}.min")
            self.node("Add", [f"{part}.centre", f"{extent}.half"], f"{part}.max")
        shares = self.node("Concat", ["x.min", "y.min", "x.max", "y.max"], "box_shares", axis=2)
        inside = self.node("Clip", [shares, "zero", "one"], "box_shares.inside")
        return self.node("Mul", [inside, self.constant("side", float(side))], "all_boxes")

    def detections(
        self, boxes: str, *, score_threshold: float, overlap: float, detections_per_class: int, detections: int
    ) -> None:
        """`boxes`, `scores` and `labels` of what is left: no background, no overlaps, best first."""
        scores = self.joined(self.description["scores"], len(self.description["classes"]), "logits")
        shares = self.node("Sigmoid", [scores], "all_scores")
        first, last, axis = (
            self.constant(name, [value])
            for name, value in (("first", 1), ("last", len(self.description["classes"])), ("axis", 2))
        )
        things = self.node("Slice", [shares, first, last, axis], "thing_scores")
        by_class = self.node("Transpose", [things], "class_scores", perm=[0, 2, 1])
        limits = [
            self.constant("most", [detections_per_class]),
            self.constant("overlap", np.array([overlap], np.float32)),
            self.constant("threshold", np.array([score_threshold], np.float32)),
        ]
        found = self.node("NonMaxSuppression", [boxes, by_class, *limits], "found")  # [D, 3]: picture, class, anchor
        found_scores = self.node("GatherND", [by_class, found], "found_scores")
        number = self.node("Shape", [found_scores], "number")
        kept = self.node("Min", [number, self.constant("detections", [detections])], "kept")
        self.node("TopK", [found_scores, kept], "scores", "best")
        chosen = self.node("Gather", [found, "best"], "chosen", axis=0)
        which = self.node("Gather", [chosen, self.constant("class_column", np.int64(1))], "class", axis=1)
        self.node("Add", [which, self.constant("background", np.int64(1))], "labels")
        where = self.node("Gather", [chosen, self.constant("box_columns", [0, 2])], "places", axis=1)
        self.node("GatherND", [boxes, where], "boxes")

    def model(self, side: int, **limits: Any) -> onnx.ModelProto:
        self.network(side)
        boxes = self.decoded(self.joined(self.description["boxes"], 4, "codes"), side)
        self.detections(boxes, **limits)
        tensor = helper.make_tensor_value_info
        body = helper.make_graph(
            self.nodes,
            "ssd-mobilenetv2",
            [tensor("images", TensorProto.FLOAT, [1, 3, side, side])],
            [
                tensor("boxes", TensorProto.FLOAT, ["detections", 4]),
                tensor("scores", TensorProto.FLOAT, ["detections"]),
                tensor("labels", TensorProto.INT64, ["detections"]),
            ],
            list(self.constants.values()),
        )
        return helper.make_model(
            body,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="loadfleet",
            producer_version=str(VERSION),
        )
