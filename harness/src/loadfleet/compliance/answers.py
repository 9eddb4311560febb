"""TEST01: the answers logged during a performance run are those of the accuracy run.

Reference: mlcommons/inference, compliance/TEST01/verify_accuracy.py: the first element of each answer is compared, a
sample that the accuracy log lacks is counted only, and a sample answered again is compared with its answer before.
"""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.compliance import log
from loadfleet.compliance.base import FAIL, Finding, Logs
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.workloads.base import Accuracy

_FORMATS = {"byte": "<b", "int32": "<i", "int64": "<q", "float32": "<f"}
BASELINE, COMPLIANCE = "baseline_accuracy.txt", "compliance_accuracy.txt"


@dataclass
class _Sample:
    """Answers of the test to one sample: first elements of the first and the last, how many, how many changed."""

    first: float | None
    last: float | None
    count: int = 1
    changed: int = 0


@dataclass
class _Tally:
    accuracy_entries: int = 0
    repeated: int = 0
    repeated_differently: int = 0
    test_entries: int = 0
    matched: int = 0
    different: int = 0
    missing: int = 0

    @property
    def passed(self) -> bool:
        return self.different == 0 and self.matched > 0

    def lines(self, element: str) -> tuple[str, ...]:
        return (
            f"Answers of the test against those of the accuracy run, first {element} of each.",
            f"answers in the accuracy log = {self.accuracy_entries}",
            f"of them to a sample answered before = {self.repeated}, with another answer = {self.repeated_differently}",
            f"answers in the log of the test = {self.test_entries}",
            f"of them compared = {self.matched}",
            f"of them different = {self.different}",
            f"samples that the accuracy log lacks = {self.missing}",
        )


def same(logs: Logs, parameters: Mapping[str, Any]) -> Finding:
    """Compare both logs; where answers differ, their accuracies may still agree (`Logs.tolerance`).

    Raises:
        BadResultError: A log cannot be read.
    """
    element = str(parameters["element"])
    before = logs.reference("accuracy") / ACCURACY
    samples, tally = _answers(logs.test / ACCURACY, _FORMATS[element])
    _compare(before, samples, tally, _FORMATS[element])
    lines = tally.lines(element)
    if tally.passed:
        words = f"{tally.matched:,} logged answers are those of the accuracy run"
        return Finding(passed=True, words=words, lines=lines)
    if not tally.matched:
        words = "no logged answer is to a sample of the accuracy run"
        some = bool(tally.accuracy_entries and tally.test_entries)
        return Finding(passed=False, words=words, lines=lines, inconclusive=some)
    words = f"{tally.different:,} of {tally.matched:,} logged answers are not those of the accuracy run"
    if logs.score is None:
        return Finding(passed=False, words=words, lines=lines)
    passed, why, extra = _fallback(logs, before, set(samples))
    return Finding(passed=passed, words=f"{words}; {why}", lines=lines, verdict=FAIL, extra=extra)


def _answers(path: Path, form: str) -> tuple[dict[int, _Sample], _Tally]:
    """The test's answers by sample; a part of the data set, so that they fit into memory."""
    samples: dict[int, _Sample] = {}
    tally = _Tally()
    for entry in log.entries(path):
        tally.test_entries += 1
        value = _first(entry, form)
        known = samples.get(log.index(entry))
        if known is None:
            samples[log.index(entry)] = _Sample(value, value)
            continue
        known.count += 1
        known.changed += _differ(known.last, value)
        known.last = value
    return samples, tally


def _compare(path: Path, samples: Mapping[int, _Sample], tally: _Tally, form: str) -> None:
    """Complete the tally from the accuracy log, of which only a number per sample is kept."""
    seen: dict[int, int] = {}
    for entry in log.entries(path):
        tally.accuracy_entries += 1
        number, content = log.index(entry), hash(str(entry.get("data")))
        if number in seen:
            tally.repeated += 1
            tally.repeated_differently += seen[number] != content
            continue
        seen[number] = content
        if sample := samples.get(number):
            tally.matched += sample.count
            tally.different += sample.changed + _differ(_first(entry, form), sample.first)
    for number, sample in samples.items():
        if number not in seen:
            tally.missing += 1
            tally.matched += sample.count - 1
            tally.different += sample.changed


def _first(entry: Mapping[str, Any], form: str) -> float | None:
    data = log.data(entry)
    if len(data) % struct.calcsize(form):
        raise BadResultError(
            f"the answer to sample {entry['qsl_idx']} has {len(data)} bytes, no multiple of {struct.calcsize(form)}"
        )
    value: float | None = struct.unpack_from(form, data)[0] if data else None
    return value


def _differ(one: float | None, other: float | None) -> bool:
    # None is an answer without content. NaN differs from itself, as it does in the reference.
    return (one is None) != (other is None) if one is None or other is None else one != other


def _fallback(logs: Logs, before: Path, samples: set[int]) -> tuple[bool, str, dict[str, str]]:
    """Answers of a system that is not deterministic: the same samples of both runs, scored, agree."""
    if logs.score is None:
        raise ValueError("nothing to score with")
    with tempfile.TemporaryDirectory(dir=logs.test, prefix=".baseline-") as scratch:
        one, other = Path(scratch) / "accuracy.json", Path(scratch) / "test.json"
        common = _extract(before, samples, one)
        whole = common == samples
        if not whole:  # execution test: the accuracy run was a part of the data set as well
            _extract(logs.test / ACCURACY, common, other)
        baseline, test = logs.score(one), logs.score(logs.test / ACCURACY if whole else other)
    share = abs(1 - baseline.value / test.value) if test.value else 1.0
    words = (
        f"scored, the same {len(common):,} samples give {baseline.metric} {baseline.value:.4f} and {test.value:.4f}, "
        f"{share:.3%} apart where {logs.tolerance:.1%} are allowed"
    )
    return share <= logs.tolerance, words, {BASELINE: _line(baseline), COMPLIANCE: _line(test)}


def _line(accuracy: Accuracy) -> str:
    return accuracy.text


def _extract(path: Path, samples: set[int], target: Path) -> set[int]:
    """Write the entries of some samples as a log of their own; returns the samples found."""
    found: set[int] = set()
    with target.open("w", encoding="utf-8") as stream:
        stream.write("[\n")
        for entry in log.entries(path):
            if (number := log.index(entry)) in samples:
                stream.write(",\n" if found else "")
                stream.write(
                    f'{{ "seq_id" : {len(found)}, "qsl_idx" : {number}, "data" : "{log.data(entry).hex().upper()}" }}'
                )
                found.add(number)
        stream.write("\n]\n")
    return found
