"""Answers at once with zeros: what is left of a run is LoadGen and the harness."""

from __future__ import annotations

from typing import Any

import numpy as np

from loadfleet.backends.base import Arrays, Backend, ModelFile, Options, Session


class NullSession(Session):
    """Zeros in the shape of the first input, one array per output of the model's catalogue entry."""

    def __init__(self, model: ModelFile) -> None:
        self._outputs = list(model.outputs)

    def run(self, inputs: Arrays) -> Arrays:
        shape = next(iter(inputs.values())).shape
        return {name: np.zeros(shape, np.float32) for name in self._outputs}

    def describe(self) -> dict[str, Any]:
        return {"threads": 0}


class Null(Backend):
    """The backend `null`."""

    name = "null"

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def check_device(self, device: str) -> None:
        """Every device answers nothing equally fast."""

    def load(self, model: ModelFile, options: Options) -> Session:
        return NullSession(model)
