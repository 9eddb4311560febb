"""result.json: what every kind of cell says in it alike, and how it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.results import model as results

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "result.json"
_SAME = (
    "run_id",
    "host",
    "cell",
    "workload",
    "scenario",
    "mode",
    "execution",
    "round",
    "implementation",
    "system",
)  # copied from cell.json
_SAME_IF_SAID = ("gate", "platform")


def head(cell: Mapping[str, Any], versions: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Who ran what, where and with which model, data and backend.

    Args:
        cell: The cell.
        versions: Of the backend.
        options: How the backend was used.
    """
    model, dataset, backend = cell["model"], cell["dataset"], cell["backend"]
    return {
        "schema_version": 1,
        **{key: cell[key] for key in _SAME},
        **{key: cell[key] for key in _SAME_IF_SAID if key in cell},
        "model": {"name": model["name"], "digest": model["digest"], **model["facts"]},
        "dataset": {key: dataset[key] for key in ("name", "digest", "samples")},
        "backend": {
            "name": backend["name"],
            "device": backend["device"],
            "versions": dict(versions),
            "options": dict(options),
        },
    }


def started(cell: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the times when the cell begins, which is now."""
    return {"started": _now(), "clock_offset_ms": cell.get("gate", {}).get("clock_offset_ms")}


def write(
    folder: Path, cell: Mapping[str, Any], result: Mapping[str, Any], times: Mapping[str, Any], argv: list[str]
) -> None:
    """Add times, the end being now, and command; check the whole and write it.

    Raises:
        BadResultError: The whole breaks the schema.
    """
    whole = {
        **result,
        "time": {**times, "finished": _now()},
        "command": {"argv": argv, "prefix": cell["command"]["prefix"]},
    }
    results.validate(whole)
    files.write_json(folder / NAME, whole)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
