"""Probes of a search: each a short LoadGen run in a process and a folder of its own, kept for whoever wonders."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.cell import replay
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import DetailLog
from loadfleet.loadgen.scenarios import SCENARIOS
from loadfleet.tuning import found
from loadfleet.tuning.probe import Outcome, Tried

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

OUTCOME = "probe.json"
_DROPPED = ("find", "found", "start_at")  # of the search's cell: no part of a probe
_PATIENCE = 4.0  # a probe may take so many times its length,
_LOADING_S = 120.0  # and this to load; after that it is ended
_LOOK_S = 0.5


class Probes:
    """Tries settings of a cell. Called again with what was tried before an interruption, it answers from the folders.

    Args:
        folder: The search's cell folder; probes are 01, 02, ... below it.
        cell: The search's cell.
        say: Told twice a second what is going on, and how many seconds were spent before an interruption.
    """

    def __init__(self, folder: Path, cell: Mapping[str, Any], say: Callable[[str, float], None]) -> None:
        self._folder, self._cell, self._say = folder, cell, say
        self._before_s = 0.0
        present = sorted(path for path in folder.iterdir() if path.name.isdigit() and path.is_dir())
        self._number = int(present[-1].name) if present else 0
        self._kept = [files.read_json(path / OUTCOME) for path in present if (path / OUTCOME).exists()]

    def __call__(self, settings: Mapping[str, float], seconds: float) -> Outcome:
        """One probe; its folder's name is the outcome's `where`."""
        seconds = round(seconds, 3)
        return self._known(settings, seconds) or self._run(settings, seconds)

    def _known(self, settings: Mapping[str, float], seconds: float) -> Outcome | None:
        """The next probe of before, as long as the search takes the same way."""
        if not self._kept:
            return None
        value = self._kept.pop(0)
        if value["settings"] == dict(settings) and value["seconds"] == seconds:
            outcome = Tried.from_json(value).outcome
            self._before_s += outcome.duration_s
            return outcome
        self._kept.clear()
        return None

    def _run(self, settings: Mapping[str, float], seconds: float) -> Outcome:
        self._number += 1
        folder = self._folder / f"{self._number:02d}"
        folder.mkdir()
        began = time.monotonic()
        cell = probe_cell(self._cell, settings, seconds)
        files.write_json(folder / "cell.json", cell)
        command = [sys.executable, "-m", "loadfleet", "cell", "run"]
        kept = replay.environment(self._cell["command"]["environment"], os.environ)
        replay.write(folder, [*self._cell["command"]["prefix"], *command], kept)
        with (folder / "stdout.log").open("ab") as log:
            # The search runs under the prefix already. Descriptors are inherited: the lock on this host is among them,
            # and has to be held by a probe that outlives its search.
            child = subprocess.Popen(
                [*command, "cell.json"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, close_fds=False
            )
        what = f"probe {self._number}: {', '.join(words(settings)) or 'as usual'}"
        ended = self._wait(child, folder, what, _PATIENCE * seconds + _LOADING_S)
        outcome = read(folder, cell, round(time.monotonic() - began, 3), ended=ended)
        files.write_json(folder / OUTCOME, Tried(settings, seconds, outcome).as_json())
        return outcome

    def _wait(self, child: subprocess.Popen[bytes], folder: Path, what: str, limit_s: float) -> bool:
        """Until the probe has ended; False when it had to be ended."""
        deadline = time.monotonic() + limit_s
        while True:
            detail = "loading"
            with contextlib.suppress(OSError, ValueError, KeyError):
                detail = str(files.read_json(folder / "status.json")["detail"])
            self._say(f"{what}; {detail}", self._before_s)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_S)
                return True
            if time.monotonic() > deadline:
                child.kill()
                child.wait()
                return False


def probe_cell(cell: Mapping[str, Any], settings: Mapping[str, float], seconds: float) -> dict[str, Any]:
    """The cell of one probe."""
    asked = {key: value for key, value in cell.items() if key not in _DROPPED}
    tried = found.applied({**asked, "found": {"settings": settings}})
    del tried["found"]
    name = "/".join([*cell["cell"].split("/")[:2], "performance"])
    return {**tried, "cell": name, "mode": "performance", "probe": {"seconds": seconds}}


def read(folder: Path, cell: Mapping[str, Any], duration_s: float, *, ended: bool = True) -> Outcome:
    """What a probe's folder says came out. Missed minimums are what a probe is about; a missed latency bound is not."""
    try:
        result = files.read_json(folder / "result.json")
        detail = DetailLog.read(folder / "mlperf_log_detail.txt")
    except (OSError, ValueError, BadResultError):
        return Outcome(False, duration_s=duration_s, reasons=(_why(folder, ended=ended),), where=folder.name)
    good, held = result["exit_code"] == 0, detail.values.get("result_perf_constraints_met") is not False
    reasons = tuple(reason for reason in result["validity"]["reasons"] if not reason.startswith("execution is "))
    if not good and held:
        return Outcome(False, duration_s=duration_s, reasons=reasons, where=folder.name)
    latency = {name: value for name, value in detail.latency(cell["scenario"]).items() if isinstance(value, float)}
    if SCENARIOS[cell["scenario"]].higher_is_better:
        rate = detail.metric(cell["scenario"])
    else:
        rate = 1e3 * detail.values.get("effective_samples_per_query", 1) / latency["mean"]
    return Outcome(
        valid=good,
        rate=rate,
        queries=int(detail.values.get("result_query_count") or 0),
        late=detail.values.get("result_overlatency_query_count"),
        latency_ms=latency,
        duration_s=duration_s,
        reasons=() if good else reasons,
        where=folder.name,
    )


def words(settings: Mapping[str, float]) -> list[str]:
    """Settings for people."""
    return [f"{name} {value:g}" for name, value in settings.items()]


def _why(folder: Path, *, ended: bool) -> str:
    if not ended:
        return "ended because it took too long"
    try:
        return str(files.read_json(folder / "error.json")["error"])
    except (OSError, ValueError, KeyError):
        tail = (folder / "stdout.log").read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
        return f"ended without a result: {tail[0] if tail else 'it said nothing'}"
