"""What searches tried and chose, as one JSON file for each system, model, data set, backend and scenario.

`<store>/tuning/<workload>-<model>-<scenario>-<digest12>.json`, the digest being of the key; schemas/tuning.json.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.errors import InputError
from loadfleet.store.guards import exclusive, words_for_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadfleet.tuning.probe import Tried

FOLDER = "tuning"


@dataclass(frozen=True)
class Record:
    """A readable record, or what is wrong with the file."""

    path: Path
    value: Mapping[str, Any]
    problem: str = ""


def key(cell: Mapping[str, Any]) -> dict[str, Any]:
    """What settings depend on, of a planned cell."""
    return {
        "system": _named(cell["system"]),
        "workload": cell["workload"],
        "model": _named(cell["model"]),
        "dataset": _named(cell["dataset"]),
        "backend": {name: cell["backend"][name] for name in ("name", "device", "precision")},
        "scenario": cell["scenario"],
    }


def path(store: Path, known: Mapping[str, Any]) -> Path:
    """Where the record of a key lies. Names are for people; only digests tell systems, models and data sets apart."""
    identity = [
        *(known[name]["digest"] or known[name]["name"] for name in ("system", "model", "dataset")),
        known["workload"],
        known["backend"],
        known["scenario"],
    ]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    return store / FOLDER / f"{known['workload']}-{known['model']['name']}-{known['scenario']}-{digest}.json"


def find(store: Path, known: Mapping[str, Any]) -> Record | None:
    """The record of a key; None when there is none."""
    place = path(store, known)
    return _read(place) if place.exists() else None


def everything(store: Path) -> list[Record]:
    """All records of a store, by file name; damaged ones say so."""
    return [_read(place) for place in sorted((store / FOLDER).glob("*.json"))]


def keep(
    store: Path,
    known: Mapping[str, Any],
    kind: str,
    probes: Sequence[Tried],
    result: Mapping[str, Any],
    chosen: Mapping[str, float],
    conditions: Mapping[str, Any] | None = None,
) -> Path:
    """Write a finished search; it replaces an older one of its kind, and a record that cannot be read.

    What was chosen before stays chosen where this search chose nothing for it and another kind of search had.

    Args:
        store: The store's folder.
        known: What `key` says.
        kind: `rate` or `arrangement`.
        probes: All probes, in order.
        result: What the search came to.
        chosen: Settings to use; empty when the search found none.
        conditions: What the probes had in common.

    Raises:
        InputError: Something of it breaks the schema.
        NotReadyError: The store cannot be written.
    """
    place = path(store, known)
    with words_for_errors(store):
        place.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(place.parent / ".lock", lambda: None):
            before = find(store, known)
            value = dict(before.value) if before and not before.problem else {"searches": {}}
            searches = dict(value["searches"])
            searches.pop(kind, None)  # the newest stands last
            searches[kind] = {
                "finished": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                "conditions": dict(conditions or {}),
                "probes": [one.as_json() for one in probes],
                "result": {**result, "chosen": dict(chosen)},
            }
            together: dict[str, float] = {}
            for search in searches.values():
                together |= search["result"]["chosen"]
            value = {"schema_version": 1, "key": dict(known), "searches": searches, "chosen": together}
            if problem := _problem(value):
                raise InputError(f"the search cannot be recorded: {problem}", fix="correct the named value")
            files.write_json(place, value)
    return place


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": entry["name"], "digest": entry["digest"]}


def _read(place: Path) -> Record:
    try:
        value = files.read_json(place)
    except (OSError, ValueError) as error:
        return Record(place, {}, f"cannot be read: {error}")
    problem = _problem(value)
    return Record(place, {} if problem else value, problem)


def _problem(value: object) -> str:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (half of a short command's start-up)

    schema = json.loads(resources.files(__package__).joinpath("schemas", "tuning.json").read_text(encoding="utf-8"))
    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda item: list(map(str, item.path)))
    return "; ".join(f"{'.'.join(map(str, each.absolute_path)) or 'record'}: {each.message}" for each in errors[:3])
