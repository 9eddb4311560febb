"""ONNX Runtime: CPU, and CUDA or ROCm where its build has the execution provider."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort

from loadfleet import catalogue
from loadfleet.backends.base import Arrays, Backend, ModelFile, Options, Session
from loadfleet.errors import InputError, NotReadyError


class OnnxRuntimeSession(Session):
    """One InferenceSession with its own intra-op threads."""

    def __init__(self, session: ort.InferenceSession, model: ModelFile, options: Options) -> None:
        self._session = session
        self._threads = options.threads
        self._inputs = list(model.inputs.items())
        names = [output.name for output in session.get_outputs()]
        self._outputs = dict(model.outputs) or {name: name for name in names}
        self._graph_outputs = list(self._outputs.values())

    def run(self, inputs: Arrays) -> Arrays:
        feed = {graph: inputs[name] for name, graph in self._inputs}
        return dict(zip(self._outputs, self._session.run(self._graph_outputs, feed), strict=True))

    def describe(self) -> dict[str, Any]:
        return {"providers": self._session.get_providers(), "threads": self._threads}


class OnnxRuntime(Backend):
    """The backend `onnxruntime`."""

    name = "onnxruntime"

    def versions(self) -> dict[str, str]:
        return {"onnxruntime": ort.__version__}

    def check_device(self, device: str) -> None:
        providers = self._providers(device)
        present = ort.get_available_providers()
        missing = [provider for provider in providers if provider not in present]
        if missing:
            raise NotReadyError(
                f"this build of onnxruntime has no {', '.join(missing)} (it has {', '.join(present)})",
                fix=f"install the onnxruntime build for {device}, or set benchmark_device: cpu",
            )

    def _providers(self, device: str) -> list[str]:
        devices: dict[str, list[str]] = catalogue.get("backend", self.name).data["devices"]
        if device not in devices:
            raise InputError(
                f"device {device!r} is not one of onnxruntime's ({', '.join(devices)})",
                fix="change benchmark_device",
            )
        return devices[device]

    def load(self, model: ModelFile, options: Options) -> Session:
        self.check_device(options.device)
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        settings.log_severity_level = 3
        try:
            session = ort.InferenceSession(str(model.path), settings, providers=self._providers(options.device))
        except Exception as error:  # onnxruntime raises bare pybind exceptions of many types
            raise InputError(f"onnxruntime cannot load {model.path}: {error}", fix="verify the model file") from error
        inputs = {value.name for value in session.get_inputs()}
        outputs = {value.name for value in session.get_outputs()}
        if set(model.inputs.values()) != inputs or not set(model.outputs.values()) <= outputs:
            raise InputError(
                f"{model.path} has inputs {sorted(inputs)} and outputs {sorted(outputs)}; its catalogue entry says "
                f"{sorted(model.inputs.values())} and {sorted(model.outputs.values())}",
                fix="correct `inputs` and `outputs` of the model's catalogue entry, or the model",
            )
        return OnnxRuntimeSession(session, model, options)
