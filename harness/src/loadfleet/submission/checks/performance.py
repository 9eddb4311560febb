"""The performance run: VALID, without errors, with the round's seeds, counts, duration and latency bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from loadfleet.catalogue.rounds import by_seed
from loadfleet.submission.checks.base import Check, Finding, Result
from loadfleet.submission.checks.measured import INFERRED, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.catalogue.rounds import ComplianceTest, RoundModel
    from loadfleet.submission.reading.mllog import DetailLog
    from loadfleet.submission.reading.place import Place


_NETWORK_SUT = "Network SUT"
_ESTIMATES = ("SingleStream", "MultiStream")  # whose result is early stopping's estimate


def one_run(check: Check, path: Place, log: DetailLog, several: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Settings and results stand in a log once: which of several counts would depend on the reader.

    `several` are keys that may stand there more than once.
    """
    for key in [key for key in log.repeated if key not in several][:5]:
        words = f"the log is of one run: {key} stands there once"
        yield check.error(path, words, "copy the log unchanged from the run", log.values.get(key))


class LoadGenRun(Check):
    """Log and summary can be read, LoadGen says VALID, and no line is an error."""

    family: ClassVar[str] = "performance"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        folder = subject.performance_folder
        if (folder / "mlperf_log_detail.txt").is_file():
            yield from self.log(folder, subject.performance)
        if (folder / "mlperf_log_summary.txt").is_file():
            verdict = subject.summary(folder).get("Result is")
            if verdict != "VALID":
                yield self.error(
                    folder / "mlperf_log_summary.txt",
                    "the summary says: Result is : VALID",
                    "measure again",
                    verdict or "",
                )

    def log(self, folder: Place, log: DetailLog) -> Iterator[Finding]:
        """The same for any performance log (compliance runs have one too)."""
        path = folder / "mlperf_log_detail.txt"
        if log.problem:
            yield self.error(path, "every line is a LoadGen entry", "copy the log unchanged from the run", log.problem)
        yield from one_run(self, path, log)
        for text in log.errors[:5]:
            yield self.error(path, "LoadGen logged no error", "mend the cause and measure again", text)
        validity = log.values.get("result_validity")
        if validity != "VALID":
            reason = log.text("result_invalid_reason")
            yield self.error(path, f"result_validity is VALID {reason}".strip(), "measure again", validity)
        mode = log.text("effective_test_mode")
        if mode not in {"PerformanceOnly", "SubmissionRun"}:
            yield self.error(path, "the log is of a performance run", "copy the right log", mode)


class Settings(Check):
    """Seeds, sample counts, duration and the flags that the round fixes; also in the open division."""

    family: ClassVar[str] = "settings"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        if subject.benchmark is not None and subject.performance.values:
            yield from self.log(subject, subject.performance_folder, subject.performance, subject.benchmark)

    def log(
        self,
        subject: Result,
        folder: Place,
        log: DetailLog,
        model: RoundModel,
        test: ComplianceTest | None = None,
    ) -> Iterator[Finding]:
        """The same for any performance log; `test` is the compliance test that it is of."""
        path, rules = folder / "mlperf_log_detail.txt", subject.rules
        own = None if test is None else test.seeds
        whose = f"{rules.name}'s {test.name}" if test is not None and own is not None else rules.name
        for name, seed in (own or rules.seeds).items():
            found = log.values.get(f"effective_{name}")
            if found != seed:
                fix = f"measure with {rules.name}'s LoadGen"
                other = by_seed().get(log.integer("effective_qsl_rng_seed") or 0, rules.name)
                fix += f"; these seeds are of {other}: check with --round {other}" if other != rules.name else ""
                yield self.error(path, f"{name} of {whose} is {seed}", fix, found)
        yield from self._at_least(
            path, log, "effective_performance_sample_count", model.performance_sample_count, "samples loaded"
        )
        yield from self._at_least(path, log, "effective_min_duration_ms", model.min_duration_ms, "minimum duration, ms")
        scenario = subject.measured_scenario
        if scenario == "Offline":
            yield from self._at_least(
                path, log, "effective_samples_per_query", model.offline_min_samples, "samples of the Offline query"
            )
            yield from self._at_least(path, log, "effective_min_query_count", 1, "queries")
        fixed = model.equal_issue and subject.division in rules.equal_issue_divisions
        if fixed and log.values.get("effective_sample_concatenate_permutation") is not True:
            yield self.error(path, f"{model.name} issues every sample equally often", "use mlperf.conf's settings")
        for key, value in rules.untouched_settings.items():
            found = log.values.get(key, value)
            if found != value and key not in (test.settings if test else {}):
                words = f"{key} is {json.dumps(value)} in a performance run"
                yield self.error(path, words, "measure with the round's settings, without an audit file", found)
        if model.token_latencies and log.values.get("requested_use_token_latencies") is not True:
            yield self.error(path, f"{model.name} measures token latencies", "set use_token_latencies")

    def _at_least(self, path: Place, log: DetailLog, key: str, minimum: int, what: str) -> Iterator[Finding]:
        value = log.number(key)
        if value is None or value < minimum:
            yield self.error(path, f"{what} ({key}) is at least {minimum}", "measure with the round's settings", value)


