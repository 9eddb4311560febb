"""Image classification on ImageNet's 1,000 classes, as MLPerf Inference defines the task `resnet50`.

`prepare` turns labelled pictures into the arrays that `dataset` serves, by a recipe of `preprocessing`; `answers`
judges an accuracy log. `photos` gathers the pictures that packages carry, `efficientnet_lite` builds the default
models. Nothing is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.workloads.base import Accuracy, Workload

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.workloads.image_classification.dataset import ImageDataset

__all__ = ["ImageClassification"]


class ImageClassification(Workload):
    """The class of a picture; metric top-1 accuracy, per cent."""

    def open(self, prepared: Path) -> ImageDataset:
        from loadfleet.workloads.image_classification.dataset import ImageDataset  # noqa: PLC0415  numpy is slow

        return ImageDataset(prepared)

    def accuracy(self, prepared: Path, log: Path) -> Accuracy:
        from loadfleet.workloads.image_classification.answers import accuracy  # noqa: PLC0415  numpy is slow

        return accuracy(prepared, log)
