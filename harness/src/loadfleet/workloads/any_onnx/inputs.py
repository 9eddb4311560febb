"""Makes inputs: the same numbers for the same parameters, whatever the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet import files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

INDEX = "inputs.json"
SCHEMA_VERSION = 1


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write `inputs.json`, and `input-<n>.npy` [samples, ...] for each input of the model.

    Args:
        inputs: Not used: everything is in the parameters.
        output: An empty folder.
        parameters: `samples`, `seed`, `batch` (samples a call takes, 0 for any number), `joined` (whether samples are
            joined along a first dimension) and `inputs`, see `loadfleet.imported.shapes.Made`.
    """
    count, described = int(parameters["samples"]), []
    for number, facts in enumerate(parameters["inputs"]):
        # One generator an input: a shape that changes leaves the others' numbers alone.
        random = np.random.default_rng([int(parameters["seed"]), number])
        name = f"input-{number}.npy"
        np.save(output / name, fill(facts, count, random), allow_pickle=False)
        described.append({"name": facts["name"], "file": name})
    index = {"samples": count, "batch": parameters["batch"], "joined": parameters["joined"], "inputs": described}
    files.write_json(output / INDEX, {"schema_version": SCHEMA_VERSION, **index})


def fill(facts: Mapping[str, Any], count: int, random: np.random.Generator) -> NDArray[Any]:
    """The samples of one input, [count, ...].

    Args:
        facts: `type`, `shape` of one sample, `fill` and, for some fills, `bound`.
        count: How many.
        random: Where numbers come from.
    """
    kind, shape = np.dtype(facts["type"]), (count, *facts["shape"])
    return np.ascontiguousarray(_FILLS[facts["fill"]](facts, shape, random)).astype(kind, copy=False)


def _positions(_facts: Mapping[str, Any], shape: tuple[int, ...], _random: np.random.Generator) -> NDArray[Any]:
    return np.broadcast_to(np.arange(shape[-1] if len(shape) > 1 else 1), shape)


def _random(facts: Mapping[str, Any], shape: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    if facts["type"] in _LIMITS:
        return random.integers(0, _LIMITS[facts["type"]], shape)
    return random.standard_normal(shape, dtype=np.float32)


# Types that are filled with integers below a limit: pixels, truth.
_LIMITS = {"uint8": 256, "bool": 2}
_FILLS: dict[str, Callable[[Mapping[str, Any], tuple[int, ...], np.random.Generator], NDArray[Any]]] = {
    "ones": lambda facts, shape, random: np.ones(shape),
    "zeros": lambda facts, shape, random: np.zeros(shape),
    "longest": lambda facts, shape, random: np.full(shape, facts["bound"]),
    "below": lambda facts, shape, random: random.integers(0, facts["bound"], shape),
    "positions": _positions,
    "random": _random,
}
