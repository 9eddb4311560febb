"""Run one cell in this process: load, warm up, LoadGen, judge, result.json."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from loadfleet import backends, catalogue, files, workloads
from loadfleet.backends import ModelFile, Options
from loadfleet.catalogue import rounds
from loadfleet.cell import estimates, verdict
from loadfleet.cell.monitor import Monitor
from loadfleet.cell.start import Start
from loadfleet.compliance import cell as compliance
from loadfleet.errors import BadResultError, InputError, LoadfleetError
from loadfleet.loadgen import arrivals
from loadfleet.loadgen import run as loadgen
from loadfleet.loadgen.engine import Engine, Layout
from loadfleet.loadgen.logs import DetailLog
from loadfleet.loadgen.scenarios import SCENARIOS
from loadfleet.loadgen.schedule import scheduler
from loadfleet.loadgen.settings import Settings
from loadfleet.results import failure, latency
from loadfleet.results import model as results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadfleet.backends import Backend, Session
    from loadfleet.catalogue.rounds import Round
    from loadfleet.loadgen.latencies import Latencies
    from loadfleet.workloads import Accuracy, Dataset

LOGS = ("mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json")
SAME = (
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
)  # copied from cell.json to result.json
TEST_DURATION_MS = 20_000
TEST_ACCURACY_SAMPLES = 1_000
_SESSIONS_BYTES = 8 << 30
# LoadGen sizes the Offline query by 1.1 x target x duration and calls a run INVALID that ends before the duration:
# a target somewhat above the estimate costs a longer run, one below it costs the run.
_OFFLINE_MARGIN = 1.05
_PROBE_QUERIES = 8  # at least: of a slow system a search wants to see many settings rather than many queries
_STREAM_SHARE = 0.5  # of the undisturbed latency: LoadGen prepares enough queries only for one below the true one


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
    minimum_ms = _minimum_ms(cell, rules)
    monitor = Monitor(folder, minimum_ms / 1e3)
    monitor.start()
    clock = _Clock()
    times: dict[str, Any] = {"started": _now(), "clock_offset_ms": cell.get("gate", {}).get("clock_offset_ms")}
    try:
        lg = loadgen.module()
        backend = backends.load(cell["backend"]["name"])
        workload = workloads.load(cell["workload"])
        dataset = workload.open(Path(cell["dataset"]["path"]))
        described: list[dict[str, Any]] = []

        def described_session(threads: int) -> Session:
            session = open_session(cell, backend, threads)
            described.append(session.describe())
            return session

        engine = Engine(dataset, described_session, layout(cell, dataset), lg, _Abort(folder))
        plan = scheduler(cell["scenario"], engine, latency_limit(rules, cell))
        plan.load()
        times["load_s"] = clock.lap()
        monitor.phase("warming up")
        estimate = plan.warm_up(_warm_up_s(cell))
        times["warm_up_s"] = clock.lap()
        values = compliance.requested(before) or _values(
            cell, rules, (estimate, engine.layout.instances), minimum_ms, dataset.count
        )
        known, asked = loadgen.known_samples(lg, values, dataset.count), _settings(cell, rules, values)
        audit = _audit_file(folder, cell, asked)
        settings = asked.apply(lg, folder / "user.conf")
        start = Start(cell.get("start_at"), lambda: monitor.phase("running", engine.progress))
        monitor.phase("waiting to start")
        loadgen.run(
            lg,
            settings,
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
        detail = DetailLog.read(folder / LOGS[1])
        score = functools.partial(workload.accuracy, Path(cell["dataset"]["path"]))
        outcome = compliance.judge(folder, cell, before, score)
        differences = asked.differences(detail.values)
        judged = verdict.judge(cell, rules, detail, _accuracy(cell, folder, score), differences, outcome)
        if judged.metric and not outcome:
            estimates.record(cell, judged.metric["value"], judged.metric["unit"])
    finally:
        monitor.stop()
    result = _result(folder, cell, backend.versions(), described[-1], engine.layout, asked, detail, judged)
    result["backend"]["capabilities"] = backend.capabilities()
    result.update(
        telemetry=monitor.summary(),
        time={**times, "finished": _now()},
        command={"argv": argv, "prefix": cell["command"]["prefix"]},
    )
    results.validate(result)
    files.write_json(folder / "result.json", result)
    return judged.exit_code


def open_session(cell: Mapping[str, Any], backend: Backend, threads: int) -> Session:
    """The cell's model as it asks for it."""
    model, asked = cell["model"], cell["backend"]
    source = ModelFile(
        Path(model["path"]), model["inputs"], model["outputs"], model["shapes"], model["digest"],
        model.get("module", ""),
    )  # fmt: skip
    kept = Path(cell["store_path"]) / "compiled"
    options = Options(asked["device"], threads, asked["precision"], kept, asked.get("options", {}))
    return backend.load(source, options)


