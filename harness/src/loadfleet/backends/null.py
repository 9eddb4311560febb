"""Answers at once with zeros: what is left of a run is LoadGen and the harness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.backends.base import Arrays, Backend, ModelFile, Options, Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class NullSession(Session):
    """Zeros in the shapes that the workload declares; without a declaration, in the shape of the first input.

    A length that only a model knows (detections of an image) is 0.
    """

    def __init__(self, model: ModelFile) -> None:
        self._shapes = {name: model.shapes.get(name, {}) for name in model.outputs or model.shapes}

    def run(self, inputs: Arrays) -> Arrays:
        given = next(iter(inputs.values())).shape
        known = {"batch": given[0], "width": given[1] if len(given) > 1 else 1}
        return {
            name: np.zeros(_shape(declared, given, known), declared.get("type", "float32"))
            for name, declared in self._shapes.items()
        }

    def describe(self) -> dict[str, Any]:
        return {"threads": 0}


def _shape(declared: Mapping[str, Any], given: Sequence[int], known: Mapping[str, int]) -> list[int]:
    return [size if isinstance(size, int) else known.get(size, 0) for size in declared.get("shape", given)]


class Null(Backend):
    """The backend `null`."""

    name = "null"

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def check_device(self, device: str) -> None:
        """Every device answers nothing equally fast."""

    def load(self, model: ModelFile, options: Options) -> Session:
        return NullSession(model)
