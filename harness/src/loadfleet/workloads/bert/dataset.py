"""Prepared features as batches of input arrays, and model outputs as LoadGen responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import BadResultError, InputError
from loadfleet.workloads.base import Dataset
from loadfleet.workloads.prepared import Form

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORM = Form("SQuAD features", version=1)  # as `features` writes them
INPUTS = ("input_ids", "input_mask", "segment_ids")
OUTPUTS = ("output_start_logits", "output_end_logits")
# Logit of positions beyond the sample, as the reference accuracy script pads short responses.
PADDING_LOGIT = np.float32(-10000.0)


class SquadDataset(Dataset):
    """The arrays of a prepared folder, mapped; shapes are in the docstring of `features`.

    Attributes:
        width: Longest sample the recipe allows, and positions of a response (384).
        questions: Number of questions.
    """

    def __init__(self, prepared: Path) -> None:
        recipe = FORM.recipe(prepared)
        self.prepared = prepared
        self.count = int(recipe["features"])
        self.width = int(recipe["max_sequence_length"])
        self.questions = int(recipe["questions"])
        self.input_ids = mapped(prepared, "input_ids", int(recipe["tokens"]))
        self.offsets = mapped(prepared, "offsets", self.count + 1)
        self.document_start = mapped(prepared, "document_start", self.count)
        self.lengths: NDArray[np.int32] = np.diff(self.offsets).astype(np.int32)
        self._begin = np.ascontiguousarray(self.offsets[:-1])
        self._positions = np.arange(self.width, dtype=np.int64)

    def batch(self, indices: NDArray[np.int64], width: int | None = None) -> dict[str, NDArray[Any]]:
        lengths = self._lengths(indices)
        longest = int(lengths.max(initial=1))
        if width is None:
            width = longest
        elif width < longest:
            raise InputError(
                f"a sample has {longest} tokens, the model takes {width}",
                fix=f"use a model of at least {self.width} positions",
            )
        position = self._positions[:width] if width <= self.width else np.arange(width, dtype=np.int64)
        inside = position < lengths[:, None]
        # Positions beyond a sample read a neighbour's token ("clip": past the last sample) and are zeroed.
        ids = self.input_ids.take(self._begin[indices][:, None] + position, mode="clip").astype(np.int64)
        ids *= inside
        segments = inside & (position >= self.document_start[indices][:, None])
        return {"input_ids": ids, "input_mask": inside.astype(np.int64), "segment_ids": segments.astype(np.int64)}

    def respond(self, indices: NDArray[np.int64], outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        lengths = self._lengths(indices)
        response = np.full((len(indices), self.width, 2), PADDING_LOGIT, np.float32)
        for channel, name in enumerate(OUTPUTS):
            logits = outputs.get(name)
            if logits is None:
                raise BadResultError(
                    f"the model gave {', '.join(outputs) or 'nothing'}, {name} is missing",
                    fix="map the model's outputs to the names of the workload in its catalogue entry",
                )
            if logits.ndim != 2 or len(logits) != len(indices) or logits.shape[1] < lengths.max(initial=0):
                raise BadResultError(
                    f"{name} has shape {list(logits.shape)}, expected "
                    f"[{len(indices)}, at least {lengths.max(initial=0)}]",
                    fix="use a model that answers every position of every sample",
                )
            used = min(logits.shape[1], self.width)
            inside = self._positions[:used] < lengths[:, None]
            np.copyto(response[:, :used, channel], logits[:, :used], where=inside, casting="same_kind")
        return response

    def _lengths(self, indices: NDArray[np.int64]) -> NDArray[np.int32]:
        if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= self.count):
            wrong = indices[(indices < 0) | (indices >= self.count)][0]
            raise InputError(f"sample {wrong} does not exist: the data set has {self.count}")
        lengths: NDArray[np.int32] = self.lengths[indices]
        return lengths


def mapped(prepared: Path, name: str, length: int) -> NDArray[Any]:
    """An array of the folder, of one dimension.

    Raises:
        NotReadyError: It is missing, or of another length.
    """
    array = FORM.array(prepared, name)
    if array.shape != (length,):
        raise FORM.not_ready(prepared, f"{name}.npy has shape {list(array.shape)}, recipe.json says {length}")
    return array
