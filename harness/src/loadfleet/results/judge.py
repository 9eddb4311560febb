"""Whether cells and runs went well: the one place every table, report and exit status takes its verdict from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadfleet.results import words

if TYPE_CHECKING:
    from loadfleet.results.model import CellOutcome, Result, RunResults

Outcome = Literal["good", "bad", "unfinished"]
# LoadGen's checks (names of its detail log) that lowered minimums alone can fail; the others are about the machine.
MINIMUM_CHECKS = frozenset({"result_min_duration_met", "result_min_queries_met", "early_stopping_met"})
_MINIMUM_WORDS = re.compile(r"minimum|early[- ]stopping", re.IGNORECASE)
_LATENCY_WORDS = re.compile(r"latency (bound|constraint)|without a reason", re.IGNORECASE)


@dataclass(frozen=True)
class Judgement:
    """A cell's outcome, one or two words for a table, and every reason in words."""

    outcome: Outcome
    short: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A run's outcome in one sentence and the exit status that goes with it (0, 1 or 4)."""

    outcome: Outcome
    text: str
    exit_code: int


def lowered_minimums_only(result: Result) -> bool:
    """Whether an INVALID of execution `test` has no other cause than the lowered minimums.

    Decided from LoadGen's own checks where the result has them, else from the words of its reasons.
    """
    if result.execution != "test":
        return False
    failed = {name for name, met in result.validity.checks.items() if met is False}
    if failed:
        return failed <= MINIMUM_CHECKS
    about_loadgen = [reason for reason in result.validity.reasons if reason.startswith("LoadGen:")]
    return any(_MINIMUM_WORDS.search(reason) for reason in about_loadgen) and not any(
        _LATENCY_WORDS.search(reason) for reason in about_loadgen
    )


def judge(cell: CellOutcome, run: RunResults | None = None) -> Judgement:
    """Judge one cell.

    Args:
        cell: What is to be judged.
        run: Its run: a speed whose accuracy is below target there is no good result either.

    An unsubmittable result is a good one in execution `test`; an INVALID is forgiven there when only the lowered
    minimums made it. A failed, missing or unreadable cell, an INVALID, an accuracy below target are bad.
    """
    result = cell.result
    if result is None:
        unfinished = cell.state in {"pending", "running"}
        return Judgement("unfinished" if unfinished else "bad", cell.state, (cell.note,))
    short = _fault(result)
    reasons = result.validity.reasons
    if not short and run is not None and (missed := _missed(result, run)):
        return Judgement("bad", "inaccurate", (missed, *reasons))
    if short:
        return Judgement("bad", short, reasons or (_EXPLANATIONS.get(short, short),))
    if result.validity.submittable:
        return Judgement("good", "")
    return Judgement("good", _EXECUTIONS.get(result.execution, "see reasons"), reasons)


_EXECUTIONS = {"test": "test execution", "find": "a search"}
_EXPLANATIONS = {
    "INVALID": "LoadGen calls the run INVALID",
    "no verdict": "LoadGen gave no verdict",
    "no accuracy": "the accuracy was not computed",
    "below target": "the accuracy is below its target",
    "incomplete": "not every sample of the data set was answered",
    "bad": "the cell ended with exit status 1",
}


def _fault(result: Result) -> str:
    """One or two words for what is bad about a result, empty when nothing is."""
    forgiven = result.validity.loadgen == "INVALID" and lowered_minimums_only(result)
    if result.validity.loadgen == "INVALID" and not forgiven:
        return "INVALID"
    fault = ""
    if result.compliance and result.compliance.passed is False:
        fault = f"{result.compliance.test} failed"
    elif result.mode == "accuracy":
        fault = _inaccurate(result)
    elif result.validity.loadgen is None and result.mode != "find":
        fault = "no verdict"
    return fault or ("bad" if result.exit_code else "")


def _inaccurate(result: Result) -> str:
    """The same for an accuracy run."""
    if result.accuracy is None:
        return "no accuracy"
    if result.accuracy.met is False:
        return "below target"
    incomplete = result.execution == "valid" and result.accuracy.samples < result.accuracy.total
    return "incomplete" if incomplete else ""


def _missed(result: Result, run: RunResults) -> str:
    """Why the speed of a cell counts for nothing: the accuracy of the same configuration in the same run."""
    if result.metric is None:
        return ""
    for other in run.results:
        accuracy = other.accuracy
        same = (other.host, other.scenario, other.model, other.backend.name) == (
            result.host, result.scenario, result.model, result.backend.name,
        )  # fmt: skip
        if accuracy and same and accuracy.met is False:
            return f"{accuracy.metric} {words.accuracy(accuracy)}: a speed below the accuracy target is none"
    return ""


def verdict(run: RunResults) -> Verdict:
    """Judge a run: a bad cell (1) outweighs an unfinished one (4), because repeating does not mend it."""
    judgements = [judge(cell, run) for cell in run.cells]
    count = len(judgements)
    bad = sum(judgement.outcome == "bad" for judgement in judgements)
    unfinished = sum(judgement.outcome == "unfinished" for judgement in judgements)
    if bad or not count:
        return Verdict("bad", f"{bad} of {words.count(count, 'cell')} bad" if count else "no cells were found", 1)
    if unfinished:
        text = f"{unfinished} of {words.count(count, 'cell')} not finished; the same run id continues"
        return Verdict("unfinished", text, 4)
    submittable = sum(result.validity.submittable for result in run.results)
    return Verdict("good", f"{words.count(count, 'cell')} ran well, {submittable} submittable", 0)
