"""Object detection, as MLPerf Inference defines the task `retinanet` on Open Images.

`pictures` prepares a data set, `dataset` serves it, `precision` judges an accuracy log, `model` expands the embedded
detector to ONNX, `collages` makes more pictures of few. Nothing is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.workloads.base import Accuracy, Workload

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.workloads.object_detection.dataset import DetectionDataset

__all__ = ["ObjectDetection"]


class ObjectDetection(Workload):
    """Boxes around things in pictures; metric mAP over intersections of 50 to 95 %, per cent."""

    def open(self, prepared: Path) -> DetectionDataset:
        from loadfleet.workloads.object_detection.dataset import DetectionDataset  # noqa: PLC0415  numpy is slow

        return DetectionDataset(prepared)

    def accuracy(self, prepared: Path, log: Path) -> Accuracy:
        from loadfleet.workloads.object_detection.precision import accuracy  # noqa: PLC0415  pycocotools is slow

        return accuracy(prepared, log)