def _warm_up_s(cell: Mapping[str, Any]) -> float:
    """How long to look at the machine: an estimate that is too low costs a valid run its ten minutes."""
    if cell["mode"] == "accuracy" and cell["scenario"] != "Server":
        return 0.0  # nothing depends on the estimate
    return 3.0 if cell["execution"] == "valid" else 1.0


def _write_histogram(folder: Path, cell: Mapping[str, Any], latencies: Latencies) -> None:
    """How the latencies of a timed run are spread, for reports."""
    if cell["mode"] != "performance":
        return
    if found := latency.distribution(*latencies.milliseconds()):
        files.write_json(folder / latency.HISTOGRAM, found.as_dict())


def _minimum_ms(cell: Mapping[str, Any], rules: Round) -> int:
    """LoadGen's minimum duration."""
    if cell["loadgen"]["query_count"]:
        return 1  # the count alone decides when the run ends
    if "probe" in cell:
        return int(1e3 * cell["probe"]["seconds"])
    return rules.min_duration_ms if cell["execution"] == "valid" else TEST_DURATION_MS


def _refuse_dirty(folder: Path) -> None:
    for name in (*LOGS, "result.json"):
        if (folder / name).exists():
            raise InputError(f"{folder} already holds {name}", fix="name a new folder: a run is never overwritten")


def _result(
    folder: Path,
    cell: Mapping[str, Any],
    versions: Mapping[str, str],
    session: Mapping[str, Any],
    layout: Layout,
    asked: Settings,
    detail: DetailLog,
    judged: verdict.Verdict,
) -> dict[str, Any]:
    """result.json but for its times, telemetry and command."""
    return {
        "schema_version": 1,
        **{key: cell[key] for key in SAME},
        **{key: cell[key] for key in ("gate", "platform", "found", "tried") if key in cell},
        "model": {"name": cell["model"]["name"], "digest": cell["model"]["digest"], **cell["model"]["facts"]},
        "dataset": {key: cell["dataset"][key] for key in ("name", "digest", "samples")},
        "backend": {
            "name": cell["backend"]["name"],
            "device": cell["backend"]["device"],
            "versions": dict(versions),
            "options": {
                **session,
                "instances": layout.instances,
                "batch_samples": layout.batch_samples,
                "batch_cost": layout.batch_cost,
            },
        },
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
            for name in (*LOGS, "user.conf", "accuracy.txt", *_verification(cell))
            if (folder / name).exists()
        },
        "exit_code": judged.exit_code,
    }


def _settings(cell: Mapping[str, Any], rules: Round, values: dict[str, float]) -> Settings:
    """What LoadGen is asked; a compliance test has an audit file and perhaps seeds of its own."""
    test = cell.get("compliance") or {"seeds": {}, "audit": {}}
    return Settings(
        model=cell["loadgen"]["model"],
        scenario=cell["scenario"],
        mode=cell["mode"],
        values=values,
        seeds={**dict(rules.seeds.items()), **test["seeds"]},
        audit=test["audit"],
    )


def _audit_file(folder: Path, cell: Mapping[str, Any], asked: Settings) -> Path | None:
    """The audit file of a compliance test, written; None in other cells."""
    if "compliance" not in cell:
        return None
    path = folder / compliance.AUDIT
    files.write_text(path, asked.audit_config())
    return path


def _verification(cell: Mapping[str, Any]) -> list[str]:
    """Files that a compliance test leaves besides LoadGen's logs."""
    return [compliance.AUDIT, *compliance.written(cell["compliance"])] if "compliance" in cell else []


def _accuracy(cell: Mapping[str, Any], folder: Path, score: Callable[[Path], Accuracy]) -> Accuracy | None:
    """The scored answers of an accuracy run, or of a test that wants them scored; accuracy.txt says it.

    Raises:
        BadResultError: The log of an accuracy run cannot be scored.
    """
    test = cell.get("compliance")
    if cell["mode"] != "accuracy" and not (test and test["scored"]):
        return None
    try:
        accuracy = score(folder / LOGS[2])
    except BadResultError:
        if test:
            return None  # verification says what is wrong with the log
        raise
    files.write_text(folder / "accuracy.txt", accuracy.text)
    return accuracy


