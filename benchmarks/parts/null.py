"""What LoadGen and the harness cost around a model that answers at once, against the smallest SUT in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.part import Figure, Part, Reading, difference, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.bench import Bench, Cell

# name -> scenario, queries (samples in Offline), queries a second in Server
_RUNS = {
    "Offline": ("Offline", 40_000, 1.0),
    "Server": ("Server", 6_000, 3_000.0),
    "Server, flooded": ("Server", 20_000, 500_000.0),
    "SingleStream": ("SingleStream", 20_000, 1.0),
    "MultiStream": ("MultiStream", 4_000, 1.0),
}
_P99 = {"SingleStream": "result_99.00_percentile_latency_ns", "Server": "result_99.00_percentile_latency_ns",
        "MultiStream": "result_99.00_percentile_per_query_latency_ns"}  # fmt: skip


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Samples a second and p99 in microseconds, of the harness and of the demo."""
    found = bench.child("benchmarks.parts.null:measure", cell=bench.cell(backend="null"), turned=bool(number % 2))
    for name, one in found.items():
        yield Reading(name, one, "us" if name.endswith("p99") else "samples/s")


def measure(cell: Cell, *, turned: bool) -> dict[str, float]:
    """All runs, one after another in this process."""
    from benchmarks import direct, sut  # noqa: PLC0415  (in the child process only)

    found: dict[str, float] = {}
    data = sut.dataset(cell)
    for name, (scenario, queries, rate) in _RUNS.items():
        asked = direct.Asked(scenario, queries, rate)
        makes = {"harness": direct.harness(cell, scenario, data), "demo": direct.demo}
        for which in sorted(makes, reverse=turned):
            values = direct.measured(asked, makes[which], data.count)
            found[f"{which}, {name}"] = _rate(scenario, values)
            if name in _P99:
                found[f"{which}, {name}, p99"] = values[_P99[name]] / 1e3
    return found


def _rate(scenario: str, values: Mapping[str, Any]) -> float:
    """Samples a second."""
    if scenario == "Offline":
        return float(values["result_samples_per_second"])
    if scenario == "Server":
        return float(values["result_completed_samples_per_sec"])
    if scenario == "MultiStream":
        return 8e9 / float(values["result_mean_query_latency_ns"])
    return 1e9 / float(values["result_mean_latency_ns"])


def _rows() -> Iterator[Figure]:
    for name in ("Offline", "Server, flooded", "SingleStream", "MultiStream"):
        yield value(f"Null, {name}: harness", f"harness, {name}", "samples/s")
        yield Figure(
            f"Null, {name}: added to a sample", "1 / harness - 1 / demo", (f"harness, {name}", f"demo, {name}"),
            lambda harness, demo: 1e6 / harness - 1e6 / demo, "us",
        )  # fmt: skip
    for name in ("Server", "SingleStream", "MultiStream"):
        limit = {"at_most": 100.0} if name == "SingleStream" else {}
        rate = f" at {_RUNS[name][2]:,.0f} queries/s" if name == "Server" else ""
        yield difference(
            f"Null, {name}{rate}: added to the p99 of a query", f"harness, {name}, p99", f"demo, {name}, p99", "us",
            words="harness - demo", **limit,
        )  # fmt: skip


PART = Part(
    name="null",
    title="Null backend: what a sample costs besides the model, against the smallest SUT in Python",
    run=readings,
    figures=tuple(_rows()),
    rounds=3,
    seconds=30,
    rank=35,
)
