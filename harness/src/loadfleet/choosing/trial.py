"""The trial: every candidate's rate, then the accuracy of the fastest ones until one keeps it."""

from __future__ import annotations

import statistics
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from loadfleet import files
from loadfleet.cell import plan
from loadfleet.choosing import record
from loadfleet.choosing.candidates import Candidate, candidates
from loadfleet.errors import LoadfleetError, NotReadyError
from loadfleet.loadgen.scenarios import SCENARIOS
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECONDS = (1.5, 3.0)  # of the first look at all, and of the second at the fastest
_SECOND_LOOK = 0.7  # share of the best rate from which on a candidate is looked at again
SAMPLES = 800
FLOOR = 0.99  # MLPerf Inference rules, table of models: quality target of the 99 flavour
_ERRORS = 2.0  # standard errors that a subset may lie below it: the whole data set judges in the accuracy cell


class Attempt(Protocol):
    """Runs a command in a folder that holds its cell.json; its exit status. Raises when the run is stopped."""

    def __call__(self, words: str, command: list[str], folder: Path, cell: Mapping[str, Any]) -> int: ...


def run(asked: Mapping[str, Any], run_dir: Path, attempt: Attempt) -> dict[str, Any]:
    """Try all candidates of a run file; trial.json holds everything, and the store remembers it.

    Args:
        asked: The run file.
        run_dir: Its folder; attempts are below `trial/`.
        attempt: Runs one of them.

    Returns:
        The content of trial.json.

    Raises:
        LoadfleetError: No candidate runs, or none keeps the accuracy.
    """
    tries = [
        _Try(each, asked, run_dir / "trial" / str(number), attempt) for number, each in enumerate(candidates(asked))
    ]
    for seconds in _SECONDS:
        again = [one for one in tries if one.promising(tries)]
        if len(again) > 1 or (again and again[0].rate is None):
            for one in again:
                one.look(seconds)
    running = sorted((one for one in tries if one.rate is not None), key=lambda one: one.worth, reverse=True)
    if not running:
        raise NotReadyError(
            "no candidate runs here: " + "; ".join(f"{one.candidate.words}: {one.reason}" for one in tries),
            fix="set benchmark_backend and benchmark_precision to what is meant to run, to see it fail alone",
        )
    judged = running[0].cell.get("judged", True)
    chosen = _most_accurate(running, tries) if judged else next((one for one in running if one.reference), running[0])
    trial = {
        "schema_version": 1,
        "finished": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "remembered": False,
        "scenario": chosen.cell["scenario"],
        "unit": chosen.unit,
        "floor": FLOOR,
        "chosen": chosen.candidate.as_json(),
        "candidates": [one.as_json() for one in tries],
    }
    files.write_json(run_dir / "trial.json", trial)
    record.keep(asked, trial)
    return trial


def _most_accurate(running: list[_Try], tries: list[_Try]) -> _Try:
    """The fastest that keeps the accuracy of the fastest fp32 one over the same samples.

    Raises:
        NotReadyError: None does.
    """
    reference = next((one for one in running if one.reference), running[-1])
    if reference.score(reference):
        for one in running:
            if one is reference or one.score(reference):
                return one
    raise NotReadyError(
        "no candidate answers as it should: " + "; ".join(f"{one.candidate.words}: {one.reason}" for one in tries),
        fix="look at the logs below the run's folder trial/",
    )


