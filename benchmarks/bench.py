"""What parts measure with: cells of the harness and measurements of their own, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UnavailableError
from loadfleet import catalogue, files
from loadfleet.catalogue import choice
from loadfleet.cell import plan
from loadfleet.errors import LoadfleetError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
_RUN_ID = "20260101T000000Z-bench-0000"
_GRACE_S = 60.0  # what is running when the time is over may end
_MOST_S = 240.0  # of one process: what takes longer hangs
_POLL_S = 0.02
_SOURCES = (ROOT, ROOT / "harness" / "src")

Cell = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        status: Its exit status; negative the signal that ended it.
        output: Standard output.
        errors: Standard error.
        began: Epoch seconds at which it was started.
        peak_bytes: Its largest resident set.
    """

    status: int
    output: str
    errors: str
    began: float
    peak_bytes: int

    def last_words(self) -> str:
        """The last thing it said on standard error, for a row of a table."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        if not lines:
            return f"exit status {self.status} without a word"
        said = lines[-2:] if lines[-1].startswith("fix:") else lines[-1:]
        return "; ".join(said)[:400]


@dataclass(frozen=True)
class CellRun:
    """A cell that has run.

    Attributes:
        result: result.json.
        detail: The detail log's first value of each key.
        folder: Its folder; kept until the benchmark ends.
        peak_bytes: The largest resident set of its process.
        start_s: From the start of the process to LoadGen's, without warming up; the model is loaded in it.
    """

    result: dict[str, Any]
    detail: dict[str, Any]
    folder: Path
    peak_bytes: int
    start_s: float

    @property
    def metric(self) -> float:
        """The scenario's number."""
        return float(self.result["metric"]["value"])


