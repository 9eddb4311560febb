"""From logged classes to top-1 accuracy.

As MLPerf's accuracy script (inference repository, vision/classification_and_detection/tools/accuracy-imagenet.py): the
first answer to each sample counts, a label is one float32, and the share is of the samples that were answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loadfleet.errors import BadResultError
from loadfleet.workloads import accuracy_log
from loadfleet.workloads.base import Accuracy
from loadfleet.workloads.image_classification.dataset import CLASSES, ImageDataset

if TYPE_CHECKING:
    from pathlib import Path


def accuracy(prepared: Path, log: Path) -> Accuracy:
    """Top-1 accuracy over the samples that have a response; see `Workload.accuracy` for the errors."""
    dataset = ImageDataset(prepared)
    good = total = 0
    for index, data in accuracy_log.entries(log, dataset.count):
        good += _label(log, index, data) == dataset.labels[index]
        total += 1
    value = 100.0 * int(good) / total
    return Accuracy(
        metric="acc",
        value=value,
        values={"acc": value},
        line=f"accuracy={value:.3f}%, good={int(good)}, total={total}",
        samples=total,
        total=dataset.count,
    )


def _label(log: Path, index: int, data: bytes) -> float:
    if len(data) != 4:
        raise BadResultError(
            f"{log}: the response to sample {index} has {len(data)} bytes, expected 4 (a float32 label)",
            fix="log the class of the image as one float32",
        )
    label = float(np.frombuffer(data, "<f4")[0])
    if not (label.is_integer() and -1 <= label < CLASSES):  # -1 is the background class
        raise BadResultError(
            f"{log}: the response to sample {index} is {label:g}, no class 0..{CLASSES - 1}",
            fix="check the model and its precision",
        )
    return label
