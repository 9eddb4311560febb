"""More pictures of few: two or four of them in one, scaled and mirrored by a seed, with exact boxes.

The same pictures and seed give the same collages: everything is integer arithmetic.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

WIDTH, HEIGHT = 800, 600
_GRIDS = ((1, 2), (2, 2))  # rows and columns
_SMALLEST = 0.7  # of the room that a picture has in its cell


def add(
    truth: Mapping[str, Any], pictures: Mapping[int, NDArray[np.uint8]], *, number: int, seed: int
) -> tuple[list[NDArray[np.uint8]], dict[str, Any]]:
    """Collages, and the annotations with theirs added.

    Args:
        truth: Annotations in COCO's format.
        pictures: uint8 [height, width, 3] by position in `truth["images"]`, all of them.
        number: How many to make.
        seed: Of everything that is drawn.

    Returns:
        uint8 [600, 800, 3] each; annotations in COCO's format, those of the collages last.
    """
    draw = random.Random(seed)  # noqa: S311  no secret
    images, annotations = list(truth["images"]), list(truth["annotations"])
    boxes: dict[int, list[Mapping[str, Any]]] = {image["id"]: [] for image in images}
    for annotation in truth["annotations"]:
        boxes[annotation["image_id"]].append(annotation)
    found = []
    for count in range(number):
        identifier = max(image["id"] for image in images) + 1
        images.append({"id": identifier, "file_name": f"collage-{count:03d}", "height": HEIGHT, "width": WIDTH})
        rows, columns = _GRIDS[draw.randrange(len(_GRIDS))]
        chosen = draw.sample(range(len(pictures)), min(rows * columns, len(pictures)))
        canvas = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        canvas[:] = pictures[chosen[0]].reshape(-1, 3).astype(np.int64).sum(0) // (pictures[chosen[0]].size // 3)
        cell = WIDTH // columns, HEIGHT // rows
        for place, index in enumerate(chosen):
            corner = place % columns * cell[0], place // columns * cell[1]
            known = boxes[truth["images"][index]["id"]]
            for category, box in _paste(canvas, corner, cell, pictures[index], known, draw):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": identifier,
                        "category_id": category,
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                    }
                )
        found.append(canvas)
    return found, {**truth, "images": images, "annotations": annotations}


def _paste(
    canvas: NDArray[np.uint8],
    corner: tuple[int, int],
    cell: tuple[int, int],
    picture: NDArray[np.uint8],
    known: Sequence[Mapping[str, Any]],
    draw: random.Random,
) -> list[tuple[int, list[float]]]:
    """Put a picture somewhere into its cell; category and box (xmin, ymin, width, height) of what is in it."""
    from PIL import Image  # noqa: PLC0415  only when pictures are prepared

    height, width = picture.shape[:2]
    factor = min(cell[0] / width, cell[1] / height) * (_SMALLEST + (1 - _SMALLEST) * draw.random())
    size = max(1, int(width * factor)), max(1, int(height * factor))
    mirrored = draw.randrange(2) == 1
    left = corner[0] + draw.randrange(cell[0] - size[0] + 1)
    top = corner[1] + draw.randrange(cell[1] - size[1] + 1)
    scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    canvas[top : top + size[1], left : left + size[0]] = scaled[:, ::-1] if mirrored else scaled
    found = []
    for annotation in known:
        x, y, w, h = annotation["bbox"]
        begin = width - x - w if mirrored else x
        across, down = size[0] / width, size[1] / height
        box = [left + begin * across, top + y * down, w * across, h * down]
        found.append((int(annotation["category_id"]), [round(number, 3) for number in box]))
    return found
