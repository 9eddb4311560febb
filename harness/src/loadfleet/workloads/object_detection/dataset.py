"""Prepared pictures as batches of input arrays, and detections as LoadGen responses.

Files of a prepared folder (N pictures of side S):

- `images.npy` [N, 3, S, S], RGB: float32 in 0..1, or uint8 in 0..255, which a batch turns into the former
- `annotations.json`, what is in the pictures, in COCO's format, `images` in the order of the samples
- `recipe.json`, version, side, number and type
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import BadResultError, InputError
from loadfleet.workloads.base import Dataset
from loadfleet.workloads.prepared import Form, Gather

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORM = Form("pictures", version=1)  # as `pictures` writes them
TYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype(np.float32), "uint8": np.dtype(np.uint8)}
# Floats of one detection in a response: sample, ymin, xmin, ymax, xmax, score, label.
COLUMNS = 7
# Detections below it are not answered: the threshold of MLPerf's reference implementation
# (inference repository, vision/classification_and_detection/python/main.py, the data sets of retinanet).
SCORE_THRESHOLD = 0.05
_PAGE = 4096


class DetectionDataset(Dataset):
    """The pictures of a prepared folder, mapped.

    Attributes:
        side: Width and height of the pictures as the model gets them; its boxes are in these units.
    """

    def __init__(self, prepared: Path) -> None:
        recipe = FORM.recipe(prepared)
        self.prepared = prepared
        self.count = int(recipe["images"])
        self.side = int(recipe["side"])
        self.lengths: NDArray[np.int32] = np.ones(self.count, np.int32)
        expected = (self.count, 3, self.side, self.side)
        images = FORM.array(prepared, "images")
        if images.shape != expected or images.dtype != TYPES.get(recipe["type"]):
            raise FORM.not_ready(
                prepared,
                f"images.npy is {images.dtype} {list(images.shape)}, "
                f"recipe.json says {recipe['type']} {list(expected)}",
            )
        self.images = images
        self._gather = Gather(images)

    def load(self, indices: Sequence[int]) -> None:
        for index in indices:
            self.images[index].reshape(-1).view(np.uint8)[::_PAGE].max()

    def batch(self, indices: NDArray[np.int64], width: int | None = None) -> dict[str, NDArray[Any]]:
        if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= self.count):
            wrong = indices[(indices < 0) | (indices >= self.count)][0]
            raise InputError(f"sample {wrong} does not exist: the data set has {self.count}")
        pictures = self._gather.rows(indices.tolist())
        if pictures.dtype != np.float32:
            pictures = np.divide(pictures, np.float32(255), dtype=np.float32)
        return {"images": pictures}

    def respond(self, indices: NDArray[np.int64], outputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """One float32 [detections, 7] a picture: sample, ymin, xmin, ymax, xmax (in 0..1), score, label.

        The model's outputs are `boxes` [D, 4] (xmin, ymin, xmax, ymax in pixels of its input), `scores` [D] and
        `labels` [D] of one picture, or the same with a leading batch dimension.
        """
        boxes, scores, labels = self._checked(indices, outputs)
        rows = []
        for position, index in enumerate(indices.tolist()):
            kept = np.flatnonzero(scores[position] >= SCORE_THRESHOLD)
            row = np.empty((len(kept), COLUMNS), np.float32)
            row[:, 0] = index
            row[:, 1:5] = boxes[position][kept][:, (1, 0, 3, 2)] / np.float32(self.side)
            row[:, 5] = scores[position][kept]
            row[:, 6] = labels[position][kept]
            rows.append(row)
        return rows

    def _checked(
        self, indices: NDArray[np.int64], outputs: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        missing = [name for name in ("boxes", "scores", "labels") if name not in outputs]
        if missing:
            raise BadResultError(
                f"the model gave {', '.join(outputs) or 'nothing'}, {', '.join(missing)} is missing",
                fix="map the model's outputs to the names of the workload in its catalogue entry",
            )
        boxes, scores, labels = (np.asarray(outputs[name]) for name in ("boxes", "scores", "labels"))
        if boxes.ndim == 2 and len(indices) == 1:
            boxes, scores, labels = boxes[None], scores[None], labels[None]
        expected = (len(indices), boxes.shape[1] if boxes.ndim == 3 else -1)
        if boxes.shape != (*expected, 4) or scores.shape != expected or labels.shape != expected:
            shapes = ", ".join(f"{name} {list(np.shape(outputs[name]))}" for name in ("boxes", "scores", "labels"))
            raise BadResultError(
                f"{shapes} for {len(indices)} pictures; expected boxes [detections, 4], scores and labels [detections]"
                f"{'' if len(indices) == 1 else ', each with a leading batch dimension'}",
                fix="use a model that answers so, or say max_batch: 1 in the catalogue entry of one that takes "
                "a picture at a time",
            )
        return boxes, scores, labels
