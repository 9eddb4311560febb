"""What `auto` may choose from: backends of the catalogue, what they compute in, the model and those made from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue
from loadfleet.errors import InputError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AUTO = "auto"


@dataclass(frozen=True)
class Candidate:
    """One way to run a model.

    Attributes:
        backend: Name in the catalogue.
        precision: What the backend computes in where the model says nothing else.
        model: Name in the catalogue.
    """

    backend: str
    precision: str
    model: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)

    @property
    def words(self) -> str:
        return f"{self.backend} {self.precision}, {self.model}"


def wanted(run: Mapping[str, Any]) -> bool:
    """Whether a run file leaves the choice to a trial."""
    return bool(run.get("open")) or AUTO in (run.get("backend"), run.get("precision"))


def open_choice(run: Mapping[str, Any]) -> tuple[catalogue.Entry, catalogue.Entry]:
    """Model and data set that a run asks for, whatever will run them.

    Raises:
        InputError: It asks for several models, or for one that does not exist.
    """
    if run.get("models"):
        raise InputError(
            f"benchmark_models is {', '.join(run['models'])}; a trial chooses for one model",
            fix="set benchmark_model, or name benchmark_backend and benchmark_precision",
        )
    workload = catalogue.get("workload", run["workload"])
    overlay = Store(Path(run["store_path"]).expanduser()).catalogue
    model = catalogue.model_of(workload, run.get("model"), overlay, run.get("backend"))
    return model, catalogue.dataset_of(workload, model, run.get("dataset"), overlay)


def candidates(run: Mapping[str, Any]) -> list[Candidate]:
    """What a run file leaves open, fp32 of the model that was asked for first.

    Raises:
        InputError: Nothing fits what the run file says.
    """
    model, _ = open_choice(run)
    found = [each for entry in _models(model) for each in _of_model(run, entry)]
    if not found:
        raise InputError(
            f"no backend runs {model.name} as benchmark_backend {run.get('backend')}, benchmark_precision "
            f"{run.get('precision')}, benchmark_device {run.get('device') or 'cpu'} ask for",
            fix="leave one of them out",
        )
    return found


def stand_in(device: str = "cpu") -> str:
    """A backend that a trial could choose, for questions that all candidates answer alike.

    Raises:
        InputError: None has the device.
    """
    for entry in catalogue.entries("backend"):
        if entry.data.get("candidate") and device in entry.data["devices"]:
            return entry.name
    raise InputError(f"no backend that auto tries has the device {device!r}", fix="change benchmark_device")


def first(run: Mapping[str, Any]) -> dict[str, Any]:
    """The run file as its first candidate would run it, still open: what else is wrong shows before a trial.

    Raises:
        InputError: Nothing fits what the run file says.
    """
    chosen = candidates(run)[0]
    return {**run, **chosen.as_json(), "open": True}


def _models(asked: catalogue.Entry) -> list[catalogue.Entry]:
    """The model, then those that were made from it without training."""
    made = [entry for entry in catalogue.entries("model") if entry.data.get("derived", {}).get("from") == asked.name]
    return [asked, *made]


def _of_model(run: Mapping[str, Any], model: catalogue.Entry) -> Iterator[Candidate]:
    backend, precision, device = run.get("backend"), run.get("precision"), run.get("device") or "cpu"
    entries = (
        [entry for entry in catalogue.entries("backend") if entry.data.get("candidate")]
        if backend == AUTO
        else [catalogue.get("backend", backend or "onnxruntime")]
    )
    for entry in entries:
        fits = {model.data["format"], "*"} & set(entry.data["formats"]) and device in entry.data["devices"]
        if not fits or entry.name not in model.data.get("backends", [entry.name]):
            continue
        for each in entry.data["precisions"]:
            result = each if model.data["precision"] == "fp32" else model.data["precision"]
            if precision in (None, AUTO, result):
                yield Candidate(entry.name, each, model.name)
