"""ONNX Runtime: CPU, and CUDA or ROCm where its build has the execution provider.

On the CPU a model's graph is optimised once and kept, with its weights in a file that is mapped: later sessions start
without optimising, from the very graph that the first one ran.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from loadfleet import catalogue
from loadfleet.backends import compiled
from loadfleet.backends.base import Arrays, Backend, ModelFile, Options, Session
from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CPU = ["CPUExecutionProvider"]
_GRAPH, _WEIGHTS = "model.onnx", "weights.bin"
_EMBEDDED_BYTES = 1024  # smaller constants stay in the graph: its optimisers and shapes look at them
# Operators that compute on 8-bit integers; what counts is the graph that runs, not the one that was given.
_INTEGER = ("MatMulInteger", "ConvInteger", "QLinear", "QAttention", "QGemm", "DynamicQuantizeMatMul", "QMoE")


class OnnxRuntimeSession(Session):
    """One InferenceSession with its own intra-op threads."""

    def __init__(
        self, session: ort.InferenceSession, model: ModelFile, options: Options, notes: Mapping[str, Any]
    ) -> None:
        self._session = session
        self._notes = dict(notes)
        self._threads = options.threads
        self._inputs = list(model.inputs.items())
        names = [output.name for output in session.get_outputs()]
        self._outputs = dict(model.outputs) or {name: name for name in names}
        self._graph_outputs = list(self._outputs.values())

    def run(self, inputs: Arrays) -> Arrays:
        feed = {graph: inputs[name] for name, graph in self._inputs}
        return dict(zip(self._outputs, self._session.run(self._graph_outputs, feed), strict=True))

    def describe(self) -> dict[str, Any]:
        return {"providers": self._session.get_providers(), "threads": self._threads, **self._notes}

    def clone(self) -> Session | None:
        # One thread is the caller's own: calls share nothing but the weights. Threads of a session are shared too.
        alone = self._threads == 1 and self._session.get_providers() == _CPU
        return self if alone else None


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

    def capabilities(self) -> dict[str, Any]:
        return {**super().capabilities(), "providers": ort.get_available_providers()}

    def load(self, model: ModelFile, options: Options) -> Session:
        self.check_device(options.device)
        self.check_precision(options.precision)
        session, notes = self._kept(model, options) or (self._open(model.path, options), {})
        inputs = {value.name for value in session.get_inputs()}
        outputs = {value.name for value in session.get_outputs()}
        if set(model.inputs.values()) != inputs or not set(model.outputs.values()) <= outputs:
            raise InputError(
                f"{model.path} has inputs {sorted(inputs)} and outputs {sorted(outputs)}; its catalogue entry says "
                f"{sorted(model.inputs.values())} and {sorted(model.outputs.values())}",
                fix="correct `inputs` and `outputs` of the model's catalogue entry, or the model",
            )
        return OnnxRuntimeSession(session, model, options, notes)

    def _open(self, path: Path, options: Options, settings: ort.SessionOptions | None = None) -> ort.InferenceSession:
        settings = settings or _settings(options.threads)
        try:
            return ort.InferenceSession(str(path), settings, providers=self._providers(options.device))
        except Exception as error:  # onnxruntime raises bare pybind exceptions of many types
            raise InputError(f"onnxruntime cannot load {path}: {error}", fix="verify the model file") from error

    def _kept(self, model: ModelFile, options: Options) -> tuple[ort.InferenceSession, dict[str, Any]] | None:
        """A session of the optimised graph in the store, made by the first; None where nothing can be kept."""
        if options.cache is None or self._providers(options.device) != _CPU or not model.path.is_file():
            return None
        folder = compiled.place(options.cache, self.name, model, onnxruntime=ort.__version__)

        def write(into: Path) -> dict[str, Any]:
            self._open(model.path, options, _saving(into))
            return {"integer_operators": _integer_operators(into / _GRAPH)}

        for _ in range(2):
            try:
                made = compiled.find(folder) or compiled.make(folder, write)
            except OSError:
                return None  # a store that is mounted read-only serves as it is
            settings = _settings(options.threads)
            settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            try:
                session = self._open(folder / _GRAPH, options, settings)
            except InputError:
                compiled.discard(folder)  # damaged: made again, once
            else:
                return session, {"integer_operators": made["integer_operators"], "graph": "optimised once"}
        return None


def _settings(threads: int) -> ort.SessionOptions:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    settings.log_severity_level = 3
    return settings


def _saving(into: Path) -> ort.SessionOptions:
    """Settings of a session that optimises as usual and writes what it made."""
    settings = _settings(1)
    settings.optimized_model_filepath = str(into / _GRAPH)
    prefix = "session.optimized_model_external_initializers"
    settings.add_session_config_entry(f"{prefix}_file_name", _WEIGHTS)
    settings.add_session_config_entry(f"{prefix}_min_size_in_bytes", str(_EMBEDDED_BYTES))
    return settings


def _integer_operators(graph: Path) -> int:
    import onnx  # noqa: PLC0415  only when a graph is kept

    nodes = onnx.load(graph, load_external_data=False).graph.node
    return sum(any(word in node.op_type for word in _INTEGER) for node in nodes)
