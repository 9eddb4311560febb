"""What trials chose, as one JSON file in the store for each system, model, data set, scenario and wish."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loadfleet
from loadfleet import backends, files
from loadfleet.backends import capabilities
from loadfleet.choosing.candidates import Candidate, candidates, open_choice
from loadfleet.errors import NotReadyError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "choices"
AGAIN = "again"


def path(run: Mapping[str, Any]) -> Path:
    """Where the choice for a run file lies; whatever can change the outcome gives it another name."""
    model, dataset = open_choice(run)
    store = Store(Path(run["store_path"]).expanduser())
    scenario = (run.get("scenarios") or ["Offline"])[0]
    digests = [entry.digest if entry else "" for entry in (store.find("model", model.name), _found(store, dataset))]
    identity = {
        "system": (run.get("system") or {}).get("digest"),
        "processor": capabilities.fingerprint(),
        "artefacts": digests,
        "scenario": scenario,
        "versions": {"loadfleet": loadfleet.__version__, **_versions(run)},
        "asked": {
            key: run.get(key)
            for key in (
                "workload", "model", "dataset", "backend", "precision", "device", "threads", "instances", "batch_size",
                "batch_cost", "run_prefix", "environment", "backend_options",
            )
        },
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    return store.path / FOLDER / f"{run['workload']}-{model.name}-{scenario}-{digest}.json"


def _found(store: Store, dataset: Any) -> Any:
    return store.find("dataset", dataset.name)


def _versions(run: Mapping[str, Any]) -> dict[str, str]:
    """Of every backend that could be chosen and is installed."""
    found: dict[str, str] = {}
    for name in sorted({each.backend for each in candidates(run)}):
        try:
            found |= backends.load(name).versions()
        except NotReadyError:
            found[name] = "not installed"
    return found


def settled(run: Mapping[str, Any], run_dir: Path) -> dict[str, Any] | None:
    """The run file with what its own trial or an earlier one chose; None while nobody has chosen.

    Args:
        run: Leaves the choice to a trial.
        run_dir: Holds trial.json when this run has tried already; it gets one when an earlier run has.
    """
    own = run_dir / "trial.json"
    if found := _read(own):
        return applied(run, found)
    kept = None if run.get("trial") == AGAIN else _read(path(run))
    if kept is None:
        return None
    kept = {**kept, "remembered": True}
    files.write_json(own, kept)
    return applied(run, kept)


def applied(run: Mapping[str, Any], trial: Mapping[str, Any]) -> dict[str, Any]:
    """The run file with the choice of a trial in the places where a user would write it."""
    return {**run, **Candidate(**trial["chosen"]).as_json(), "tried": dict(trial)}


def keep(run: Mapping[str, Any], trial: Mapping[str, Any]) -> None:
    """Remember a trial for later runs."""
    place = path(run)
    place.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(place, dict(trial))


def _read(place: Path) -> dict[str, Any] | None:
    """A trial that can be used; a damaged file counts as none."""
    try:
        found: dict[str, Any] = files.read_json(place)
        Candidate(**found["chosen"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found
