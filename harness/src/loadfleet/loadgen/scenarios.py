"""The four LoadGen scenarios: their number, its unit and what makes a run of them long enough."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """What differs between scenarios outside scheduling.

    Attributes:
        name: LoadGen's spelling, also the folder's name.
        metric: Name of the number in result.json.
        unit: Its unit.
        keys: Detail-log keys holding the number; the first that is there and not zero counts.
        scale: Factor from the log's unit to `unit`.
        higher_is_better: Direction of the number.
        latency_prefix: Middle of the detail-log keys of the percentiles (`..._percentile<prefix>_latency_ns`).
        rate_setting: user.conf key that makes LoadGen generate enough queries.
        test_minimum: Fewest queries in execution `test`.
    """

    name: str
    metric: str
    unit: str
    keys: tuple[str, ...]
    scale: float
    higher_is_better: bool
    rate_setting: str
    latency_prefix: str = ""
    test_minimum: int = 64


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("Offline", "samples_per_second", "Samples/s", ("result_samples_per_second",), 1.0, True, "target_qps"),
        Scenario(
            "Server",
            "completed_samples_per_second",
            "Queries/s",
            ("result_completed_samples_per_sec",),
            1.0,
            True,
            "target_qps",
        ),
        Scenario(
            "SingleStream",
            "p90_latency",
            "ms",
            ("early_stopping_latency_ss", "result_90.00_percentile_latency_ns"),
            1e-6,
            False,
            "target_latency",
        ),
        Scenario(
            "MultiStream",
            "p99_latency",
            "ms",
            ("early_stopping_latency_ms", "result_99.00_percentile_per_query_latency_ns"),
            1e-6,
            False,
            "target_latency",
            "_per_query",
            test_minimum=16,
        ),
    )
}
