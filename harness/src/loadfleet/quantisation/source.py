"""What a quantised model is made from: a model of the catalogue, and calibration samples in their recorded order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue, workloads
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from loadfleet.workloads import Dataset


def file(inputs: Mapping[str, Path], parameters: Mapping[str, Any], key: str) -> Path:
    """The file that a parameter names as `entry/file`.

    Raises:
        InputError: The parameter is missing, or the entry is not among those that the build requires.
    """
    entry, _, name = str(parameters.get(key, "")).partition("/")
    if entry not in inputs or not name:
        raise InputError(
            f"quantising: {key} is {parameters.get(key)!r}, not a file of a required entry ({', '.join(inputs)})",
            fix="write it as entry/file and list the entry under `requires`",
        )
    return Path(inputs[entry]) / name


def names(parameters: Mapping[str, Any]) -> Mapping[str, str]:
    """Canonical input name -> the graph's, of the model that is quantised."""
    entry = catalogue.get("model", str(parameters["model"]).partition("/")[0])
    found: Mapping[str, str] = entry.data["inputs"]
    return found


def feeds(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], graph_names: Mapping[str, str]
) -> Iterator[dict[str, NDArray[Any]]]:
    """The model's inputs for one calibration sample after the other, in the order of the list.

    Raises:
        InputError: The list is empty, or names no sample of the data set.
    """
    import numpy as np  # noqa: PLC0415

    path = file(inputs, parameters, "calibration")
    data = workloads.load(str(parameters["workload"])).open(Path(inputs[str(parameters["dataset"])]))
    for index in indices(path, data):
        batch = data.batch(np.array([index], np.int64))
        yield {graph: batch[name] for name, graph in graph_names.items()}


def indices(path: Path, data: Dataset) -> list[int]:
    """The sample indices of a calibration list: one a line, `#` begins a comment.

    Raises:
        InputError: The list is empty, or names no sample of the data set.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not text.isdigit() or int(text) >= data.count:
            raise InputError(
                f"{path}, line {number}: {text!r} is no sample index (0 to {data.count - 1})",
                fix="correct the calibration list",
            )
        found.append(int(text))
    if not found:
        raise InputError(f"{path} names no sample", fix="list the indices of the calibration samples, one a line")
    return found
