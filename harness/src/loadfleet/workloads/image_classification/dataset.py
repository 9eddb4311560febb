"""Prepared pictures as batches, and model outputs as LoadGen responses.

A model gives one of the outputs below; its catalogue entry says which of its graph's outputs that is.

| canonical name | content |
| --- | --- |
| `label` | int [B], class 0..999 |
| `label_after_background` | int [B], class 1..1000; 0 is the background class |
| `scores` | float [B, 1000], or [B, 1001] where the first is the background class; the highest wins |
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.workloads.base import Dataset
from loadfleet.workloads.prepared import Gather

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# Version of the files' layout and content; `prepare` writes it, older folders are prepared again.
LAYOUT_VERSION = 1
INPUT = "image"
CLASSES = 1000
_AGAIN = "prepare the data set again"
_OUTPUTS = ("label", "label_after_background", "scores")


class ImageDataset(Dataset):
    """The arrays of a prepared folder, mapped.

    Attributes:
        images: float32 [N, 3, H, W], or [N, H, W, 3], as the recipe has it.
        labels: int32 [N], class 0..999.
    """

    def __init__(self, prepared: Path) -> None:
        recipe = _recipe(prepared)
        self.count = int(recipe["images"])
        self.images: NDArray[np.float32] = _mapped(prepared, "images", self.count)
        self.labels: NDArray[np.int32] = _mapped(prepared, "labels", self.count)
        self.lengths = np.ones(self.count, np.int32)
        self._gather = Gather(self.images)

    def batch(self, indices: NDArray[np.int64], width: int | None = None) -> dict[str, NDArray[Any]]:
        numbers = indices.tolist()
        if not numbers or min(numbers) < 0 or max(numbers) >= self.count:
            raise InputError(
                f"samples {numbers[:5]}: the data set has 0 .. {self.count - 1}", fix="ask for samples of the data set"
            )
        return {INPUT: self._gather.rows(numbers)}

    def load(self, indices: Sequence[int]) -> None:
        for index in indices:
            self.images[index].max()  # reads each page once, from the disk if it has to be

    def respond(self, indices: NDArray[np.int64], outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """float32 [B]: the class, as the reference implementation logs it."""
        name = next((known for known in _OUTPUTS if known in outputs), None)
        if name is None:
            raise BadResultError(
                f"the model gave {', '.join(outputs) or 'nothing'}, none of {', '.join(_OUTPUTS)}",
                fix="map one of the model's outputs to one of these names in its catalogue entry",
            )
        found, count, scores = outputs[name], len(indices), name == "scores"
        background = found.shape == (count, CLASSES + 1) if scores else name == "label_after_background"
        if found.shape != ((count, CLASSES + background) if scores else (count,)):
            wanted = f"{[count, CLASSES]} or {[count, CLASSES + 1]}" if scores else f"{[count]}"
            raise BadResultError(
                f"{name} has shape {list(found.shape)}, expected {wanted}",
                fix=f"use a model that classifies every image into {CLASSES} classes",
            )
        labels = found.argmax(axis=1) if scores else found
        return np.ascontiguousarray(labels - background, np.float32)


def _recipe(prepared: Path) -> dict[str, Any]:
    try:
        recipe: dict[str, Any] = json.loads((prepared / "recipe.json").read_text(encoding="utf-8"))
        version, count = recipe["version"], recipe["images"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReadyError(f"{prepared}: recipe.json cannot be read: {error}", fix=_AGAIN) from error
    if version != LAYOUT_VERSION or not isinstance(count, int) or count < 1:
        raise NotReadyError(
            f"{prepared}: recipe.json has version {version} and {count} images, expected version {LAYOUT_VERSION}",
            fix=_AGAIN,
        )
    return recipe


def _mapped(prepared: Path, name: str, count: int) -> NDArray[Any]:
    path = prepared / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise NotReadyError(f"{path}: cannot be mapped: {error}", fix=_AGAIN) from error
    if len(array) != count:
        raise NotReadyError(f"{path}: has {len(array)} rows instead of {count}", fix=_AGAIN)
    return np.asarray(array)  # plain views of it cost less than mapped ones
