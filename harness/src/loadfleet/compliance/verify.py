"""Run the checks of one test, write its verification files, and say in words what came out."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.compliance.base import Finding, Logs
from loadfleet.errors import LoadfleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

VERDICTS = {True: "passed", False: "failed", None: "not judged"}


@dataclass(frozen=True)
class Checked:
    """One check: what it is about, its verdict (None: not judged), why, and the file that says it."""

    about: str
    passed: bool | None
    words: str
    file: str


@dataclass(frozen=True)
class Outcome:
    """A test's verdict: failed when a check failed, not judged when one could not be judged, else passed."""

    test: str
    title: str
    checks: tuple[Checked, ...]

    @property
    def passed(self) -> bool | None:
        verdicts = [check.passed for check in self.checks]
        return False if False in verdicts else None if None in verdicts else True

    def reasons(self, passed: bool | None) -> list[str]:
        """Sentences about the checks of one verdict."""
        return [
            f"{self.test} {VERDICTS[passed]}: {check.about}: {check.words}"
            for check in self.checks
            if check.passed is passed
        ]

    def as_json(self) -> dict[str, Any]:
        """The object `compliance` of result.json and of `--json`."""
        return {
            "test": self.test,
            "title": self.title,
            "passed": self.passed,
            "verdict": VERDICTS[self.passed],
            "checks": [
                {"about": check.about, "passed": check.passed, "words": check.words, "file": check.file}
                for check in self.checks
            ],
        }


def verify(test: Mapping[str, Any], logs: Logs, output: Path, *, whole: bool = True) -> Outcome:
    """Verify the logs of a test.

    Args:
        test: As `tests.describe` gives it.
        logs: Where they are.
        output: Existing folder; gets the verification files, and the accuracies of a fallback.
        whole: Whether the runs have the round's length and the accuracy run the whole data set. Where they have not
            (execution test), speed is not held against the test, nor is that too little was seen.
    """
    checks = []
    for check in test["checks"]:
        finding = _run(check, logs)
        files.write_text(output / check["file"], finding.text())
        for name, content in finding.extra.items():
            files.write_text(output / name, content)
        passed: bool | None = finding.passed
        words = finding.words
        if not (finding.passed or whole) and (check.get("timed") or finding.inconclusive):
            passed, words = None, f"{words}; execution is test: the runs are too short to judge it"
        checks.append(Checked(check["about"], passed, words, check["file"]))
    return Outcome(test["test"], test["title"], tuple(checks))


def _run(check: Mapping[str, Any], logs: Logs) -> Finding:
    module, _, name = check["function"].partition(":")
    function: Callable[[Logs, Mapping[str, Any]], Finding] = getattr(importlib.import_module(module), name)
    try:
        return function(logs, check["parameters"])
    except LoadfleetError as error:
        return Finding(passed=False, words=error.message, lines=(error.message,))
