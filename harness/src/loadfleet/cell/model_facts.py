"""What a cell says of its model besides where it lies: its accuracy, where it comes from, what MLPerf wants to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.catalogue import Entry

_FACTS = (
    "precision",
    "reference",
    "official_name",
    "weight_data_types",
    "input_data_types",
    "weight_transformations",
    "retraining",
    "starting_weights_filename",
)


def origin(model: Entry) -> Entry:
    """The model whose accuracy counts: the one it was made from without training, else itself."""
    while "derived" in model.data:
        model = catalogue.get("model", model.data["derived"]["from"])
    return model


def accuracy(model: Entry, dataset: Entry) -> dict[str, float]:
    """The model's own accuracy on a data set, metric -> per cent; empty where nobody measured it."""
    return _stated(origin(model).data, dataset)


def compared(model: Entry, dataset: Entry) -> dict[str, Any]:
    """The accuracy that is shown beside a model's own, of one that it claims nothing of."""
    other = model.data.get("compared_with")
    if other is None:
        return {}
    return {"compared": {"name": other, "accuracy": _stated(catalogue.get("model", other).data, dataset)}}


def _stated(model: Mapping[str, Any], dataset: Entry) -> dict[str, float]:
    stated = model.get("accuracy")
    if stated is None:
        return {}
    found = model.get("accuracy_on", {}).get(dataset.name)
    if found is None:
        found = stated if stated["samples"] == dataset.data["samples"] else {}
    return {name: value for name, value in found.items() if name != "samples"}


def facts(model: Entry, backend: str, precision: str) -> dict[str, Any]:
    """What measurements.json says of the model; computing in less than its weights have is a transformation."""
    found = {key: model.data.get(key) for key in _FACTS}
    if precision != "fp32" and found["precision"] == "fp32":
        found |= {
            "precision": precision,
            "weight_data_types": precision,
            "weight_transformations": f"fp32 weights converted to {precision} by {backend} when they are loaded",
        }
    elif precision != "fp32":
        found["weight_transformations"] = (
            f"{found['weight_transformations']}; the rest computed in {precision} by {backend}"
        )
    return found
