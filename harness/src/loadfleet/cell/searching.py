"""A search of one's own on this host: a run file turned into one that searches, started and watched by a terminal."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.cell import control, spec, standing
from loadfleet.cell.wanted import FIND
from loadfleet.errors import NotReadyError
from loadfleet.store.guards import words_for_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LOOK_S = 0.5
_DROPPED = ("query_count", "start_at", "gate", "modes")  # of another run: no part of a search


def prepare(run_file: Path, scenarios: Sequence[str], minutes: float | None) -> Path:
    """The run directory of a search for what a run file measures; an own one, unless the file is that of a search.

    Args:
        run_file: A run.json.
        scenarios: Instead of the file's.
        minutes: How long each scenario may take; None leaves it to the file.

    Raises:
        InputError: The file is wrong.
        NotReadyError: The store cannot be written.
    """
    run = spec.read(run_file, "run")
    runs = Path(run["store_path"]).expanduser().absolute() / "runs"
    wanted = {
        **{key: value for key, value in run.items() if key not in _DROPPED},
        "execution": FIND,
        "modes": [FIND],
        **({"scenarios": list(scenarios)} if scenarios else {}),
        **({"find_minutes": minutes} if minutes else {}),
    }
    folder: Path = runs / run["run_id"]
    if wanted == run and folder / "run.json" == run_file.absolute():
        return folder  # a search that is to be continued
    wanted["run_id"] = _run_id(run["workload"])
    folder = runs / wanted["run_id"]
    with words_for_errors(runs.parent):
        folder.mkdir(parents=True)
        files.write_json(folder / "run.json", wanted)
    return folder


def watch(folder: Path, say: Callable[[str], None], hidden: Mapping[str, str]) -> dict[str, Any]:
    """Start or adopt the run and wait for its end, telling each probe once; `hidden` are secrets of the environment.

    Returns:
        The last status.

    Raises:
        InputError: The run cannot be planned.
        NotReadyError: Something is missing on this host, or it is busy.
    """
    control.start(folder, hidden)
    told: set[tuple[str, str]] = set()
    while True:
        (folder / "lease").touch()
        status = standing.read_status(folder)
        for cell in status.get("cells", []):
            _tell(cell, told, say)
        if status.get("phase") in standing.FINAL:
            return status
        if not control.working(folder) and standing.read_status(folder).get("phase") not in standing.FINAL:
            raise NotReadyError(
                f"the agent of {folder} has ended without a word; its log is {folder / 'agent.log'}",
                fix="repeat the command to go on",
            )
        time.sleep(_LOOK_S)


def _tell(cell: Mapping[str, Any], told: set[tuple[str, str]], say: Callable[[str], None]) -> None:
    what = str(cell["detail"]).split(";")[0] if cell["state"] == "running" else str(cell["state"])
    if cell["state"] == "pending" or not what or (cell["id"], what) in told:
        return
    told.add((cell["id"], what))
    words = what if cell["state"] == "running" else f"{what}  {cell['detail']}".rstrip()
    say(f"{cell['id']}  {100 * cell['progress']:3.0f} %  {words}")


def _run_id(workload: str) -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{workload}-{secrets.token_hex(2)}"