class Latency(Check):
    """Early stopping was satisfied and latency bounds are the round's."""

    family: ClassVar[str] = "latency"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        log, scenario, model = subject.performance, subject.measured_scenario, subject.benchmark
        if scenario is None or model is None:
            return
        path = subject.performance_folder / "mlperf_log_detail.txt"
        yield from self._percentile(subject, path, log, scenario)
        stopping = subject.rules.scenarios[scenario].early_stopping
        if stopping and log.values.get("early_stopping_met") is not True:
            told = log.values.get("early_stopping_result") or log.values.get("early_stopping_met")
            yield self.error(path, "early stopping is satisfied", "measure longer: more queries are needed", told)
        limit = model.latency_ms.get(scenario)
        target = log.number("effective_target_latency_ns")
        if limit is not None and not model.token_latencies and (target is None or target > limit * 1e6):
            yield self.error(
                path,
                f"target latency in {scenario} is at most {limit:g} ms",
                "measure with that bound",
                target and target / 1e6,
            )
        # Keys of LoadGen's token statistics, 99th percentile; the bound is strict.
        keys = {
            "ttft": "result_first_token_99.00_percentile_latency_ns",
            "tpot": "result_time_per_output_token_99.00_percentile_ns",
        }
        for name, bound in model.token_latency_ms.get(scenario, {}).items():
            value = log.number(keys[name])
            if value is None or value >= bound * 1e6:
                yield self.error(
                    path,
                    f"99th percentile of {name} in {scenario} is below {bound:g} ms",
                    "lower the load",
                    value and value / 1e6,
                )

    def _percentile(self, subject: Result, path: Place, log: DetailLog, scenario: str) -> Iterator[Finding]:
        """The estimate is of the round's percentile, from queries of the round's size, and from enough of them."""
        rules = subject.rules.scenarios[scenario]
        samples = log.number("effective_samples_per_query")
        if rules.samples_per_query is not None and samples is not None and samples != rules.samples_per_query:
            words = f"a query of {scenario} has {rules.samples_per_query} samples"
            yield self.error(path, words, "measure with the round's settings", samples)
        wanted = subject.benchmark and subject.rules.percentile(subject.benchmark, scenario)
        share = log.number("effective_target_latency_percentile")
        if wanted and share is not None and 100 * share < float(wanted) - 1e-6:
            words = f"latency in {scenario} is that of the {wanted}th percentile"
            yield self.error(path, words, "measure with the round's settings", f"{100 * share:g}")
        fewest = subject.rules.early_stopping_min_queries.get(wanted or "")
        queries = log.number("result_query_count")
        estimated = subject.scenario in _ESTIMATES and scenario in _ESTIMATES
        if estimated and fewest is not None and queries is not None and queries < fewest:
            words = f"an estimate of the {wanted}th percentile needs {fewest} queries"
            yield self.error(path, words, "measure longer: more queries are needed", queries)


class Metric(Check):
    """The log holds the scenario's result, of the scenario that the folder says."""

    family: ClassVar[str] = "performance"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        log = subject.performance
        if not log.values or subject.scenario is None:
            return
        path = subject.performance_folder / "mlperf_log_detail.txt"
        ran, wanted = log.text("effective_scenario"), subject.rules.scenarios[subject.scenario].loadgen_scenario
        kind = subject.model.system.kind
        if ran != wanted:
            if kind in {"edge", "combined"} and (ran, subject.scenario) in INFERRED:
                yield self.warning(
                    path, f"the result is inferred from {ran}", "measure the scenario for a better one", ran
                )
            else:
                yield self.error(path, f"the log is of {wanted}", "copy the right run", ran)
                return
        measured = measure(subject)
        if measured is None:
            yield self.error(path, "the log holds the result of the scenario", "measure again")
        elif measured.value <= 0:
            yield self.error(path, "the result is positive", "measure again", measured.value)


class NetworkName(Check):
    """Where the system is measured over a network, the system under test is named so in every performance log."""

    family: ClassVar[str] = "performance"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        if subject.division != "network" and not subject.model.system.is_network:
            return
        yield from self.log(subject.performance_folder, subject.performance)

    def log(self, folder: Place, log: DetailLog) -> Iterator[Finding]:
        name = log.values.get("sut_name")
        if _NETWORK_SUT not in str(name):
            path = folder / "mlperf_log_detail.txt"
            yield self.error(path, f'sut_name holds "{_NETWORK_SUT}"', "name the QDL so", name)
