"""OpenVINO on the CPU: fp32, or bf16 where the processor computes it."""

from __future__ import annotations

from typing import Any

import openvino as ov

from loadfleet import catalogue
from loadfleet.backends.base import Arrays, Backend, ModelFile, Options, Session
from loadfleet.errors import InputError, NotReadyError


class OpenVinoSession(Session):
    """One compiled model with a request and threads of its own."""

    def __init__(self, compiled: ov.CompiledModel, model: ModelFile, options: Options) -> None:
        self._threads = options.threads
        self._precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self._request = compiled.create_infer_request()
        self._inputs = [(name, compiled.input(graph)) for name, graph in model.inputs.items()]
        outputs = model.outputs or {name: name for port in compiled.outputs for name in [port.get_any_name()]}
        self._outputs = [(name, compiled.output(graph)) for name, graph in outputs.items()]

    def run(self, inputs: Arrays) -> Arrays:
        results = self._request.infer({port: inputs[name] for name, port in self._inputs}, share_inputs=True)
        return {name: results[port] for name, port in self._outputs}

    def describe(self) -> dict[str, Any]:
        return {"threads": self._threads, "compute_precision": self._precision}


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

    def load(self, model: ModelFile, options: Options) -> Session:
        self.check_device(options.device)
        core = ov.Core()
        self._check_precision(core, options)
        try:
            read = core.read_model(str(model.path))
        except Exception as error:  # OpenVINO raises bare RuntimeErrors
            raise InputError(f"openvino cannot load {model.path}: {error}", fix="verify the model file") from error
        inputs = {name for port in read.inputs for name in port.get_names()}
        outputs = {name for port in read.outputs for name in port.get_names()}
        if set(model.inputs.values()) != inputs or not set(model.outputs.values()) <= outputs:
            raise InputError(
                f"{model.path} has inputs {sorted(inputs)} and outputs {sorted(outputs)}; its catalogue entry says "
                f"{sorted(model.inputs.values())} and {sorted(model.outputs.values())}",
                fix="correct `inputs` and `outputs` of the model's catalogue entry, or the model",
            )
        return OpenVinoSession(core.compile_model(read, "CPU", self._properties(options)), model, options)

    def _properties(self, options: Options) -> dict[str, Any]:
        return {
            "INFERENCE_NUM_THREADS": options.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # The instance's thread is pinned already, and its threads inherit that.
            "ENABLE_CPU_PINNING": False,
            # Left to itself OpenVINO takes bf16 wherever the processor has it, and fp32 would not be fp32.
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[options.precision],
        }

    def _check_precision(self, core: ov.Core, options: Options) -> None:
        able = {"fp32"} | ({"bf16"} & {word.lower() for word in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")})
        if options.precision not in able:
            raise NotReadyError(
                f"benchmark_precision is {options.precision}, which openvino does not compute on this processor "
                f"({', '.join(sorted(able))})",
                fix="leave benchmark_precision unset for fp32",
            )