class _Try:
    """A candidate and what was found of it."""

    def __init__(self, candidate: Candidate, asked: Mapping[str, Any], folder: Path, attempt: Attempt) -> None:
        self.candidate = candidate
        self.rate: float | None = None
        self.unit = ""
        self.accuracy: float | None = None
        self.parts: list[float] = []
        self.share: float | None = None
        self.uncertainty: float | None = None
        self.reason = ""
        self.cell: dict[str, Any] = {}
        self._asked, self._folder, self._attempt = asked, folder, attempt

    @property
    def reference(self) -> bool:
        """Whether it is the model that was asked for, as it is."""
        return (
            bool(self.cell)
            and self.candidate.precision == "fp32"
            and self.cell["model"]["facts"]["precision"] == "fp32"
        )

    @property
    def worth(self) -> float:
        """More is better, whatever the unit."""
        rate = self.rate or 0.0
        return rate if SCENARIOS[self.cell["scenario"]].higher_is_better else 1 / max(rate, 1e-9)

    def promising(self, tries: list[_Try]) -> bool:
        """Whether to look at it (again): it has not failed, and is not far slower than the best so far."""
        if self.rate is None:
            return not self.reason
        return self.worth >= _SECOND_LOOK * max(one.worth for one in tries if one.rate is not None)

    def look(self, seconds: float) -> None:
        """Its rate, the better of all looks."""
        before = self.worth if self.rate is not None else 0.0
        if (self.cell or self._prepare()) and (found := self._run("rate", str(seconds))):
            kept, self.rate, self.unit = self.rate, found["rate"], found["unit"]
            if kept is not None and self.worth < before:
                self.rate = kept

    def score(self, reference: _Try) -> bool:
        """Its accuracy over the samples of the trial, and whether that is enough compared with another's."""
        if not (found := self._run("accuracy", str(SAMPLES))):
            return False
        self.accuracy, self.parts = round(found["accuracy"], 4), found["parts"]
        base = reference.accuracy or 1e-9
        self.share = round(self.accuracy / base, 6)
        differences = [mine - other for mine, other in zip(self.parts, reference.parts, strict=True)]
        spread = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
        self.uncertainty = round(spread / base, 6)
        enough = self.share + _ERRORS * self.uncertainty >= FLOOR
        if not enough:
            self.reason = (
                f"{found['metric']} is {100 * self.share:.2f} % of fp32's over {found['samples']:,} samples, "
                f"give or take {100 * self.uncertainty:.2f} %"
            )
        return enough

    def as_json(self) -> dict[str, Any]:
        return {
            **self.candidate.as_json(),
            "rate": self.rate,
            "accuracy": self.accuracy,
            "of_reference": self.share,
            "uncertainty": self.uncertainty,
            "reason": self.reason,
        }

    def _prepare(self) -> bool:
        """Have the model, and plan the cell; False when that fails."""
        scenario = (self._asked.get("scenarios") or [None])[0]
        planned = {
            **{key: value for key, value in self._asked.items() if key not in ("start_at", "query_count")},
            **self.candidate.as_json(),
            "execution": "test",
            "modes": ["performance"],
            "scenarios": [scenario] if scenario else None,
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        store = Store(str(self._asked["store_path"]))
        if store.find("model", self.candidate.model) is None:
            command = ["cache", "ensure", "model", self.candidate.model, "--store", str(store.path), "--offline"]
            if self._command(command, f"making the model {self.candidate.model}"):
                return False
        try:
            self.cell = plan.make(planned)[0]
        except LoadfleetError as error:
            self.reason = error.message
            return False
        files.write_json(self._folder / "cell.json", self.cell)
        return True

    def _run(self, what: str, argument: str) -> dict[str, Any] | None:
        if self._command(["cell", "try", "cell.json", f"--{what}", argument], f"trying {self.candidate.words}"):
            return None
        found: dict[str, Any] = files.read_json(self._folder / f"{what}.json")
        return found

    def _command(self, arguments: list[str], words: str) -> int:
        command = [sys.executable, "-m", "loadfleet", *arguments]
        status = self._attempt(words, command, self._folder, self.cell)
        if status:
            log = (self._folder / "stdout.log").read_text(encoding="utf-8", errors="replace")
            said = [line.strip() for line in log.splitlines() if line.strip() and not line.strip().startswith("fix:")]
            self.reason = (said or [f"ended with status {status}"])[-1].removeprefix("loadfleet: ")[:300]
        return status
