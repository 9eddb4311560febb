"""LoadGen several times in one process, without its configuration files: settings that hardly last, for small costs."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.sut import Cell, Plain, dataset, engine
from loadfleet.loadgen import run as loadgen
from loadfleet.loadgen.schedule import scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadfleet.workloads import Dataset

_QUERY_SAMPLES = 8  # of MultiStream
# scenario -> fields of TestSettings beyond the count, rate or latency
_EXPECTED_NS = 10_000


@dataclass(frozen=True)
class Asked:
    """A run.

    Attributes:
        scenario: LoadGen's name.
        queries: How many; samples in Offline.
        rate: Queries a second in Server.
    """

    scenario: str
    queries: int
    rate: float = 1.0


def measured(asked: Asked, make: Callable[[Any], Any], samples: int) -> dict[str, Any]:
    """The first value of each key of the detail log, and `took_s`, the run's own seconds.

    Args:
        asked: The run.
        make: From the module mlperf_loadgen to what LoadGen calls, warmed up.
        samples: Size of the data set.
    """
    lg = loadgen.module()
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, asked.scenario)
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = 1
    settings.min_query_count = asked.queries
    settings.offline_expected_qps = 1
    settings.server_target_qps = asked.rate
    settings.server_target_latency_ns = 10**9
    settings.single_stream_expected_latency_ns = _EXPECTED_NS
    settings.multi_stream_expected_latency_ns = _EXPECTED_NS
    settings.multi_stream_samples_per_query = _QUERY_SAMPLES
    with tempfile.TemporaryDirectory() as name:
        called = make(lg)
        before = time.perf_counter()
        loadgen.run(lg, settings, called, samples, samples, Path(name))
        took = time.perf_counter() - before
        values: dict[str, Any] = {"took_s": took}
        with (Path(name) / "mlperf_log_detail.txt").open(encoding="utf-8") as stream:
            for line in stream:
                entry = json.loads(line.partition(" ")[2])
                values.setdefault(entry["key"], entry["value"])
    return values


def harness(cell: Cell, scenario: str, data: Dataset | None = None) -> Callable[[Any], Any]:
    """Makes the harness' scheduler for a scenario, warmed up for as short as it goes."""

    def make(lg: Any) -> Any:
        found = data or dataset(cell)
        plan = scheduler(scenario, engine({**cell, "scenario": scenario}, found, lg), 1e3)
        plan.load()
        plan.warm_up(seconds=0.05)
        return plan

    return make


def demo(lg: Any) -> Plain:
    """The smallest SUT that can be written in Python: LoadGen's demo without its thread and its pause."""
    response, complete = lg.QuerySampleResponse, lg.QuerySamplesComplete

    def answer(ids: Any, indices: Any, lg: Any) -> None:
        complete([response(sample, 0, 0) for sample in ids])

    return Plain(answer, lg)
