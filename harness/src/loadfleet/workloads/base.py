"""What a workload offers to the engine: samples as batches, responses as bytes, accuracy from LoadGen's log.

The engine (`loadfleet.loadgen`, `loadfleet.cell`) knows these classes and nothing else about a workload.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    # One answer a sample: an array [B, ...], or a list of B arrays of any length each; all C-contiguous.
    Rows = NDArray[Any] | list[NDArray[Any]]


@dataclass(frozen=True)
class Accuracy:
    """What an accuracy log is worth.

    Args:
        metric: Name of the metric a target is set for, as in `values` ("f1", "acc").
        value: Its value, per cent.
        values: All metrics of the workload, per cent, under the names of the official accuracy script.
        line: The line of `accuracy.txt` that MLCommons' submission checker searches, without a newline.
        samples: Distinct samples of the data set found in the log.
        total: Samples of the data set; a subset (`samples < total`) must not be judged against a target.
        table: What else the task's own evaluation prints, above that line in `accuracy.txt`.
    """

    metric: str
    value: float
    values: Mapping[str, float] = field(default_factory=dict)
    line: str = ""
    samples: int = 0
    total: int = 0
    table: str = ""

    @property
    def text(self) -> str:
        """The content of `accuracy.txt`."""
        return "\n".join(part for part in (self.table, self.line) if part) + "\n"


class Dataset(ABC):
    """Prepared samples, memory-mapped. All methods may be called from several threads at once.

    Attributes:
        count: Number of samples (LoadGen's total sample count); indices are 0 .. count - 1.
        lengths: int32 [count], the cost of each sample (for text: tokens). The engine sorts and batches by it.
    """

    count: int
    lengths: NDArray[np.int32]

    def load(self, indices: Sequence[int]) -> None:
        """LoadGen asks for no other samples until it calls again; not timed. Data on a disk comes into memory here."""

    @abstractmethod
    def batch(self, indices: NDArray[np.int64], width: int | None = None) -> dict[str, NDArray[Any]]:
        """The model's inputs for some samples.

        Args:
            indices: int64 [B], sample indices in the order wanted; repeats are allowed.
            width: Pad to this length (for models of a fixed shape); the longest sample of the batch when None.

        Returns:
            Canonical input name -> C-contiguous array [B, ...], valid until the calling thread asks for its next batch.

        Raises:
            InputError: An index lies outside 0 .. count - 1, or a sample is longer than `width`.
        """

    @abstractmethod
    def respond(self, indices: NDArray[np.int64], outputs: Mapping[str, NDArray[Any]]) -> Rows:
        """What LoadGen is given for a batch.

        Args:
            indices: int64 [B], as given to `batch`.
            outputs: Canonical output name -> array [B, ...] of the model, rows as in `indices`.

        Returns:
            C-contiguous array [B, ...], or a list of B C-contiguous arrays where answers differ in length; the bytes
            of row i are exactly what LoadGen logs for `indices[i]`.

        Raises:
            BadResultError: An output is missing or its shape does not fit the batch.
        """


class Workload(ABC):
    """A task: its data set, what goes into and comes out of the model, and how answers are judged."""

    @abstractmethod
    def open(self, prepared: Path) -> Dataset:
        """Map the prepared arrays of a store entry (no copy; a fraction of a second).

        Raises:
            NotReadyError: The folder lacks a file, or was written by another version of the recipe.
        """

    @abstractmethod
    def accuracy(self, prepared: Path, log: Path) -> Accuracy:
        """Judge an accuracy log of LoadGen (`mlperf_log_accuracy.json`), read as a stream.

        Only samples in the log count. When LoadGen logged a sample more than once, the first entry counts.

        Raises:
            NotReadyError: As `open`.
            InputError: The log is missing.
            BadResultError: The log is empty, truncated, or holds an entry that is no response of this workload.
        """
