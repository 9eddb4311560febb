"""Take the weights of the detector that Loadfleet embeds out of the package that publishes them.

How `harness/src/loadfleet/embedded/ssd-mobilenetv2-openimages.safetensors` is made, without TensorFlow:

1. The npm package @mediapipe/objectron 0.4.1675468480 (Apache-2.0) holds `objectron_solution_packed_assets.data`: a
   list of 24 class names and a TFLite file, end to end.
2. The TFLite file is read here: convolutions, additions, and at the end reshapes and concatenations of the heads. Every
   convolution becomes two tensors in fp16, the type they are stored in, `NAME.weight` [out, in, height, width] and
   `NAME.bias`, and one record of the layers in the file's metadata.
3. `loadfleet.workloads.object_detection.model` makes an ONNX graph of that.

    npm pack @mediapipe/objectron@0.4.1675468480
    python tools/detector_weights.py mediapipe-objectron-0.4.1675468480.tgz ssd-mobilenetv2-openimages.safetensors
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = "fc3e37b326b05e8f596099c90b3e0931b05a56cd3160b9ac450b621794bac94c"
TFLITE = "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6"
MEMBER = "package/objectron_solution_packed_assets.data"
# Where the class names end and the TFLite file begins: the loader of the package says so.
SPLIT = 184
# Of the TFLite schema: builtin operators, tensor types, activations.
ADD, CONCATENATION, CONV, DEPTHWISE, DEQUANTIZE, RESHAPE = 0, 2, 3, 4, 6, 22
TYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.float16, 2: np.int32}
ACTIVATIONS = {0: None, 3: "relu6"}
SAME = 0


class Table:
    """A table of a FlatBuffers file: fields by their number in the schema."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position
        self._fields = position - self._number("<i", position)

    def _number(self, kind: str, position: int) -> int:
        return int(struct.unpack_from(kind, self.data, position)[0])

    def _at(self, field: int) -> int:
        """Position of a field; 0 where it is left out."""
        entry = 4 + 2 * field
        if entry >= self._number("<H", self._fields):
            return 0
        offset = self._number("<H", self._fields + entry)
        return self.position + offset if offset else 0

    def number(self, field: int, kind: str = "<i") -> int:
        at = self._at(field)
        return self._number(kind, at) if at else 0

    def _reference(self, field: int) -> int:
        at = self._at(field)
        return at + self._number("<I", at) if at else 0

    def table(self, field: int) -> Table:
        return Table(self.data, self._reference(field))

    def bytes(self, field: int, size: int = 1) -> bytes:
        at = self._reference(field)
        return self.data[at + 4 : at + 4 + size * self._number("<I", at)] if at else b""

    def numbers(self, field: int) -> list[int]:
        return [int(number) for number in np.frombuffer(self.bytes(field, 4), "<i4")]

    def tables(self, field: int) -> list[Table]:
        at = self._reference(field)
        if not at:
            return []
        places = range(at + 4, at + 4 + 4 * self._number("<I", at), 4)
        return [Table(self.data, place + self._number("<I", place)) for place in places]