class Bench:
    """The store, a scratch folder and the processes of a benchmark.

    Args:
        store: Holds models and data sets, or receives them.
        scratch: A folder for logs and for models that are built for the benchmark only.
        left: Seconds of the budget that are left.
        reference: A tree of mlcommons/inference; None without one.
        samples: Samples of an Offline run of the embedded model at full speed.
    """

    def __init__(
        self, store: Path, scratch: Path, left: Callable[[], float], reference: Path | None = None, samples: int = 600
    ) -> None:
        self.store = Store(store.expanduser())
        self.scratch = scratch
        self.left = left
        self.reference = reference
        self.samples = samples
        self._pythons: dict[str, tuple[str, str]] = {}
        self._issued: dict[tuple[str, str, int], list[int]] = {}

    def issued(self, cell: Cell) -> list[int]:
        """Indices of the samples that LoadGen issues in a cell with a query count, in their order."""
        key = (cell["dataset"]["name"], cell["scenario"], cell["loadgen"]["query_count"])
        if key not in self._issued:
            self._issued[key] = self.child("benchmarks.sut:issued", cell=cell)
        return self._issued[key]

    def cell(self, scenario: str = "Offline", mode: str = "performance", workload: str = "bert", **wanted: Any) -> Cell:
        """A cell of execution `test`, its model and data set in the store.

        Args:
            scenario: LoadGen's name.
            mode: performance or accuracy.
            workload: Of the catalogue.
            **wanted: Other keys of a run file: model, dataset, backend, precision, instances, threads, ...

        Raises:
            UnavailableError: The catalogue lacks it, or an artefact cannot be had.
        """
        try:
            entry = catalogue.get("workload", workload)
            model = choice.model_of(entry, wanted.get("model"))
            for needed in (model, choice.dataset_of(entry, model, wanted.get("dataset"))):
                if self.store.find(needed.kind, needed.name) is None:
                    self.store.ensure(needed.kind, needed.name)
            run = {
                "run_id": _RUN_ID,
                "store_path": str(self.store.path),
                "workload": workload,
                "scenarios": [scenario],
                "modes": [mode],
                **wanted,
            }
            return plan.make(run)[0]
        except LoadfleetError as error:
            raise UnavailableError(str(error)) from error

    def python(self, backend: str) -> str:
        """An interpreter that has a backend: this one, or that of the store's environment.

        Raises:
            UnavailableError: Neither has it.
        """
        if backend not in self._pythons:
            self._pythons[backend] = self._with(backend)
        place, words = self._pythons[backend]
        if not place:
            raise UnavailableError(words)
        return place

    def _with(self, backend: str) -> tuple[str, str]:
        """The interpreter; without one an empty name and why."""
        own, words = self.store.path / "venvs" / backend / "bin" / "python", ""
        for place in (sys.executable, str(own)):
            if Path(place).exists():
                ended = self._run([place, "-c", f"from loadfleet import backends; backends.load({backend!r})"])
                if ended.status == 0:
                    return place, ""
                words = ended.last_words()
        if not own.exists():
            command = f"ansible-playbook playbooks/prepare.yml -i inventory -e benchmark_backend={backend}"
            words = f"`{command}` installs it into the store, from where it is taken"
        return "", f"the backend {backend} is not installed: {words}"

    def run(self, cell: Cell, python: str = sys.executable) -> CellRun:
        """Run a cell as a host does.

        Raises:
            UnavailableError: It left no result.
        """
        folder = Path(tempfile.mkdtemp(dir=self.scratch, prefix="cell."))
        files.write_json(folder / "cell.json", cell)
        ended = self._run([python, "-m", "loadfleet", "cell", "run", str(folder / "cell.json")])
        try:
            result = files.read_json(folder / "result.json")
            values = detail(folder / "mlperf_log_detail.txt")
        except (OSError, ValueError) as error:
            raise UnavailableError(_said(folder) or ended.last_words()) from error
        times = result["time"]
        start = times["loadgen_start"] - ended.began - times["warm_up_s"]
        return CellRun(result, values, folder, ended.peak_bytes, start)

    def child(self, task: str, python: str = sys.executable, **arguments: Any) -> Any:
        """What `module:function` returns, called in a process of its own.

        Raises:
            UnavailableError: It failed.
        """
        ended = self._run([python, "-m", "benchmarks.child", task], json.dumps(arguments))
        if ended.status:
            raise UnavailableError(f"{task}: {ended.last_words()}")
        return json.loads(ended.output.splitlines()[-1])

    def command(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], python_path: Sequence[Path] = ()
    ) -> Ended:
        """Any other command."""
        return self._run(words, cwd=cwd, environment=environment, python_path=python_path)

    def _run(
        self,
        words: Sequence[str],
        given: str = "",
        cwd: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        python_path: Sequence[Path] = _SOURCES,
    ) -> Ended:
        """Run a process to its end, or to the end of the budget and a little more.

        Raises:
            UnavailableError: It took too long, and was ended.
        """
        patience = min(_MOST_S, max(_GRACE_S, self.left() + _GRACE_S))
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, python_path)),
            **(environment or {}),
        }
        with (
            tempfile.TemporaryFile("w+") as feed,
            tempfile.TemporaryFile("w+", errors="replace") as output,
            tempfile.TemporaryFile("w+", errors="replace") as errors,
        ):
            feed.write(given)
            feed.seek(0)
            began = time.time()
            process = subprocess.Popen(
                list(words), stdin=feed, stdout=output, stderr=errors, cwd=cwd, env=variables, start_new_session=True
            )
            try:
                status, peak = _wait(process.pid, patience)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            process.returncode = status
            output.seek(0)
            errors.seek(0)
            if status < 0 and -status == signal.SIGKILL and time.time() - began >= patience:
                raise UnavailableError(f"it was ended after {patience:.0f} s")
            return Ended(status, output.read(), errors.read(), began, peak)


def _wait(pid: int, patience_s: float) -> tuple[int, int]:
    """Exit status and peak memory (bytes) of a child, killed when patience is over."""
    deadline = time.monotonic() + patience_s
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        time.sleep(_POLL_S)


def detail(path: Path) -> dict[str, Any]:
    """The first value of each key of a detail log."""
    values: dict[str, Any] = {}
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            entry = json.loads(line.partition(" ")[2])
            values.setdefault(entry["key"], entry["value"])
    return values


def _said(folder: Path) -> str:
    """What a cell that failed says of it."""
    try:
        return str(files.read_json(folder / "error.json")["error"])
    except (OSError, ValueError, KeyError):
        return ""
