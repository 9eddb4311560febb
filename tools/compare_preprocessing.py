"""Compares prepared images with those of MLPerf's reference implementation, number by number.

    python tools/compare_preprocessing.py INFERENCE PHOTOS...

INFERENCE is a clone of https://github.com/mlcommons/inference, PHOTOS are picture files. Needs OpenCV
(opencv-python-headless) beside Loadfleet. Ends with 1 when a number differs.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2  # type: ignore[import-not-found,unused-ignore]
import numpy as np
from PIL import Image

from loadfleet import catalogue
from loadfleet.workloads.image_classification.preprocessing import Recipe

# preprocessing of the catalogue -> function of the reference
FUNCTIONS = {
    "resnet50": "pre_process_vgg",
    "resnet50-nhwc": "pre_process_vgg",
    **{f"mobilenet-{side}": "pre_process_mobilenet" for side in (224, 192, 160, 128, 96)},
}


def main(inference: Path, photos: list[Path]) -> int:
    """Compare every recipe over all photos; 1 when one differs."""
    reference = load(inference / "vision/classification_and_detection/python/dataset.py")
    print(f"OpenCV {cv2.__version__}, {len(photos)} photos")
    worst = 0
    for name, function in FUNCTIONS.items():
        entry = catalogue.get("dataset", f"imagenet-2012-val-{name}").data
        recipe = Recipe.of(entry["artifact"]["build"]["parameters"]["recipe"])
        size, channels_first = recipe.resolution, recipe.layout == "NCHW"
        differing = 0
        for photo in photos:
            wanted = getattr(reference, function)(cv2.imread(str(photo)), [size, size, 3], channels_first)
            with Image.open(photo) as picture:
                differing += not np.array_equal(recipe.apply(picture), wanted)
        print(f"{name:16} {function:24} {'equal' if not differing else f'{differing} photos differ'}")
        worst = max(worst, differing)
    return int(worst > 0)


def load(path: Path) -> Any:
    """A Python file as a module."""
    found = importlib.util.spec_from_file_location("reference", path)
    if found is None or found.loader is None:
        sys.exit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
