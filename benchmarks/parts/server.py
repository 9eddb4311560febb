"""Server: the highest rate that holds the p99 limit, of the harness and of the reference manner, both by search."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UnavailableError
from benchmarks.part import Figure, Part, Reading, Record, ratio, value
from loadfleet.tuning import rate
from loadfleet.tuning.probe import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench, Cell
    from loadfleet.tuning.probe import Probe, Settings

LIMIT_MS = 130.0  # MLPerf's p99 limit of BERT in Server
_ROOM = 2.5  # the limit has to be so many calls of the reference manner, or is scaled to that
_EFFORT = rate.Effort(probes=5, tolerance=0.05, seconds=10.0, queries=800, longest_s=12.0, sure=0.8)


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """The limit, and queries a second of each."""
    calls = bench.child("benchmarks.parts.server:calls", cell=bench.cell("SingleStream", query_count=64))
    limit = LIMIT_MS if calls["padded"] * _ROOM <= LIMIT_MS else float(f"{calls['padded'] * _ROOM:.2g}")
    yield Reading("limit", limit, "ms")
    for name, probe, guess in (
        ("harness", _harness(bench, limit), 0.8e3 / calls["own"]),
        ("reference", _reference(bench, limit), 0.6e3 / calls["padded"]),
    ):
        yield _searched(name, probe, guess, limit)


def _searched(name: str, probe: Probe, guess: float, limit: float) -> Reading:
    found = rate.search(probe, guess, bound_ms=limit, effort=_EFFORT)
    if found.rate is None:
        return Reading(name, None, reason=found.reason)
    return Reading(name, found.rate, "queries/s", low=min(found.low, found.rate), high=max(found.high, found.rate))


def _harness(bench: Bench, limit: float) -> Probe:
    def probe(settings: Settings, seconds: float) -> Outcome:
        return outcome(bench.run(_cell(bench, limit, settings[rate.SETTING], seconds)).detail)

    return probe


def _reference(bench: Bench, limit: float) -> Probe:
    def probe(settings: Settings, seconds: float) -> Outcome:
        asked = settings[rate.SETTING]
        cell = _cell(bench, limit, asked, seconds)
        return outcome(bench.child("benchmarks.sut:reference_server", cell=cell, rate=asked, latency_ms=limit))

    return probe


def _cell(bench: Bench, limit: float, asked: float, seconds: float) -> Cell:
    return bench.cell(
        "Server", query_count=max(64, round(asked * seconds)), target_qps={"Server": asked},
        target_latency_ms={"Server": limit},
    )  # fmt: skip


def outcome(detail: dict[str, Any]) -> Outcome:
    """What a run's detail log says. Valid is a p99 within the limit: a short probe cannot meet the minimums."""
    try:
        return Outcome(
            valid=bool(detail["result_perf_constraints_met"]),
            rate=float(detail["result_completed_samples_per_sec"]),
            queries=int(detail["result_query_count"]),
            late=int(detail["result_overlatency_query_count"]),
            latency_ms={"p50": detail["result_50.00_percentile_latency_ns"] / 1e6,
                        "p99": detail["result_99.00_percentile_latency_ns"] / 1e6},
        )  # fmt: skip
    except KeyError as error:
        raise UnavailableError(f"the detail log of a Server run has no {error}") from error


def calls(cell: Cell) -> dict[str, float]:
    """Mean milliseconds of one call in the reference manner (`padded`), and of one at its own length (`own`)."""
    from benchmarks import sut  # noqa: PLC0415  (in the child process only)

    chosen = sut.evenly(sut.dataset(cell), 32).tolist()
    return {
        "padded": statistics.fmean(sut.reference_calls(cell, chosen)),
        "own": statistics.fmean(sut.bare_calls(cell, chosen)),
    }


def figures(record: Record) -> list[Figure]:
    """The ratio, and both rates."""
    limit = (record.values().get("limit") or [LIMIT_MS])[0]
    words = f"p99 within {limit:g} ms" + ("" if limit == LIMIT_MS else f", scaled from {LIMIT_MS:g} ms")
    return [
        ratio(f"Server, {words}: against the reference-style SUT", "harness", "reference", at_least=1.8),
        value(f"Server, {words}: harness", "harness", "queries/s"),
        value(f"Server, {words}: reference-style SUT", "reference", "queries/s"),
    ]


PART = Part(
    name="server",
    title="Server: highest rate within the p99 limit, harness and reference-style SUT",
    run=readings,
    figures=figures,
    rounds=1,
    seconds=170,
    rank=30,
)
