"""From a picture to a model's input, by a recipe: how the catalogue's data sets say it.

Keys of a recipe:

- `resolution`: rows and columns of the result.
- `resize`: `method` (area, linear: as OpenCV; bicubic: as Pillow), `shorter` (pixels of the shorter side), `longer`
  (whether the longer side is rounded `down` or to the `nearest` pixel).
- `normalise`: steps in float32, in order: `add`, `subtract`, `multiply`, `divide`, each with a number, or with one for
  each channel.
- `layout`: NCHW or NHWC. `channels`: RGB (the default) or BGR.

The middle of the resized picture is cut out. MLPerf's reference does the same for every model it has (inference
repository, vision/classification_and_detection/python/dataset.py); the order of the steps decides the last bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import InputError
from loadfleet.workloads.image_classification import resize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from PIL import Image

_STEPS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}


@dataclass(frozen=True)
class Recipe:
    """How pictures are prepared for one kind of model; see the module for the keys.

    Attributes:
        shape: Of one result.
    """

    resolution: int
    method: str
    shorter: int
    longer: str
    normalise: tuple[tuple[str, NDArray[np.float32]], ...]
    layout: str
    channels: str

    @classmethod
    def of(cls, recipe: Mapping[str, Any]) -> Recipe:
        """The recipe of a catalogue entry.

        Raises:
            InputError: A key is missing or unknown, or has a value that there is no rule for.
        """
        try:
            steps = tuple((name, np.float32(value)) for step in recipe["normalise"] for name, value in step.items())
            found = cls(
                resolution=int(recipe["resolution"]),
                method=recipe["resize"]["method"],
                shorter=int(recipe["resize"]["shorter"]),
                longer=recipe["resize"]["longer"],
                normalise=steps,  # type: ignore[arg-type]
                layout=recipe["layout"],
                channels=recipe.get("channels", "RGB"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the recipe {dict(recipe)} cannot be used: {error!r}",
                fix="correct it in the data set's catalogue entry",
            ) from error
        for value, known, key in (
            (found.method, (*resize.METHODS, "bicubic"), "resize.method"),
            (found.longer, ("down", "nearest"), "resize.longer"),
            (found.layout, ("NCHW", "NHWC"), "layout"),
            (found.channels, ("RGB", "BGR"), "channels"),
            *((name, tuple(_STEPS), "normalise") for name, _ in steps),
        ):
            if value not in known:
                raise InputError(f"{key} of a recipe is {value!r}", fix=f"use one of: {', '.join(known)}")
        if found.shorter < found.resolution:
            raise InputError(
                f"resize.shorter of a recipe is {found.shorter}, resolution is {found.resolution}",
                fix="the shorter side must hold what is cut out",
            )
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        size = self.resolution
        return (3, size, size) if self.layout == "NCHW" else (size, size, 3)

    def apply(self, picture: Image.Image) -> NDArray[np.float32]:
        """The model's input of a picture, C-contiguous."""
        pixels = self._cropped(self._resized(picture.convert("RGB")))
        if self.channels == "BGR":
            pixels = pixels[..., ::-1]
        values = pixels.astype(np.float32)
        for name, value in self.normalise:
            _STEPS[name](values, value, out=values)
        return np.ascontiguousarray(values.transpose(2, 0, 1) if self.layout == "NCHW" else values)

    def _resized(self, picture: Image.Image) -> NDArray[np.uint8]:
        width, height = (self._side(side, min(picture.size)) for side in picture.size)
        if self.method == "bicubic":
            from PIL import Image  # noqa: PLC0415  only preparing needs it

            return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        return resize.METHODS[self.method](np.asarray(picture), width, height)

    def _side(self, side: int, shortest: int) -> int:
        if self.longer == "nearest":
            return max(self.shorter, round(side * (self.shorter / shortest)))
        return self.shorter * side // shortest

    def _cropped(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        top, left = ((side - self.resolution) // 2 for side in pixels.shape[:2])
        return pixels[top : top + self.resolution, left : left + self.resolution]
