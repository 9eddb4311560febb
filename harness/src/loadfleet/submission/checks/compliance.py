"""TEST0x of the closed and network divisions: present, passed, and run by the rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.accuracy import scores
from loadfleet.submission.checks.base import Check, Finding, Result, Submission, is_text_file, read_text
from loadfleet.submission.checks.performance import LoadGenRun, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.catalogue.rounds import ComplianceTest, RoundModel
    from loadfleet.submission.place import Place

_BASELINE, _COMPLIANCE = "baseline_accuracy.txt", "compliance_accuracy.txt"
_TOLERANCE = 0.01  # of the accuracy of a TEST01 fallback; a tenth of it for -99.9 models


class Compliance(Check):
    """Every test that the round asks of the model."""

    family: ClassVar[str] = "compliance"
    over: ClassVar[type] = Result

    def __init__(self, submission: Submission) -> None:
        super().__init__(submission)
        self._run, self._settings = LoadGenRun(submission), Settings(submission)

    def findings(self, subject: Result) -> Iterator[Finding]:
        rules, model = subject.rules, subject.benchmark
        if model is None or subject.division not in rules.compliance_divisions:
            return
        for name in model.compliance:
            test = rules.compliance_tests[name]
            folder = subject.beside(rules.layout.compliance) / name
            if folder.is_dir():
                yield from self._test(subject, model, test, folder)
            else:
                yield self.error(folder, f"{name} ({test.title}) is required", f"run {name}")

    def _test(self, subject: Result, model: RoundModel, test: ComplianceTest, folder: Place) -> Iterator[Finding]:
        for name in test.verify:
            if not (folder / name).is_file():
                yield self.error(folder / name, f"{test.name} has its {name}", "run the verification again")
        yield from self._passed(subject, model, test, folder)
        if test.accuracy_log and not (folder / "accuracy" / "mlperf_log_accuracy.json").is_file():
            yield self.error(folder / "accuracy" / "mlperf_log_accuracy.json", "the test's log is kept", "add it")
        if test.name == "TEST01" and not (folder / "accuracy" / "accuracy.txt").is_file():
            yield self.error(folder / "accuracy" / "accuracy.txt", "the test's log is scored", "add it")
        if test.performance_log:
            run = folder / "performance" / "run_1"
            for name in subject.rules.layout.performance_files:
                if not is_text_file(run / name):
                    yield self.error(run / name, f"{name} is required", "copy it from the test run")
            log = subject.log(run)
            if log.values:
                yield from self._run.log(run, log)
                yield from self._settings.log(subject, run, log, model)

    def _passed(self, subject: Result, model: RoundModel, test: ComplianceTest, folder: Place) -> Iterator[Finding]:
        for name in test.verify:
            path = folder / name
            if not path.is_file():
                continue
            text = read_text(path)
            lines = {line.strip() for line in text.splitlines()}
            missing = [
                words for words in test.passes if words not in lines and not (test.name != "TEST01" and words in text)
            ]
            if missing and not (name == "verify_accuracy.txt" and self._fallback(subject, model, test, folder)):
                yield self.error(path, f"{test.name} passed: {'; '.join(missing)}", f"run {test.name} again")

    def _fallback(self, subject: Result, model: RoundModel, test: ComplianceTest, folder: Place) -> bool:
        """TEST01 of a model whose outputs are not deterministic: both accuracies agree within the tolerance."""
        if test.name != "TEST01" or subject.scenario is None:
            return False
        targets = model.targets_for(subject.scenario)
        base = scores(subject.rules, folder / "accuracy" / _BASELINE, targets)
        same = scores(subject.rules, folder / "accuracy" / _COMPLIANCE, targets)
        tolerance = _TOLERANCE / 10 if re.search(r"99\.9$", model.name) else _TOLERANCE
        return bool(base) and all(
            same.get(metric) and abs(1 - value / same[metric]) <= tolerance for metric, value in base.items()
        )
