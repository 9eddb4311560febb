"""OpenVINO on the CPU: fp32, or bf16 where the processor computes it; layers that a model quantises run in int8.

The compiled model is kept in the store (OpenVINO's own model cache), so that later sessions neither read nor transform
the ONNX file. Kernels are made for a shape when it first comes, which costs milliseconds: the catalogue
entry's `width_multiple` keeps the number of shapes small.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import openvino as ov

from loadfleet import catalogue
from loadfleet.backends import compiled
from loadfleet.backends.base import Arrays, Backend, ModelFile, Options, Session
from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from pathlib import Path

_HINTS = {"fp32": "f32", "bf16": "bf16"}
# Layers that hold a network's products; what they compute in is what is recorded.
_PRODUCTS = ("FullyConnected", "Convolution", "MatMul")


class OpenVinoSession(Session):
    """One compiled model with a request and threads of its own."""

    def __init__(self, model_compiled: ov.CompiledModel, model: ModelFile, options: Options) -> None:
        self._notes = {
            "threads": options.threads,
            "compute_precision": model_compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name(),
            "products": _products(model_compiled),
        }
        self._request = model_compiled.create_infer_request()
        self._inputs = [(name, model_compiled.input(graph)) for name, graph in model.inputs.items()]
        outputs = model.outputs or {name: name for port in model_compiled.outputs for name in [port.get_any_name()]}
        self._outputs = [(name, model_compiled.output(graph)) for name, graph in outputs.items()]

    def run(self, inputs: Arrays) -> Arrays:
        results = self._request.infer({port: inputs[name] for name, port in self._inputs}, share_inputs=True)
        return {name: results[port] for name, port in self._outputs}

    def describe(self) -> dict[str, Any]:
        return dict(self._notes)


class OpenVino(Backend):
    """The backend `openvino`."""

    name = "openvino"

    def versions(self) -> dict[str, str]:
        return {"openvino": ov.__version__}

    def check_device(self, device: str) -> None:
        devices: dict[str, list[str]] = catalogue.get("backend", self.name).data["devices"]
        if device not in devices:
            raise InputError(
                f"device {device!r} is not one of openvino's ({', '.join(devices)})", fix="change benchmark_device"
            )
        present = ov.Core().available_devices
        if not set(devices[device]) <= set(present):
            raise NotReadyError(
                f"this build of openvino has no {', '.join(devices[device])} (it has {', '.join(present)})",
                fix="install OpenVINO's plug-in for it, or set benchmark_device: cpu",
            )

    def precisions(self) -> list[str]:
        able = {word.lower() for word in self._words()}
        return ["fp32", *(name for name in _HINTS if name != "fp32" and name in able)]

    def capabilities(self) -> dict[str, Any]:
        return {**super().capabilities(), "openvino": self._words()}

    def _words(self) -> list[str]:
        return sorted(str(word) for word in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))

    def load(self, model: ModelFile, options: Options) -> Session:
        self.check_device(options.device)
        self.check_precision(options.precision)
        found = self._compile(model, options)
        inputs = {name for port in found.inputs for name in port.get_names()}
        outputs = {name for port in found.outputs for name in port.get_names()}
        if set(model.inputs.values()) != inputs or not set(model.outputs.values()) <= outputs:
            raise InputError(
                f"{model.path} has inputs {sorted(inputs)} and outputs {sorted(outputs)}; its catalogue entry says "
                f"{sorted(model.inputs.values())} and {sorted(model.outputs.values())}",
                fix="correct `inputs` and `outputs` of the model's catalogue entry, or the model",
            )
        return OpenVinoSession(found, model, options)

    def _compile(self, model: ModelFile, options: Options) -> ov.CompiledModel:
        core, properties = ov.Core(), self._properties(options)
        try:
            if (cache := self._cache(model, options)) is not None:
                properties = {**properties, "CACHE_DIR": str(cache)}
            return core.compile_model(str(model.path), "CPU", properties)
        except Exception as error:  # OpenVINO raises bare RuntimeErrors
            raise InputError(f"openvino cannot load {model.path}: {error}", fix="verify the model file") from error

    def _cache(self, model: ModelFile, options: Options) -> Path | None:
        """The folder of this model's compiled form; None where nothing can be kept."""
        if options.cache is None or not model.path.is_file():
            return None
        folder = compiled.place(options.cache, self.name, model, openvino=ov.__version__, precision=options.precision)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None  # a store that is mounted read-only serves as it is
        return folder

    def _properties(self, options: Options) -> dict[str, Any]:
        return {
            "INFERENCE_NUM_THREADS": options.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # The instance's thread is pinned already, and its threads inherit that.
            "ENABLE_CPU_PINNING": False,
            # Left to itself OpenVINO takes bf16 wherever the processor has it, and fp32 would not be fp32.
            "INFERENCE_PRECISION_HINT": _HINTS[options.precision],
        }


def _products(model: ov.CompiledModel) -> dict[str, int]:
    """How many of the layers with products compute in what, as the compiled model says: `{"i8": 36, "f32": 1}`."""
    found: Counter[str] = Counter()
    for layer in model.get_runtime_model().get_ops():
        facts = layer.get_rt_info()
        if str(facts["layerType"].astype(str)).startswith(_PRODUCTS):
            found[str(facts["runtimePrecision"].astype(str))] += 1
    return dict(found)