class Network:
    """The operators of a TFLite file as layers, in the order they run."""

    def __init__(self, data: bytes) -> None:
        model = Table(data, struct.unpack_from("<I", data, 0)[0])
        self._codes = [max(code.number(0, "<b"), code.number(3)) for code in model.tables(1)]
        (self._graph,) = model.tables(2)
        self._tensors = self._graph.tables(0)
        self._buffers = model.tables(4)
        self._constants: dict[int, NDArray[Any]] = {}
        self._names = {self._graph.numbers(1)[0]: "input"}
        self._joined: dict[int, list[str]] = {}
        self.layers: list[dict[str, Any]] = []
        self.weights: dict[str, NDArray[Any]] = {}
        for operator in self._graph.tables(3):
            self._read(operator)
        outputs = self._graph.numbers(2)
        self.heads = {self._tensors[number].bytes(3).decode(): self._joined[number] for number in outputs}

    def _constant(self, number: int) -> NDArray[Any]:
        if number not in self._constants:
            tensor = self._tensors[number]
            raw = self._buffers[tensor.number(2, "<I")].bytes(0)
            self._constants[number] = np.frombuffer(raw, TYPES[tensor.number(1, "<b")]).reshape(tensor.numbers(0))
        return self._constants[number]

    def _read(self, operator: Table) -> None:
        code = self._codes[operator.number(0, "<I")]
        inputs, (output,) = operator.numbers(1), operator.numbers(2)
        if code == DEQUANTIZE:
            self._constants[output] = self._constant(inputs[0])
        elif code in {CONV, DEPTHWISE}:
            self._convolution(operator.table(4), inputs, output, depthwise=code == DEPTHWISE)
        elif code == ADD:
            if operator.table(4).number(0, "<b"):
                sys.exit("an addition has an activation: not known")
            self._layer(output, {"operator": "add", "from": [self._names[number] for number in inputs]})
        elif code == RESHAPE:
            self._joined[output] = self._joined.get(inputs[0]) or [self._names[inputs[0]]]
        elif code == CONCATENATION:
            self._joined[output] = [name for number in inputs for name in self._joined[number]]
        else:
            sys.exit(f"operator {code} is not known")

    def _convolution(self, options: Table, inputs: list[int], output: int, *, depthwise: bool) -> None:
        strides = {options.number(1), options.number(2)}
        if options.number(0, "<b") != SAME or len(strides) != 1:
            sys.exit("a convolution is not padded to the same size, or has two strides: not known")
        weight, bias = self._constant(inputs[1]), self._constant(inputs[2])
        layer = {
            "operator": "depthwise" if depthwise else "convolution",
            "from": [self._names[inputs[0]]],
            "stride": strides.pop(),
            "activation": ACTIVATIONS[options.number(4 if depthwise else 3, "<b")],
        }
        name = self._layer(output, layer)
        # TFLite stores [1, height, width, channels] and [out, height, width, in]
        self.weights[f"{name}.weight"] = np.ascontiguousarray(
            weight.transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        )
        self.weights[f"{name}.bias"] = bias

    def _layer(self, output: int, layer: dict[str, Any]) -> str:
        name = self._names[output] = f"layer{len(self.layers):02d}"
        self.layers.append({"name": name, **layer})
        return name


def main() -> None:
    """Read the package, write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("package", type=Path, help="the package as `npm pack` brings it")
    parser.add_argument("output", type=Path, help="safetensors file to write")
    arguments = parser.parse_args()
    if hashlib.sha256(arguments.package.read_bytes()).hexdigest() != PACKAGE:
        sys.exit(f"{arguments.package} is another package: its sha256 is not {PACKAGE}")
    with tarfile.open(arguments.package) as archive:
        member = archive.extractfile(MEMBER)
        content = member.read() if member else b""
    names, tflite = content[:SPLIT].decode().split("\n"), content[SPLIT:]
    if hashlib.sha256(tflite).hexdigest() != TFLITE:
        sys.exit(f"{MEMBER} holds another TFLite file: its sha256 is not {TFLITE}")
    network = Network(tflite)
    description = {
        "classes": [name for name in names if name],
        "input": 300,
        "layers": network.layers,
        "boxes": network.heads["raw_outputs/box_encodings"],
        "scores": network.heads["raw_outputs/class_predictions"],
        "source": f"@mediapipe/objectron 0.4.1675468480, {MEMBER}, Apache-2.0",
    }
    arguments.output.write_bytes(save(network.weights, {"loadfleet": json.dumps(description, separators=(",", ":"))}))
    digest = hashlib.sha256(arguments.output.read_bytes()).hexdigest()
    print(
        f"{arguments.output}: {len(network.layers)} layers, {arguments.output.stat().st_size:,} bytes, sha256 {digest}"
    )


if __name__ == "__main__":
    main()
