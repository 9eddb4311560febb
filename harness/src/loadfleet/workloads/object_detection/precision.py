"""From logged detections to mean average precision, by pycocotools, as MLPerf's accuracy script computes it.

The script is vision/classification_and_detection/tools/accuracy-openimages.py of MLCommons' inference repository: boxes
are scaled to the picture's own size in single precision, labels are the ids of the categories, and the pictures that
count are those in the log.
"""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import BadResultError
from loadfleet.workloads import accuracy_log
from loadfleet.workloads.base import Accuracy
from loadfleet.workloads.object_detection.dataset import COLUMNS, FORM

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pycocotools.coco import COCO

# What pycocotools' twelve numbers are, in the order of its table.
NAMES = (
    *("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
)


# Categories that are evaluated at a time. They have nothing to do with each other, and pycocotools keeps an object for
# every category of every picture: all 264 of the official data set at once take 10 GB.
_CATEGORIES = 32


def accuracy(prepared: Path, log: Path) -> Accuracy:
    """Mean average precision over the pictures that have a response; see `Workload.accuracy` for the errors."""
    recipe = FORM.recipe(prepared)
    truth = _annotations(prepared)
    detections, logged = _detections(truth["images"], log)
    values, table = evaluate(truth, detections, [truth["images"][index]["id"] for index in logged])
    return Accuracy(
        metric="mAP",
        value=values["mAP"],
        values=values,
        line=f"mAP={values['mAP']:.3f}%",
        table=table,
        samples=len(logged),
        total=int(recipe["images"]),
    )


def evaluate(
    truth: dict[str, Any], detections: NDArray[np.float64], pictures: list[int]
) -> tuple[dict[str, float], str]:
    """The twelve numbers, per cent, and pycocotools' table of them.

    Args:
        truth: What is in the pictures, in COCO's format.
        detections: float64 [D, 7]: id of the picture, xmin, ymin, width, height (pixels), score, id of the category.
        pictures: Ids of the pictures that count.

    Returns:
        Numbers by name, without those that nothing in the pictures decides; the table's lines.
    """
    from pycocotools.coco import COCO  # noqa: PLC0415  slow to import, and only for judging
    from pycocotools.cocoeval import COCOeval  # noqa: PLC0415

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        known = COCO()
        known.dataset = truth
        known.createIndex()
        found = known.loadRes(detections) if len(detections) else _nothing(truth)
        kinds = sorted(known.getCatIds())
        parts = []
        for start in range(0, len(kinds), _CATEGORIES):
            evaluation = COCOeval(known, found, iouType="bbox")
            evaluation.params.imgIds, evaluation.params.catIds = pictures, kinds[start : start + _CATEGORIES]
            evaluation.evaluate()
            evaluation.accumulate()
            parts.append(evaluation.eval)
        for name, axis in (("precision", 2), ("recall", 1)):
            evaluation.eval[name] = np.concatenate([part[name] for part in parts], axis)
        said.truncate(0)
        said.seek(0)
        evaluation.summarize()
    numbers = {name: 100 * float(number) for name, number in zip(NAMES, evaluation.stats, strict=True)}
    # -1 stands for "no such thing in the pictures"; nothing at all in them makes the mean undefined, which is no result
    decided = {name: number for name, number in numbers.items() if number >= 0}
    return {"mAP": 0.0, **decided}, said.getvalue().rstrip("\n")


def _nothing(truth: dict[str, Any]) -> COCO:
    """A result without any detection: pycocotools cannot load an empty one."""
    from pycocotools.coco import COCO  # noqa: PLC0415

    empty = COCO()
    empty.dataset = {"images": truth["images"], "categories": truth["categories"], "annotations": []}
    empty.createIndex()
    return empty


def _detections(images: list[dict[str, Any]], log: Path) -> tuple[NDArray[np.float64], list[int]]:
    """Detections as `evaluate` takes them, and the samples in the log."""
    found: list[NDArray[Any]] = []
    logged: list[int] = []
    for index, data in accuracy_log.entries(log, len(images)):
        logged.append(index)
        rows = _rows(log, index, data)
        height, width = (np.float32(images[index][key]) for key in ("height", "width"))
        ymin, xmin, ymax, xmax = rows[:, 1] * height, rows[:, 2] * width, rows[:, 3] * height, rows[:, 4] * width
        whose = np.full(len(rows), images[index]["id"], np.float64)
        found.append(np.stack([whose, xmin, ymin, xmax - xmin, ymax - ymin, rows[:, 5], np.trunc(rows[:, 6])], axis=1))
    return np.concatenate(found), logged


def _rows(log: Path, index: int, data: bytes) -> NDArray[np.float32]:
    """One response as float32 [detections, 7]."""
    if len(data) % (4 * COLUMNS):
        raise BadResultError(
            f"{log}: the response to sample {index} has {len(data)} bytes, expected a multiple of {4 * COLUMNS} "
            f"(float32 [detections, {COLUMNS}])",
            fix="log sample, ymin, xmin, ymax, xmax, score and label, float32, for each detection",
        )
    rows = np.frombuffer(data, "<f4").reshape(-1, COLUMNS)
    if not np.isfinite(rows).all():
        raise BadResultError(
            f"{log}: the response to sample {index} holds NaN or infinity", fix="check the model and its precision"
        )
    if (rows[:, 0] != index).any():
        raise BadResultError(
            f"{log}: the response to sample {index} says that it is of sample {rows[rows[:, 0] != index][0, 0]:g}",
            fix="the first number of a detection is the sample it was found in",
        )
    return rows


def _annotations(prepared: Path) -> dict[str, Any]:
    try:
        truth: dict[str, Any] = json.loads((prepared / "annotations.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FORM.not_ready(prepared, f"annotations.json cannot be read: {error}") from error
    return truth
