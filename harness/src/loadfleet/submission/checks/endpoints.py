"""Results of MLCommons' endpoints client, which has a configuration and summaries instead of LoadGen's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.base import Check, Finding, Result, is_text_file, json_problem, read_object
from loadfleet.submission.checks.measured import measure
from loadfleet.submission.reading import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.catalogue.rounds import EndpointRules, RoundModel, Target
    from loadfleet.submission.reading.endpoints import EndpointsRun
    from loadfleet.submission.reading.place import Place

_TOKEN_SCENARIOS = ("Server", "Interactive")


class Endpoints(Check):
    """Files, model, seeds, duration, latency, failures and accuracy of a result of the endpoints client."""

    family: ClassVar[str] = "endpoints"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        rules, model = subject.rules.endpoints, subject.benchmark
        if not subject.endpoints or rules is None or model is None or subject.scenario is None:
            return
        run = endpoints.read(subject.folder)
        for name, problem in run.problems.items():
            yield self.error(subject.folder / name, f"{name} of the run is there", "copy it", problem)
        if model.name not in rules.models:
            words = f"results of the endpoints client are of {', '.join(rules.models)}"
            yield self.error(subject.folder, words, "measure with LoadGen", model.name)
        yield from self._configuration(subject, run, rules, model)
        yield from self._performance(subject, run, model)
        yield from self._accuracy(subject, run, rules, model)

    def _configuration(
        self, subject: Result, run: EndpointsRun, rules: EndpointRules, model: RoundModel
    ) -> Iterator[Finding]:
        if not run.configuration:
            return
        name = next((name for name in endpoints.CONFIGURATIONS if (subject.folder / name).is_file()), "")
        path, fix = subject.folder / name, "run the client with the settings of the round"
        for seed, wanted in subject.rules.seeds.items():
            found = run.seeds.get(seed, wanted)
            if found != wanted:
                yield self.error(path, f"{seed} of {subject.rules.name} is {wanted}", fix, found)
        if run.min_duration_ms is None or run.min_duration_ms < model.min_duration_ms:
            words = f"the minimum duration is at least {model.min_duration_ms} ms"
            yield self.error(path, words, fix, run.min_duration_ms)
        kind, scenario = rules.scenario_types.get(run.kind), subject.scenario
        interactive = {kind, scenario} == set(_TOKEN_SCENARIOS) and run.kind == "online"
        if kind != scenario and not interactive:
            yield self.error(path, f"the run is of {scenario}", "copy the right run", run.kind)

    def _performance(self, subject: Result, run: EndpointsRun, model: RoundModel) -> Iterator[Finding]:
        if not run.summary:
            return
        path, scenario = subject.folder / endpoints.SUMMARY, str(subject.scenario)
        if run.failed:
            yield self.error(path, "no sample failed", "mend the cause and measure again", run.failed)
        elif run.failed is None:
            yield self.warning(path, "the summary says that no sample failed", "use the client's newest release")
        measured = measure(subject)
        if measured is None or measured.value <= 0:
            yield self.error(path, f"the summary holds the result of {scenario}", "measure again")
        bounds = {f"99th percentile of {name}": (name, bound) for name, bound in _tokens(model, scenario).items()}
        limit = model.latency_ms.get(scenario)
        if limit is not None and not model.token_latencies:
            bounds["99th percentile of latency"] = ("latency", limit)
        for words, (what, bound) in bounds.items():
            value = run.percentile(what, 99)
            # token latencies are below their bound, latencies may equal it
            late = value is None or (value > bound * 1e6 if what == "latency" else value >= bound * 1e6)
            if late:
                sign = "at most" if what == "latency" else "below"
                rule = f"{words} in {scenario} is {sign} {bound:g} ms"
                yield self.error(path, rule, "lower the load", value and value / 1e6)

    def _accuracy(
        self, subject: Result, run: EndpointsRun, rules: EndpointRules, model: RoundModel
    ) -> Iterator[Finding]:
        if not run.accuracy:
            return
        path, scenario = subject.folder / endpoints.SCORES, str(subject.scenario)
        if not run.scores:
            yield self.error(path, "accuracy_scores holds a score", "score the run again")
        wanted = model.samples_for(scenario)
        if run.accuracy_samples != wanted:
            words = f"accuracy is measured on all {wanted} samples"
            yield self.error(path, words, "run accuracy on the whole data set", run.accuracy_samples)
        if model.name not in rules.scored_models or not run.scores:
            return
        report = self.warning if subject.division == "open" else self.error
        for target in model.targets_for(scenario):
            value = run.score(_names(target))
            if value is None or not target.met(value):
                yield report(path, f"{target.metric} is {target.words()}", "use a more accurate model", value)


class EndpointAudits(Check):
    """Audits of the endpoints client in place of TEST0x, in closed and network."""

    family: ClassVar[str] = "endpoints"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        rules, model = subject.rules.endpoints, subject.benchmark
        if not subject.endpoints or rules is None or model is None:
            return
        if subject.division not in subject.rules.compliance_divisions:
            return
        home = subject.beside(subject.rules.layout.compliance)
        for test in model.compliance:
            if test in rules.audits:
                path = home / "audit" / f"audit_{rules.audits[test]}.json"
                yield from self._audit(path, rules.audits[test], required=test in rules.required_audits)
            for bound in model.compliance_bounds.get(test, ()):
                yield from self._bound(subject, test, bound)

    def _audit(self, path: Place, name: str, *, required: bool) -> Iterator[Finding]:
        if not is_text_file(path):
            if required:
                yield self.error(path, f"the audit {name} is required", "run it")
            return
        problem, audit = json_problem(path), read_object(path)
        if problem is not None:
            yield self.error(path, "the audit is a JSON object", "run it again", problem)
        elif audit.get("test") != name:
            yield self.error(path, f"the audit is {name}", "copy the right one", audit.get("test"))
        elif audit.get("passed") is not True:
            yield self.error(path, f"{name} passed", "run it again", audit.get("passed"))

    def _bound(self, subject: Result, test: str, bound: Target) -> Iterator[Finding]:
        value = endpoints.read(subject.folder).mean_output_tokens
        if value is None or not bound.met(value):
            path = subject.folder / endpoints.SUMMARY
            yield self.error(path, f"{test}: the mean output has {bound.words()} tokens", "measure again", value)


def endpoint_scores(result: Result) -> dict[str, float]:
    """Metric -> value, for the results table."""
    if result.benchmark is None or result.scenario is None:
        return {}
    run = endpoints.read(result.folder)
    targets = result.benchmark.targets_for(result.scenario)
    if run.scores and not isinstance(run.scores[0], dict):
        targets = targets[:1]  # one number, which is of the metric that counts
    found = ((target.metric, run.score(_names(target))) for target in targets)
    return {metric: value for metric, value in found if value is not None}


def _names(target: Target) -> tuple[str, ...]:
    """What a metric may be called in an object of scores."""
    metric = target.metric
    return (metric, metric.lower(), metric.split("_")[-1].lower(), "f1", "score", "accuracy")


def _tokens(model: RoundModel, scenario: str) -> dict[str, float]:
    return dict(model.token_latency_ms.get(scenario, {})) if model.token_latencies else {}
