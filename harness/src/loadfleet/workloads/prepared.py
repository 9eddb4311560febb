"""The folder of a prepared data set: `recipe.json`, which says by which version of a recipe it was made, and arrays."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Form:
    """How a workload's folders look.

    Attributes:
        what: They hold, in words.
        version: Of the files' layout and content; folders of another one are prepared again.
    """

    what: str
    version: int

    def recipe(self, folder: Path) -> dict[str, Any]:
        """What a folder holds.

        Raises:
            NotReadyError: It is no prepared folder of this version.
        """
        try:
            recipe: dict[str, Any] = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
            version = recipe["version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self.not_ready(folder, f"recipe.json cannot be read: {error}") from error
        if version != self.version:
            raise self.not_ready(folder, f"prepared by recipe {version}, this version needs {self.version}")
        return recipe

    def array(self, folder: Path, name: str) -> NDArray[Any]:
        """A plain array over the pages of `name`.npy: a `memmap` object costs several microseconds at each indexing.

        Raises:
            NotReadyError: The file is missing or no array.
        """
        try:
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError) as error:
            raise self.not_ready(folder, f"{name}.npy cannot be mapped: {error}") from error

    def not_ready(self, folder: Path, why: str) -> NotReadyError:
        """The error for a folder that is not as it was prepared."""
        return NotReadyError(f"{folder}: no prepared {self.what}: {why}", fix="prepare the data set again")


class Gather:
    """Rows of a large array, side by side.

    One row, or neighbours, are a view. Others are copied to where the calling thread had the ones before: memory that
    is new each time costs as much again as the copy.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self._kept = threading.local()

    def rows(self, numbers: list[int]) -> NDArray[Any]:
        """The rows, in this order; valid until the thread asks again."""
        first, count = numbers[0], len(numbers)
        if numbers == list(range(first, first + count)):
            return self._array[first : first + count]
        kept: NDArray[Any] | None = getattr(self._kept, "memory", None)
        if kept is None or len(kept) < count:
            kept = self._kept.memory = np.empty((count, *self._array.shape[1:]), self._array.dtype)
        for place, number in enumerate(numbers):
            kept[place] = self._array[number]
        return kept[:count]


def write_json(path: Path, value: object) -> None:
    """The same value always gives the same bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
