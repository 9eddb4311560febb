"""Hold a submission against the rules of its round: what MLCommons' two checkers refuse, and what they overlook."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue.rounds import load
from loadfleet.errors import InputError
from loadfleet.submission.checks import Finding, Submission
from loadfleet.submission.packing.full_logs import digests
from loadfleet.submission.summary import COLUMNS, Row, to_csv
from loadfleet.submission.walk import outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round

__all__ = ["BAD", "COLUMNS", "OK", "Report", "Row", "check", "concerns"]

OK = "SUMMARY: submission looks OK"
BAD = "SUMMARY: submission has errors"


@dataclass(frozen=True)
class Report:
    """What a check found; `accepted` needs at least one result and no error."""

    round: str
    submitter: str
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def accepted(self) -> bool:
        return self.errors == 0 and bool(self.rows)

    @property
    def summary(self) -> str:
        return OK if self.accepted else BAD

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`."""
        rows = [{key: value for key, value in asdict(row).items() if key != "cells"} for row in self.rows]
        return {
            "round": self.round,
            "submitter": self.submitter,
            "accepted": self.accepted,
            "summary": self.summary,
            "errors": self.errors,
            "warnings": len(self.findings) - self.errors,
            "findings": [asdict(finding) for finding in self.findings],
            "results": rows,
        }

    def csv(self) -> str:
        """The accepted results in MLCommons' columns, every value quoted."""
        return to_csv(self.rows)


def check(
    folder: Path, round_name: str, submitter: str, *, jobs: int | None = None, full_logs: Path | None = None
) -> Report:
    """Check `<folder>/{closed,open,network}/<submitter>/` in `jobs` processes, by default one for each core.

    With `full_logs`, a folder of results or of what `truncate` kept, recorded hashes are compared with real ones.

    Raises:
        InputError: A folder does not exist, the submitter is no name of a folder, or the round is unknown.
    """
    rules = load(round_name)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", fix="name the folder that holds open/, closed/ or network/")
    if submitter in {"", ".", ".."} or "/" in submitter or "\0" in submitter:
        raise InputError(f"{submitter!r} is no name of a folder", fix="name the submitter as its folder is spelled")
    submission = Submission.of(folder, rules, submitter)
    if full_logs is not None:
        submission.full_logs = digests(full_logs)
    findings: dict[Finding, None] = {}
    rows: list[Row] = []
    for outcome in outcomes(submission, jobs):
        findings.update(dict.fromkeys(outcome.findings))
        rows += outcome.rows
    bad = {concerns(finding.file, rules) for finding in findings if finding.severity == "error"}
    return Report(rules.name, submitter, tuple(findings), tuple(_judged(rows, bad, rules)))


def concerns(file: str, rules: Round) -> tuple[str, ...]:
    """What a file is part of: (), or as far as it goes (division, system, model, scenario).

    A row is part of everything that its own place begins with.
    """
    division, *below = file.split("/")
    if division not in rules.divisions or not below:
        return ()
    layout = rules.layout
    match below[1:]:
        case [("results" | "measurements" | "compliance") as top, *names] if names and (
            top == "results" or layout.measurements.startswith(top) or layout.compliance.startswith(top)
        ):
            return (division, *names[:3])
        case ["systems", name] if name.endswith(".json"):
            return (division, name.removesuffix(".json"))
    return (division,)


def _judged(rows: Iterable[Row], bad: set[tuple[str, ...]], rules: Round) -> Iterable[Row]:
    for row in rows:
        place = concerns(row.path, rules)
        refused = any(place[:length] in bad for length in range(len(place) + 1))
        yield replace(row, accepted=False) if refused else row
