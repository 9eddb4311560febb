"""PyTorch on the CPU: networks of the harness's own modules, fp32 or bf16, eager or by `torch.compile`.

`torch.compile` makes kernels for single samples and for batches of any size and width, both in the first call, which
takes a minute or more. They are kept in the store, where later sessions find most of it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from loadfleet import catalogue
from loadfleet.backends import capabilities, compiled
from loadfleet.backends.base import Arrays, Backend, ModelFile, Options, Session
from loadfleet.errors import InputError, LoadfleetError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class PyTorchSession(Session):
    """One network. The threads of PyTorch belong to the process: of each calling thread, with OpenMP."""

    def __init__(self, network: Callable[..., dict[str, torch.Tensor]], model: ModelFile, options: Options) -> None:
        self._network = network
        self._model = model
        self._options = options
        self._first = bool(options.extra.get("compile"))
        self._inputs = list(model.inputs.items())
        self._outputs = dict(model.outputs)
        self._type = _TYPES[options.precision]
        torch.set_num_threads(options.threads)

    def run(self, inputs: Arrays) -> Arrays:
        if self._first:
            # Compiling in the middle of a run would be measured, and in the middle of a warm-up taken for speed.
            self._first = False
            for copies in (2, 1):
                self.run({name: np.repeat(values[:1], copies, axis=0) for name, values in inputs.items()})
        with torch.inference_mode():
            found = self._network(**{graph: self._tensor(inputs[name]) for name, graph in self._inputs})
        outputs = self._outputs or {name: name for name in found}
        return {name: found[graph].float().numpy() for name, graph in outputs.items()}

    def _tensor(self, values: NDArray[Any]) -> torch.Tensor:
        """Numbers become the network's type; indices stay what they are."""
        tensor = torch.from_numpy(values)
        return tensor.to(self._type) if tensor.is_floating_point() else tensor

    def describe(self) -> dict[str, Any]:
        return {
            "threads": torch.get_num_threads(),
            "compute_precision": self._options.precision,
            "compiled": bool(self._options.extra.get("compile")),
        }

    def clone(self) -> Session:
        return PyTorchSession(self._network, self._model, self._options)


class PyTorch(Backend):
    """The backend `pytorch`."""

    name = "pytorch"

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def check_device(self, device: str) -> None:
        devices: dict[str, list[str]] = catalogue.get("backend", self.name).data["devices"]
        if device not in devices:
            raise InputError(
                f"device {device!r} is not one of pytorch's ({', '.join(devices)})", fix="change benchmark_device"
            )

    def precisions(self) -> list[str]:
        native = capabilities.BF16 & set(capabilities.flags()) and torch.backends.mkldnn.is_available()
        return ["fp32", "bf16"] if native else ["fp32"]

    def capabilities(self) -> dict[str, Any]:
        return {**super().capabilities(), "torch": torch.backends.cpu.get_cpu_capability()}

    def load(self, model: ModelFile, options: Options) -> Session:
        self.check_device(options.device)
        self.check_precision(options.precision)
        network = self._make(model)
        inputs = sorted(inspect.signature(network.forward).parameters)
        if sorted(model.inputs.values()) != inputs:
            raise InputError(
                f"{model.path} has inputs {inputs}; its catalogue entry says {sorted(model.inputs.values())}",
                fix="correct `inputs` of the model's catalogue entry, or its `module`",
            )
        network = network.to(_TYPES[options.precision])
        if options.extra.get("compile"):
            _check_compiler()
            self._keep(model, options)
            if options.precision == "fp32":
                # Weights packed as the products read them: faster by more than half, in bf16 not at all, and compiled
                # anew in each process. Settings of the compiler belong to a thread, the environment to all.
                os.environ.setdefault("TORCHINDUCTOR_FREEZING", "1")
            network = torch.compile(network, dynamic=True)
        return PyTorchSession(network, model, options)

    def _keep(self, model: ModelFile, options: Options) -> None:
        """Let PyTorch's compiler keep what it makes in the store, where that can be written."""
        if options.cache is None:
            return
        folder = compiled.place(options.cache, self.name, model, torch=torch.__version__, precision=options.precision)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # mounted read-only: it is made anew in PyTorch's own place
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)

    def _make(self, model: ModelFile) -> torch.nn.Module:
        name, _, function = model.module.partition(":")
        try:
            make: Callable[..., torch.nn.Module] = getattr(importlib.import_module(name), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise NotReadyError(
                f"the network of {model.path} is made by {model.module!r}, which cannot be imported: {error}",
                fix="correct `module` of the model's catalogue entry",
            ) from error
        try:
            return make(model.path)
        except LoadfleetError as error:
            raise InputError(
                f"pytorch cannot load {model.path}: {error.message}", fix="verify the model file"
            ) from error


def _check_compiler() -> None:
    """Refuse early what would end in the compiler's own words in the middle of a warm-up.

    Raises:
        NotReadyError: There is no C++ compiler.
    """
    names = [os.environ.get("CXX", ""), "g++", "clang++"]
    if not any(shutil.which(name) for name in names if name):
        raise NotReadyError(
            "benchmark_backend_options has compile, which needs a C++ compiler; this host has neither g++ nor clang++",
            fix="install g++, or leave compile out",
        )
