"""Settings that a search found, for later cells of the same system, model, data set, backend and scenario.

What the user sets wins. Settings that go together stand or fall together: instances with threads, samples of a batch
with its cost, and a rate with all of them and with the latency bound it was found for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import loadfleet
from loadfleet import backends
from loadfleet.errors import NotReadyError
from loadfleet.tuning import record
from loadfleet.tuning.rate import SETTING as RATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOGETHER = (("instances", "threads"), ("batch_size", "batch_cost"))
SETTINGS = tuple(name for names in TOGETHER for name in names)


def conditions(cell: Mapping[str, Any]) -> dict[str, Any]:
    """What a search depends on besides the key of its record.

    Raises:
        NotReadyError: The backend or LoadGen is not installed here.
    """
    from loadfleet.loadgen import run as loadgen  # noqa: PLC0415  (numpy, through the engine's neighbours)

    loadgen.module()
    versions = {**backends.load(cell["backend"]["name"]).versions(), "loadgen": loadgen.version()}
    return {
        "versions": {**versions, "loadfleet": loadfleet.__version__},
        "prefix": list(cell["command"]["prefix"]),
        "environment": dict(cell["command"]["environment"]),
        "target_latency_ms": cell["loadgen"]["target_latency_ms"],
    }


def lookup(store: Path, cell: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was found for a planned cell: `finished`, `record`, `settings` to use, and `note` when some are not used.

    None when nothing was ever searched for anything like it.
    """
    known = record.key(cell)
    kept = record.find(store, known)
    if kept is None:
        return _elsewhere(store, known)
    if kept.problem:
        return _unused(kept, "", f"the record {kept.path} {kept.problem}")
    newest = max(kept.value["searches"].values(), key=lambda each: str(each["finished"]))
    finished = str(newest["finished"])
    try:
        now = conditions(cell)
    except NotReadyError:
        return None  # such a cell cannot run; whoever starts it says why
    if changed := _changed(newest["conditions"], now):
        return _unused(kept, finished, changed)
    return {
        "finished": finished,
        "record": str(kept.path),
        **_chosen(cell, kept.value["chosen"], newest["conditions"].get("target_latency_ms")),
    }


def applied(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The cell with the settings found for it in the places where a user would set them."""
    settings = (cell.get("found") or {}).get("settings") or {}
    wanted = {name: int(settings[name]) for name in SETTINGS if name in settings}
    rate = {"target_qps": float(settings[RATE])} if RATE in settings else {}
    return {**cell, "backend": {**cell["backend"], **wanted}, "loadgen": {**cell["loadgen"], **rate}}


def words(found: Mapping[str, Any]) -> str:
    """One sentence for a table or a log."""
    day = str(found.get("finished") or "")[:10]
    said = ", ".join(f"{name} {value:g}" for name, value in found["settings"].items())
    note = found.get("note") or ""
    if said:
        return f"settings found on {day}: {said}" + (f"; {note}" if note else "")
    return f"settings found{' on ' + day if day else ''} are not used: {note}"


def _chosen(cell: Mapping[str, Any], chosen: Mapping[str, float], bound_ms: float | None) -> dict[str, Any]:
    """What of the choices is left by the user's own values."""
    backend, loadgen = cell["backend"], cell["loadgen"]
    settings: dict[str, float] = {}
    notes = []
    for names in TOGETHER:
        mine = {name: chosen[name] for name in names if name in chosen}
        own = [name for name in names if backend.get(name)]
        if own and any(backend.get(name) != value for name, value in mine.items()):
            notes.append(f"{' and '.join(f'benchmark_{name}' for name in own)} is set")
        else:
            settings |= mine
    if RATE in chosen and not loadgen["target_qps"]:
        if notes:
            notes.append("so the rate is estimated anew")
        elif loadgen["target_latency_ms"] != bound_ms:
            notes.append("benchmark_target_latency_ms has changed, so the rate is estimated anew")
        else:
            settings[RATE] = chosen[RATE]
    return {"settings": settings, **({"note": ", ".join(notes)} if notes else {})}


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What of versions, command and environment is not as it was."""
    before, after = then.get("versions") or {}, now["versions"]
    different = [
        f"{name} was {before.get(name, 'absent')}, is {after.get(name, 'absent')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    different += [
        f"benchmark_{variable} has changed"
        for name, variable in (("prefix", "run_prefix"), ("environment", "environment"))
        if then.get(name) != now[name]
    ]
    return "; ".join(different)


def _elsewhere(store: Path, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Records of the same names that are of another system, model or data set."""
    for kept in record.everything(store):
        if kept.problem or not _alike(kept.value["key"], known):
            continue
        different = [name for name in ("system", "model", "dataset") if _differs(kept.value["key"][name], known[name])]
        finished = max((str(each["finished"]) for each in kept.value["searches"].values()), default="")
        return _unused(kept, finished, f"they are of another {' and '.join(different).replace('dataset', 'data set')}")
    return None


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = ("workload", "backend", "scenario")
    return all(one[name] == other[name] for name in names) and one["model"]["name"] == other["model"]["name"]


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["digest"] != other["digest"] if one["digest"] else one["name"] != other["name"])


def _unused(kept: record.Record, finished: str, note: str) -> dict[str, Any]:
    return {"finished": finished, "record": str(kept.path), "settings": {}, "note": f"{note}; search anew"}
