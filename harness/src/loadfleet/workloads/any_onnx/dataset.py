"""Made inputs as batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet import files
from loadfleet.errors import InputError, NotReadyError
from loadfleet.workloads.any_onnx.inputs import INDEX, SCHEMA_VERSION
from loadfleet.workloads.base import Dataset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

# What the samples of a usual batch cost together, as the workload's catalogue entry has it.
_BATCH_COST = 1024
# Samples in a usual batch of a graph that takes any number: more of them fall out of the processor's caches.
_USUAL_BATCH = 8


class MadeInputs(Dataset):
    """Inputs made for one model.

    A graph of a fixed batch always gets its number of samples: the last one is repeated where there are fewer. A graph
    without a dimension for samples gets one at a time.

    Args:
        prepared: What `inputs.build` wrote.

    Raises:
        NotReadyError: A file is missing or was written by another version.
    """

    def __init__(self, prepared: Path) -> None:
        try:
            index = _index(prepared)
            self._arrays = {
                each["name"]: np.load(prepared / each["file"], mmap_mode="r", allow_pickle=False)
                for each in index["inputs"]
            }
        except (OSError, ValueError, KeyError) as error:
            raise NotReadyError(
                f"the made inputs in {prepared} cannot be used: {error}", fix="prepare again"
            ) from error
        self.count = int(index["samples"])
        self._batch = int(index["batch"])
        self._joined = bool(index["joined"])
        each = _BATCH_COST // min(self._batch or _USUAL_BATCH, _BATCH_COST)
        self.lengths = np.full(self.count, each, np.int32)

    def batch(self, indices: NDArray[np.int64], width: int | None = None) -> dict[str, NDArray[Any]]:
        if len(indices) == 0 or indices.min() < 0 or indices.max() >= self.count:
            raise InputError(f"sample indices must lie in 0..{self.count - 1}, not {indices.tolist()[:8]}")
        if self._batch and len(indices) > self._batch:
            raise InputError(f"{len(indices)} samples for a model that takes {self._batch}", fix="see max_batch")
        if not self._joined:
            return {name: np.array(array[indices[0]]) for name, array in self._arrays.items()}
        if self._batch:
            indices = np.concatenate([indices, np.repeat(indices[-1:], self._batch - len(indices))])
        return {name: array[indices] for name, array in self._arrays.items()}

    def respond(self, indices: NDArray[np.int64], outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """One byte a sample: that it was answered. Nobody can judge what the answer is."""
        return np.zeros((len(indices), 1), np.uint8)


def _index(prepared: Path) -> dict[str, Any]:
    index: dict[str, Any] = files.read_json(prepared / INDEX)
    if index["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema_version {index['schema_version']}")
    return index
