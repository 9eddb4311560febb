"""The protocol every backend fulfils: load a model, run batches of arrays, say what it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

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
    """

    path: Path
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """How a session runs.

    Attributes:
        device: `cpu`, `cuda`, `rocm`.
        threads: Threads inside one call.
        precision: What the model's numbers are computed in: `fp32`, or `bf16` where backend and processor have it.
    """

    device: str = "cpu"
    threads: int = 1
    precision: str = "fp32"


class Session(ABC):
    """A loaded model. `run` is called by one thread at a time."""

    @abstractmethod
    def run(self, inputs: Arrays) -> Arrays:
        """Canonical input arrays, batch first, to canonical output arrays."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Device and precision in use, as recorded in result.json."""


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

    @abstractmethod
    def load(self, model: ModelFile, options: Options) -> Session:
        """Load a model.

        Raises:
            InputError: The model's signature is not what its catalogue entry says, or the device is unknown.
            NotReadyError: The device is not usable here.
        """
