"""TEST0x of the closed and network divisions: present, passed, and run by the rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.accuracy import Hash, scores
from loadfleet.submission.checks.base import (
    Check,
    Finding,
    Result,
    Submission,
    is_text_file,
    plain_files,
    read_text,
    subfolders,
)
from loadfleet.submission.checks.performance import LoadGenRun, NetworkName, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.catalogue.rounds import ComplianceTest, RoundModel
    from loadfleet.submission.reading.mllog import DetailLog
    from loadfleet.submission.reading.place import Place


class Compliance(Check):
    """Every test that the round asks of the model."""

    family: ClassVar[str] = "compliance"
    over: ClassVar[type] = Result

    def __init__(self, submission: Submission) -> None:
        super().__init__(submission)
        self._run, self._settings = LoadGenRun(submission), Settings(submission)
        self._network, self._hash = NetworkName(submission), Hash(submission)

    def findings(self, subject: Result) -> Iterator[Finding]:
        rules, model = subject.rules, subject.benchmark
        if model is None or subject.endpoints or subject.division not in rules.compliance_divisions:
            return
        home = subject.beside(rules.layout.compliance)
        for name in model.compliance:
            test = rules.compliance_tests[name]
            folder = home / name
            if folder.is_dir():
                yield from self._test(subject, model, test, folder)
            else:
                yield self.error(folder, f"{name} ({test.title}) is required", f"run {name}")
        for folder in subfolders(home):
            if folder.name in rules.compliance_tests and folder.name not in model.compliance:
                yield self.warning(folder, f"{folder.name} is not asked of {model.name}", "remove it")

    def _test(self, subject: Result, model: RoundModel, test: ComplianceTest, folder: Place) -> Iterator[Finding]:
        for name in test.verify:
            if not (folder / name).is_file():
                yield self.error(folder / name, f"{test.name} has its {name}", "run the verification again")
        yield from self._passed(subject, model, test, folder)
        if test.accuracy_log and not (folder / "accuracy" / "mlperf_log_accuracy.json").is_file():
            yield self.error(folder / "accuracy" / "mlperf_log_accuracy.json", "the test's log is kept", "add it")
        for name in test.accuracy_files:
            path = folder / "accuracy" / name
            if name.endswith(".txt") and not path.is_file():
                yield self.error(path, "the test's log is scored", "add it")
        yield from self._exactly(subject, test, folder)
        yield from self._hash.recorded(subject, folder / "accuracy")
        if test.performance_log:
            yield from self._performance(subject, model, test, folder / "performance" / "run_1")

    def _exactly(self, subject: Result, test: ComplianceTest, folder: Place) -> Iterator[Finding]:
        """Beside a test that passed lie its own files only; scores to fall back on belong to one that did not."""
        if not test.fallback_files:
            return
        passed = all(not missing for _, missing in _missing(test, folder))
        wanted = test.accuracy_files if passed else test.accuracy_files + test.fallback_files
        optional = subject.rules.layout.accuracy_optional
        for path in plain_files(folder / "accuracy"):
            if path.name not in wanted + optional:
                yield self.error(path, f"accuracy/ of {test.name} holds {', '.join(wanted)}", "remove it", path.name)

    def _performance(self, subject: Result, model: RoundModel, test: ComplianceTest, run: Place) -> Iterator[Finding]:
        layout = subject.rules.layout
        for name in layout.performance_files:
            if not is_text_file(run / name):
                yield self.error(run / name, f"{name} is required", "copy it from the test run")
        for path in [*plain_files(run), *subfolders(run)]:
            if path.name not in layout.performance_files + layout.performance_optional:
                yield self.error(path, "only LoadGen's logs may lie here", "remove it", path.name)
        summary = run / "mlperf_log_summary.txt"
        if summary.is_file() and (stated := subject.summary(run).get("Result is")) != "VALID":
            yield self.error(summary, "the summary says: Result is : VALID", f"run {test.name} again", stated or "")
        if not (run / "mlperf_log_detail.txt").is_file():
            return
        log = subject.log(run)
        yield from self._run.log(run, log)
        if not log.values:
            return
        yield from self._settings.log(subject, run, log, model, test)
        yield from self._audited(subject, test, run, log)
        yield from self._apart(subject, test, run, log)
        if subject.division == "network" or subject.model.system.is_network:
            yield from self._network.log(run, log)

    def _audited(self, subject: Result, test: ComplianceTest, run: Place, log: DetailLog) -> Iterator[Finding]:
        """The log is of this test: its scenario, and the settings of its audit file."""
        path = run / "mlperf_log_detail.txt"
        for key, value in test.settings.items():
            found = log.values.get(key)
            if found != value:
                yield self.error(
                    path, f"{test.name} sets {key} to {value}", f"run {test.name} with its audit file", found
                )
        ran = subject.performance.text("effective_scenario")
        if ran and log.text("effective_scenario") != ran:
            yield self.error(
                path,
                f"the test is run in {ran}, as the performance run",
                "copy the right run",
                log.values.get("effective_scenario"),
            )

    def _apart(self, subject: Result, test: ComplianceTest, run: Place, log: DetailLog) -> Iterator[Finding]:
        """Whatever the verification says: the logs themselves are of about the same performance."""
        scenario = subject.rules.scenario(log.text("effective_scenario"))
        if scenario is None or not test.apart:
            return
        key, unit = subject.rules.scenarios[scenario].result.key, subject.rules.scenarios[scenario].result.unit
        before, after = subject.performance.number(key), log.number(key)
        if not before or not after:
            return
        faster = (before / after if unit.startswith("Latency") else after / before) - 1
        if faster > test.apart.get("faster", math.inf) or -faster > test.apart.get("slower", math.inf):
            words = f"{test.name} is as fast as the performance run ({key}: {before:g})"
            yield self.error(run / "mlperf_log_detail.txt", words, "run both again", f"{after:g}")

    def _passed(self, subject: Result, model: RoundModel, test: ComplianceTest, folder: Place) -> Iterator[Finding]:
        for path, missing in _missing(test, folder):
            if missing and not (path.name == "verify_accuracy.txt" and self._fallback(subject, model, test, folder)):
                yield self.error(path, f"{test.name} passed: {'; '.join(missing)}", f"run {test.name} again")

    def _fallback(self, subject: Result, model: RoundModel, test: ComplianceTest, folder: Place) -> bool:
        """A test of a model whose outputs are not deterministic: both accuracies agree within the tolerance."""
        if not test.fallback_files or subject.scenario is None:
            return False
        if any(not (folder / "accuracy" / name).is_file() for name in test.fallback_files):
            return False
        targets = model.targets_for(subject.scenario)
        base, same = (scores(subject.rules, folder / "accuracy" / name, targets) for name in test.fallback_files)
        return all(
            target.metric in base
            and same.get(target.metric)
            and abs(1 - base[target.metric] / same[target.metric])
            <= model.compliance_tolerance.get(target.metric, test.tolerance)
            for target in targets
        )


def _missing(test: ComplianceTest, folder: Place) -> Iterator[tuple[Place, list[str]]]:
    """Verification files that are there, each with what it must say and does not."""
    for name in test.verify:
        path = folder / name
        if path.is_file():
            text = read_text(path)
            stated = {line.strip() for line in text.splitlines()} if test.whole_line else text
            yield path, [texts[0] for texts in test.passes if not any(words in stated for words in texts)]
