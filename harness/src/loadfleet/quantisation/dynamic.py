"""Dynamic int8: weights are int8, each activation gets its range when the model runs. Made by onnxruntime's own tool.

Its operators (DynamicQuantizeLinear, MatMulInteger) are ONNX, but few runtimes have fast kernels for them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from loadfleet.quantisation import source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write `model.onnx`; the same inputs give the same bytes with the same onnxruntime.

    Args:
        inputs: Folders of required store entries, by name.
        output: Existing folder to write to.
        parameters: `model` as entry/file; optional `keep`: names of nodes that stay fp32.

    Raises:
        InputError: A parameter is missing.
    """
    import onnx  # noqa: PLC0415  only when a model is built
    from onnxruntime import quantization  # noqa: PLC0415

    path = source.file(inputs, parameters, "model")
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # advice for people, on every call
    try:
        quantization.quantize_dynamic(
            path,
            output / "model.onnx",
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[str(name) for name in parameters.get("keep", ())],
        )
    finally:
        logging.root.setLevel(level)
    model = onnx.load(output / "model.onnx")
    (output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
