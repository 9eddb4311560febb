"""The protocol every backend fulfils: load a model, run batches of arrays, say what it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from loadfleet.backends import capabilities
from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from pathlib import Path

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ModelFile:
    """A model on disk.

    Attributes:
        path: The file in the store.
        inputs: Canonical input name -> the graph's name.
        outputs: Canonical output name -> the graph's name; empty when they are equal.
        shapes: Canonical output name -> `type` (of numpy) and `shape` as its workload declares them: numbers, `batch`,
            `width` (of the first input), or a word for a length that only the model knows.
        digest: Of the store entry; empty for a file from elsewhere.
        module: `package.module:function` that makes the network of weights that bring none (format safetensors).
    """

    path: Path
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    digest: str = ""
    module: str = ""


@dataclass(frozen=True)
class Options:
    """How a session runs.

    Attributes:
        device: `cpu`, `cuda`, `rocm`.
        threads: Threads inside one call.
        precision: What the model's numbers are computed in: `fp32`, or `bf16` where backend and processor have it.
            What a model has quantised itself stays as it is.
        cache: Folder for what the backend made of a model for this machine, such as an optimised graph; None keeps
            nothing.
        extra: Options of one backend alone, by name.
    """

    device: str = "cpu"
    threads: int = 1
    precision: str = "fp32"
    cache: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class Session(ABC):
    """A loaded model. `run` is called by one thread at a time."""

    @abstractmethod
    def run(self, inputs: Arrays) -> Arrays:
        """Canonical input arrays, batch first, to canonical output arrays."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Device and precision in use, as recorded in result.json."""

    def clone(self) -> Session | None:
        """A session over the same loaded model that may run at the same time as this one, as fast as one of its own.

        None where each instance has to load the model for itself.
        """
        return None


class Backend(ABC):
    """A framework that loads models."""

    name: ClassVar[str]

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Package versions that can change a number."""

    @abstractmethod
    def check_device(self, device: str) -> None:
        """Whether a device can be used here, before anything is loaded.

        Raises:
            InputError: The backend knows no such device.
            NotReadyError: The device is not usable here.
        """

    def precisions(self) -> list[str]:
        """What it computes natively on this processor, fp32 first. Asked of the framework and the processor."""
        return ["fp32"]

    def capabilities(self) -> dict[str, Any]:
        """What was found on this machine, as recorded in result.json: of the processor and of the framework."""
        return {"cpu": capabilities.cpu(), "precisions": self.precisions()}

    def check_precision(self, precision: str) -> None:
        """Whether a precision is computed natively here.

        Raises:
            NotReadyError: It is not.
        """
        able = self.precisions()
        if precision not in able:
            raise NotReadyError(
                f"benchmark_precision is {precision}, which {self.name} does not compute on this processor "
                f"({', '.join(able)})",
                fix="leave benchmark_precision unset for fp32",
            )

    @abstractmethod
    def load(self, model: ModelFile, options: Options) -> Session:
        """Load a model.

        Raises:
            InputError: The model's signature is not what its catalogue entry says, or the device is unknown.
            NotReadyError: The device or the precision is not usable here.
        """
