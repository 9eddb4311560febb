"""Run one cell in this process: load, warm up, LoadGen, judge, result.json."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import backends, files, workloads
from loadfleet.catalogue import rounds
from loadfleet.cell import error_file, estimates, result_file, sessions, settings, verdict
from loadfleet.cell.monitor import Monitor
from loadfleet.cell.start import Start
from loadfleet.compliance import cell as compliance
from loadfleet.errors import BadResultError, InputError
from loadfleet.loadgen import logs
from loadfleet.loadgen import run as loadgen
from loadfleet.loadgen.logs import DetailLog
from loadfleet.loadgen.schedule import scheduler
from loadfleet.results import latency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadfleet.catalogue.rounds import Round
    from loadfleet.loadgen.engine import Layout
    from loadfleet.loadgen.latencies import Latencies
    from loadfleet.loadgen.settings import Settings
    from loadfleet.workloads import Accuracy, Workload

_LOGS = (logs.SUMMARY, logs.DETAIL, logs.ACCURACY)


def run(folder: Path, cell: Mapping[str, Any], argv: list[str]) -> int:
    """Run a checked cell; logs and result.json are in `folder`, which holds its cell.json.

    Returns:
        0 when the result is good, 1 when it is bad.

    Raises:
        InputError: The folder holds the logs of another run, or the cell asks for something impossible.
        NotReadyError: LoadGen, the backend or the device is missing, or a run that a test is compared with.
        BadResultError: LoadGen left no readable log.
    """
    _refuse_dirty(folder)
    before = compliance.references(folder, cell)
    rules = rounds.load(cell["round"])
    monitor = Monitor(folder, settings.minimum_ms(cell, rules) / 1e3)
    monitor.start()
    clock = _Clock()
    times = result_file.started(cell)
    try:
        lg = loadgen.module()
        backend = backends.load(cell["backend"]["name"])
        workload = workloads.load(cell["workload"])
        dataset = workload.open(Path(cell["dataset"]["path"]))
        described: list[dict[str, Any]] = []
        engine = sessions.engine(
            cell, dataset, backend, lg, error_file.Abort(folder), lambda session: described.append(session.describe())
        )
        plan = scheduler(cell["scenario"], engine, settings.latency_limit(cell, rules))
        plan.load()
        times["load_s"] = clock.lap()
        monitor.phase("warming up")
        estimate = plan.warm_up(settings.warm_up_s(cell))
        times["warm_up_s"] = clock.lap()
        values = compliance.requested(before) or settings.values(
            cell, rules, (estimate, engine.layout.instances), dataset.count
        )
        known, asked = loadgen.known_samples(lg, values, dataset.count), settings.of(cell, rules, values)
        audit = _audit_file(folder, cell, asked)
        applied = asked.apply(lg, folder / "user.conf")
        start = Start(cell.get("start_at"), lambda: monitor.phase("running", engine.progress))
        monitor.phase("waiting to start")
        loadgen.run(
            lg,
            applied,
            plan,
            known,
            min(known, cell["dataset"]["performance_samples"]),
            folder,
            on_load=dataset.load,
            start=start.wait,
            audit=audit,
        )
        times |= start.times()
        monitor.phase("judging")
        _write_histogram(folder, cell, plan.latencies)
        detail = DetailLog.read(folder / logs.DETAIL)
        judged = _judged(folder, cell, rules, workload, before, asked, detail)
    finally:
        monitor.stop()
    head = result_file.head(cell, backend.versions(), {**described[-1], **_arranged(engine.layout)})
    head["backend"]["capabilities"] = backend.capabilities()
    result = {**head, **_measured(folder, cell, asked, detail, judged), "telemetry": monitor.summary()}
    result_file.write(folder, cell, result, times, argv)
    return judged.exit_code


def _refuse_dirty(folder: Path) -> None:
    for name in (*_LOGS, result_file.NAME):
        if (folder / name).exists():
            raise InputError(f"{folder} already holds {name}", fix="name a new folder: a run is never overwritten")


def _audit_file(folder: Path, cell: Mapping[str, Any], asked: Settings) -> Path | None:
    """The audit file of a compliance test, written; None in other cells."""
    if "compliance" not in cell:
        return None
    path = folder / compliance.AUDIT
    files.write_text(path, asked.audit_config())
    return path


def _write_histogram(folder: Path, cell: Mapping[str, Any], latencies: Latencies) -> None:
    """How the latencies of a timed run are spread, for reports."""
    if cell["mode"] != "performance":
        return
    if found := latency.distribution(*latencies.milliseconds()):
        files.write_json(folder / latency.HISTOGRAM, found.as_dict())


def _judged(
    folder: Path,
    cell: Mapping[str, Any],
    rules: Round,
    workload: Workload,
    before: Mapping[str, Path],
    asked: Settings,
    detail: DetailLog,
) -> verdict.Verdict:
    """What the logs are worth; a rate that was measured is the next run's estimate.

    Args:
        folder: The cell's.
        cell: The cell.
        rules: Its round.
        workload: Its workload, which scores answers.
        before: Mode -> folder of the runs that a compliance test is compared with.
        asked: What LoadGen was asked.
        detail: What it wrote.

    Raises:
        BadResultError: The log of an accuracy run cannot be scored.
    """
    score = functools.partial(workload.accuracy, Path(cell["dataset"]["path"]))
    outcome = compliance.judge(folder, cell, before, score)
    differences = asked.differences(detail.values)
    judged = verdict.judge(cell, rules, detail, _accuracy(cell, folder, score), differences, outcome)
    if judged.metric and not outcome:
        estimates.record(cell, judged.metric["value"], judged.metric["unit"])
    return judged


def _accuracy(cell: Mapping[str, Any], folder: Path, score: Callable[[Path], Accuracy]) -> Accuracy | None:
    """The scored answers of an accuracy run, or of a test that wants them scored; accuracy.txt says it.

    Raises:
        BadResultError: The log of an accuracy run cannot be scored.
    """
    test = cell.get("compliance")
    if cell["mode"] != "accuracy" and not (test and test["scored"]):
        return None
    try:
        accuracy = score(folder / logs.ACCURACY)
    except BadResultError:
        if test:
            return None  # verification says what is wrong with the log
        raise
    files.write_text(folder / "accuracy.txt", accuracy.text)
    return accuracy


def _arranged(layout: Layout) -> dict[str, int]:
    """How the backend was used, besides what its sessions say."""
    return {
        "instances": layout.instances,
        "batch_samples": layout.batch_samples,
        "batch_cost": layout.batch_cost,
    }


def _measured(
    folder: Path, cell: Mapping[str, Any], asked: Settings, detail: DetailLog, judged: verdict.Verdict
) -> dict[str, Any]:
    """What result.json says of a measurement, behind its head."""
    return {
        **{key: cell[key] for key in ("found", "tried") if key in cell},
        "loadgen": {
            "version": loadgen.version(),
            "requested": asked.values,
            "effective": {k: v for k, v in detail.values.items() if k.startswith("effective_")},
        },
        "metric": judged.metric,
        "latency": judged.latency,
        "validity": judged.validity,
        "accuracy": judged.accuracy,
        **({} if cell.get("judged", True) else {"accuracy_claimed": False}),
        **({"compliance": judged.compliance} if judged.compliance else {}),
        "power": None,
        "files": {
            name: {"sha256": files.sha256(folder / name), "bytes": (folder / name).stat().st_size}
            for name in (*_LOGS, "user.conf", "accuracy.txt", *_verification(cell))
            if (folder / name).exists()
        },
        "exit_code": judged.exit_code,
    }


def _verification(cell: Mapping[str, Any]) -> list[str]:
    """Files that a compliance test leaves besides LoadGen's logs."""
    return [compliance.AUDIT, *compliance.written(cell["compliance"])] if "compliance" in cell else []


class _Clock:
    def __init__(self) -> None:
        self._mark = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self._mark = self._mark, time.monotonic()
        return round(self._mark - before, 3)
