"""Which entries a run uses: what the user names, else the workload's defaults, or a backend's for that workload.

Models of one workload may want differently prepared data (`preprocessing` of a model). Then a user, or the workload's
default, names a raw data set, and the data set that was `prepared` of it for the model is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.catalogue.loader import entries, get
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.catalogue.entry import Entry


def model_of(
    workload: Entry, asked: str | None = None, overlay: Path | None = None, backend: str | None = None
) -> Entry:
    """The model a run uses.

    Args:
        workload: Of the catalogue.
        asked: What the user named.
        overlay: Folder of entries beside the catalogue's.
        backend: Name of the backend where one is chosen: it may have a default of its own for a workload whose default
            is of a format that it does not run.

    Raises:
        InputError: No such model, or none is named for a workload that has none of its own.
    """
    own = {each.name: each.data.get("default_models", {}) for each in entries("backend")} if backend else {}
    name = asked or own.get(backend or "", {}).get(workload.name) or workload.data.get("default_model")
    if name is None:
        raise InputError(
            f"the workload {workload.name} has no model of its own",
            fix="name one by benchmark_model_path, benchmark_model_url or benchmark_model_hf",
        )
    return get("model", name, overlay)


def dataset_of(workload: Entry, model: Entry, asked: str | None = None, overlay: Path | None = None) -> Entry:
    """The data set that cells open when a run asks for `asked` with `model`.

    Raises:
        InputError: No such data set, or it is not prepared for the model.
    """
    suffix = workload.data.get("dataset_suffix")
    own = f"{model.name}{suffix}" if suffix else workload.data["default_dataset"]
    found = get("dataset", asked or own, overlay)
    wanted = model.data.get("preprocessing")
    prepared = found.data.get("prepared")
    if wanted is None or (prepared and prepared["preprocessing"] == wanted):
        return found
    raw = prepared["of"] if prepared else found.name
    forms = {
        entry.data["prepared"]["preprocessing"]: entry
        for entry in entries("dataset")
        if entry.data.get("prepared", {}).get("of") == raw
    }
    if prepared or wanted not in forms:
        why = f"is prepared as {prepared['preprocessing']}" if prepared else "has no form prepared so"
        fix = f"set benchmark_dataset: {forms[wanted].name}" if wanted in forms else _others(wanted)
        raise InputError(f"the model {model.name} wants data prepared as {wanted}; {found.name} {why}", fix=fix)
    return forms[wanted]


def _others(wanted: str) -> str:
    known = [each.name for each in entries("dataset") if each.data.get("prepared", {}).get("preprocessing") == wanted]
    return f"set benchmark_dataset to one of: {', '.join(known)}" if known else "add such a data set to the catalogue"
