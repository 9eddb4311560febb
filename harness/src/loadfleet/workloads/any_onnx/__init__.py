"""The workload `onnx`: any model, run on made inputs. Its answers are neither right nor wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.errors import InputError
from loadfleet.workloads.any_onnx.dataset import MadeInputs
from loadfleet.workloads.base import Accuracy, Workload

if TYPE_CHECKING:
    from pathlib import Path


class AnyOnnx(Workload):
    """Inputs that were made from a model's signature."""

    name = "onnx"

    def open(self, prepared: Path) -> MadeInputs:
        return MadeInputs(prepared)

    def accuracy(self, prepared: Path, log: Path) -> Accuracy:
        raise InputError(
            "the workload onnx has no accuracy: its inputs are made, so that no answer is right or wrong",
            fix="set benchmark_modes: [performance]",
        )
