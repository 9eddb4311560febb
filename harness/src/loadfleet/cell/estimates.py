"""What this host managed last time, per model and backend: the next run's target when the user sets none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import files

if TYPE_CHECKING:
    from collections.abc import Mapping


def _path(cell: Mapping[str, Any]) -> Path:
    key = {name: cell[name] for name in ("model", "dataset")}
    identity = json.dumps(
        [key["model"]["digest"], key["dataset"]["digest"], cell["backend"], cell["system"]["digest"], cell["scenario"]],
        sort_keys=True,
    )
    name = f"{cell['workload']}-{cell['model']['name']}-{cell['scenario']}"
    return Path(cell["store_path"]) / "estimates" / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.json"


def last(cell: Mapping[str, Any]) -> float | None:
    """The last measured value for this very configuration, in the scenario's unit; None when there is none."""
    try:
        return float(files.read_json(_path(cell))["value"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record(cell: Mapping[str, Any], value: float, unit: str) -> None:
    """Remember a measured value."""
    path = _path(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, {"schema_version": 1, "run_id": cell["run_id"], "value": value, "unit": unit})
