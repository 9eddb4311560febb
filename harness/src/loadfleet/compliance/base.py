"""What a check of a compliance test is given and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadfleet.errors import BadResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from loadfleet.catalogue.rounds import Target
    from loadfleet.workloads.base import Accuracy

PASS, FAIL = "TEST PASS", "TEST FAIL"
"""The words that MLCommons' submission checker looks for in a verification file."""


@dataclass(frozen=True)
class Logs:
    """The logs of a test and of the runs it is compared with.

    Attributes:
        test: Folder with LoadGen's three logs of the test.
        scenario: Folder name of the scenario (`Interactive` is Server to LoadGen).
        accuracy: Folder of the accuracy run, `performance` of the performance run; None when there is none.
        score: Judges an accuracy log as the workload does; None where no workload is at hand.
        scored: What the accuracy script printed about the test's answers, where it was run elsewhere.
        tolerance: Share by which the accuracies of answers that differ may differ (in the unit of `metric`).
        bounds: The round's bounds of what the test measures.
    """

    test: Path
    scenario: str
    accuracy: Path | None = None
    performance: Path | None = None
    score: Callable[[Path], Accuracy] | None = None
    scored: str | None = None
    tolerance: float = 0.0
    bounds: tuple[Target, ...] = ()

    def reference(self, mode: str) -> Path:
        """The folder of the accuracy or performance run.

        Raises:
            BadResultError: There is none.
        """
        folder: Path | None = getattr(self, mode)
        if folder is None:
            raise BadResultError(f"there is no {mode} run to compare with")
        return folder


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        passed: Its verdict.
        words: Why, in a sentence without a full stop.
        lines: Content of its verification file.
        verdict: The file's last line as the checker reads it; differs from `passed` when a fallback decided.
        extra: Further files (name -> content) that belong into the test's accuracy folder.
        inconclusive: It did not pass because there was too little to look at.
    """

    passed: bool
    words: str
    lines: tuple[str, ...]
    verdict: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    inconclusive: bool = False

    def text(self) -> str:
        """The verification file."""
        verdict = self.verdict or (PASS if self.passed else FAIL)
        return "".join(f"{line}\n" for line in (*self.lines, verdict))
