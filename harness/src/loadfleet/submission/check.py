"""Hold a submission against the rules of its round: what MLCommons' two checkers refuse, and what they overlook."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue.rounds import load
from loadfleet.errors import InputError
from loadfleet.submission.checks import ALL, Check, Finding, Submission
from loadfleet.submission.checks.accuracy import scores
from loadfleet.submission.checks.base import Model, Result, Subject, Submitter, System
from loadfleet.submission.checks.performance import measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OK = "SUMMARY: submission looks OK"
BAD = "SUMMARY: submission has errors"

# Columns of the summary that MLCommons' report generator reads; those of the description carry its field names.
COLUMNS = (
    "Organization",
    "Availability",
    "Division",
    "SystemType",
    "SystemName",
    "Platform",
    "Model",
    "MlperfModel",
    "Scenario",
    "Result",
    "Accuracy",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "accelerator_model_name",
    "accelerators_per_node",
    "total_accelerators",
    "Location",
    "framework",
    "operating_system",
    "notes",
    "compliance",
    "errors",
    "version",
    "inferred",
    "has_power",
    "Units",
    "weight_data_types",
    "design_power_watts",
    "PrivateID",
)


@dataclass(frozen=True)
class Row:
    """One result: `path` below the submission, its number, its accuracy, and whether nothing speaks against it."""

    path: str
    model: str
    official_name: str
    scenario: str
    value: float | None
    unit: str
    accuracy: dict[str, float]
    inferred: bool
    accepted: bool
    columns: dict[str, str] = field(repr=False)


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
        rows = [{key: value for key, value in asdict(row).items() if key != "columns"} for row in self.rows]
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
        text = io.StringIO()
        text.write(",".join(COLUMNS) + "\n")
        writer = csv.DictWriter(text, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows(row.columns for row in self.rows if row.accepted)
        return text.getvalue()


def check(folder: Path, round_name: str, submitter: str) -> Report:
    """Check `<folder>/{closed,open,network}/<submitter>/`.

    Raises:
        InputError: The folder does not exist, or the round is unknown.
    """
    rules = load(round_name)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", fix="name the folder that holds open/, closed/ or network/")
    submission = Submission(folder.resolve(), rules, submitter)
    checks = [kind(submission) for kind in ALL]
    findings: list[Finding] = []
    subjects = list(_subjects(submission))
    for subject in subjects:
        for one in checks:
            if isinstance(subject, one.over):
                findings.extend(_findings(one, subject, submission))
    findings = list(dict.fromkeys(findings))
    bad = [submission.root / finding.file for finding in findings if finding.severity == "error"]
    rows = tuple(_row(subject, subjects, bad) for subject in subjects if isinstance(subject, Result))
    return Report(rules.name, submitter, tuple(findings), rows)


def _findings(one: Check, subject: Subject, submission: Submission) -> list[Finding]:
    """A check's findings; what the file system refuses to show is one of them."""
    found: list[Finding] = []
    try:
        found += one.findings(subject)
    except OSError as error:
        path = Path(error.filename) if isinstance(error.filename, str) else submission.root
        path = path if submission.root in path.parents else submission.root
        found.append(one.error(path, "every file can be read", "mend its permissions", str(error.strerror)))
    return found


def _subjects(submission: Submission) -> Iterator[Subject]:
    yield submission
    for submitter in submission.submitters:
        yield submitter
        for system in submitter.systems:
            yield system
            for model in system.models:
                yield model
                yield from model.results


def _territory(subject: Subject) -> set[Path]:
    """Files and folders that concern this subject and what lies below it, and nothing else."""
    if isinstance(subject, Result):
        layout = subject.rules.layout
        return {subject.folder, subject.beside(layout.measurements), subject.beside(layout.compliance)}
    if isinstance(subject, System):
        return {subject.folder, subject.description_file}
    return {subject.folder} if isinstance(subject, Submitter | Model) else set()


def _row(result: Result, subjects: Sequence[Subject], bad: Sequence[Path]) -> Row:
    """A row; every error counts but those in the territory of something the result is no part of."""
    model, system = result.model, result.model.system
    lineage = [result, model, system, system.submitter]
    foreign = {path for other in subjects if all(other is not own for own in lineage) for path in _territory(other)}
    accepted = all(any(path == other or other in path.parents for other in foreign) for path in bad)
    measured = measure(result)
    values = {}
    if result.benchmark is not None and result.scenario is not None:
        targets = result.benchmark.targets_for(result.scenario)
        values = scores(result.rules, result.accuracy_folder / "accuracy.txt", targets)
    official = result.benchmark.name if result.benchmark else ""
    return Row(
        path=result.name,
        model=model.folder.name,
        official_name=official,
        scenario=result.scenario or result.folder.name,
        value=measured.value if measured else None,
        unit=measured.unit if measured else "",
        accuracy=values,
        inferred=bool(measured and measured.inferred),
        accepted=accepted,
        columns=_columns(result, official, values),
    )


def _columns(result: Result, official: str, values: dict[str, float]) -> dict[str, str]:
    system = result.model.system
    description = system.description
    measured = measure(result)
    notes = ". ".join(str(description[name]) for name in ("hw_notes", "sw_notes") if description.get(name))
    try:
        total = str(int(str(description["number_of_nodes"])) * int(str(description["accelerators_per_node"])))
    except (KeyError, ValueError):
        total = ""
    columns = {name: str(description.get(name, "")) for name in COLUMNS}
    columns |= {
        "Organization": system.submitter.folder.name,
        "Availability": str(description.get("status", "")),
        "Division": system.submitter.division,
        "SystemType": str(description.get("system_type", "")),
        "SystemName": str(description.get("system_name", "")),
        "Platform": system.name,
        "Model": result.model.folder.name,
        "MlperfModel": official,
        "Scenario": result.folder.name,
        "Result": "" if measured is None else str(measured.value),
        "Accuracy": "  ".join(f"{metric}: {value:.10g}" for metric, value in values.items()),
        "total_accelerators": total,
        "Location": f"{result.name}/performance/run_1",
        "notes": notes,
        "compliance": system.submitter.division,
        "errors": "0",
        "version": result.rules.name,
        "inferred": str(int(bool(measured and measured.inferred))),
        "has_power": str((result.folder / "performance" / "power").is_dir()),
        "Units": measured.unit if measured else "",
        "weight_data_types": str(result.measurements.get("weight_data_types", "")),
    }
    return columns
