"""The recorded hash of an accuracy log against the full log, where those are at hand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.accuracy import recorded_hashes
from loadfleet.submission.checks.base import Check, Finding, Result, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator


class FullLogs(Check):
    """There is a full log of the recorded hash, and what was submitted is that log, cut."""

    family: ClassVar[str] = "accuracy"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        known = self.submission.full_logs
        text = subject.accuracy_folder / "accuracy.txt"
        if known is None or not text.is_file():
            return
        for value in recorded_hashes(read_text(text))[-1:]:
            cut = known.get(value)
            log = subject.accuracy_folder / "mlperf_log_accuracy.json"
            if cut is None:
                yield self.error(text, "one of the full logs has this hash", "score and truncate the log again", value)
            elif hashlib.sha256(log.read_bytes() or b"").hexdigest() != cut:
                yield self.error(log, "the log is the full log of that hash, cut", "truncate the full log again", value)