def _values(
    cell: Mapping[str, Any], rules: Round, seen: tuple[float, int], minimum_ms: int, samples: int
) -> dict[str, float]:
    """What user.conf says beyond LoadGen's own mlperf.conf.

    Args:
        cell: The cell.
        rules: Its round.
        seen: The rate of the warm-up (streams: a latency, ms), and how many instances gave it.
        minimum_ms: LoadGen's minimum duration.
        samples: Samples of the data set.
    """
    estimate, instances = seen
    asked, scenario, test = cell["loadgen"], SCENARIOS[cell["scenario"]], cell["execution"] != "valid"
    values: dict[str, float] = {}
    if scenario.rate_setting == "target_qps":
        if scenario.name == "Offline":
            estimate = max(estimate, estimates.last(cell) or 0.0) * _OFFLINE_MARGIN
        else:
            estimate = arrivals.rate(estimate, instances, latency_limit(rules, cell))
        values["target_qps"] = asked["target_qps"] or round(estimate, 3)
        if scenario.name == "Offline" and asked["query_count"] and not asked["target_qps"]:
            values["target_qps"] = 1  # else LoadGen would raise the count to what the rate asks for
        if scenario.name == "Server" and asked["target_latency_ms"]:
            values["target_latency"] = asked["target_latency_ms"]
    else:
        values["target_latency"] = asked["target_latency_ms"] or round(estimate * _STREAM_SHARE, 6)
    if cell["mode"] == "accuracy":
        if test:
            values["accuracy_sample_count_override"] = min(samples, asked["query_count"] or TEST_ACCURACY_SAMPLES)
    elif test:
        values["min_duration"] = minimum_ms
        least = _PROBE_QUERIES if "probe" in cell else scenario.test_minimum
        values["min_query_count"] = asked["query_count"] or least
    return values


def layout(cell: Mapping[str, Any], dataset: Dataset) -> Layout:
    """Defaults use every core: one thread an instance while the copies of the model fit, else fewer, wider ones."""
    asked, cores, usual = cell["backend"], len(os.sched_getaffinity(0)), cell["batch"]
    batch_samples, batch_cost = asked["batch_size"] or usual["samples"], asked.get("batch_cost")
    width = None if cell["model"]["dynamic_shape"] else int(dataset.lengths.max())
    multiple = asked.get("width_multiple", 1)
    if cell["scenario"] in ("SingleStream", "MultiStream"):
        return Layout(1, asked["threads"] or cores, batch_samples, batch_cost or usual["cost"], width, multiple)
    if asked["threads"]:
        threads = asked["threads"]
    elif asked["instances"]:
        threads = max(1, cores // asked["instances"])
    else:
        model_bytes = session_bytes(cell)
        room = min(_SESSIONS_BYTES, psutil.virtual_memory().available // 2)
        threads = 1
        while not _shares(cell) and threads < cores and cores // threads * model_bytes > room:
            threads *= 2
    cost = batch_cost or (batch_samples * int(dataset.lengths.max()) if asked["batch_size"] else usual["cost"])
    free = not (asked["threads"] or asked["instances"])
    return Layout(asked["instances"] or max(1, cores // threads), threads, batch_samples, cost, width, multiple, free)


def _shares(cell: Mapping[str, Any]) -> bool:
    """Whether instances of one thread have one copy of the model in common."""
    backend = cell["backend"]
    return backend["device"] == "cpu" and bool(catalogue.get("backend", backend["name"]).data.get("shares_model"))


def session_bytes(cell: Mapping[str, Any]) -> int:
    """About how much memory one more copy of the model takes."""
    return max(1, Path(cell["model"]["path"]).stat().st_size * 3 // 2)


def latency_limit(rules: Round, cell: Mapping[str, Any]) -> float:
    """Latency bound of Server in ms: the user's, or what the round sets for the model."""
    if cell["loadgen"]["target_latency_ms"]:
        return float(cell["loadgen"]["target_latency_ms"])
    official = cell["model"]["facts"].get("official_name")
    limits = rules.model(official).latency_ms if official else {}
    return float(limits.get("Server", 100.0))


class _Abort:
    """What happens when a batch raises: LoadGen would wait for its answer for ever, so the process ends here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, error: BaseException) -> None:
        traceback.print_exception(error)
        explain(self._folder, error)
        os._exit(LoadfleetError.exit_code)


def explain(folder: Path, error: BaseException) -> None:
    """Leave error.json for whoever looks at the cell next."""
    stage = ""
    with contextlib.suppress(OSError, ValueError, KeyError):
        stage = str(files.read_json(folder / "status.json")["phase"])
    kind, message, fix = failure.of_error(error, stage)
    files.write_json(folder / "error.json", {"schema_version": 1, "class": kind, "error": message, "fix": fix})


class _Clock:
    def __init__(self) -> None:
        self._mark = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap."""
        before, self._mark = self._mark, time.monotonic()
        return round(self._mark - before, 3)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
