"""The final table of a run: as data (`summary.json`), and as text that fits terminals and logs of 80 columns."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from loadfleet.files import read_json
from loadfleet.results import fleet, search, words
from loadfleet.results.explain import all_of
from loadfleet.results.judge import judge, verdict
from loadfleet.results.texts import table

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.results.model import CellOutcome, RunResults

_LEAST_WIDTH = 80
_LOG_WIDTH = 120
_STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "unfinished": {"fg": "yellow"},
}


def summarise(run: RunResults) -> dict[str, Any]:
    """The table as data: the object of `summary.json` and of `--json`, without `schema_version`.

    `reasons` lists every reason once; the cells' `reason_numbers` count from 1 into it.
    """
    judged = verdict(run)
    reasons: list[str] = []
    cells = [_cell(run, cell, reasons) for cell in run.cells]
    report = run.path / "report.html"
    first = run.results[0] if run.results else None
    spec = run.run or (run.hosts[0].status if run.hosts else {})
    return {
        "run_id": run.run_id,
        "path": str(run.path),
        "workload": first.workload if first else spec.get("workload"),
        "execution": first.execution if first else spec.get("execution"),
        "round": first.round if first else spec.get("round"),
        "outcome": judged.outcome,
        "verdict": judged.text,
        "exit_code": judged.exit_code,
        "cells": cells,
        "versions": words.versions(run.results),
        "reasons": reasons,
        "failures": [failure.as_dict() for failure in all_of(run)],
        "findings": list(run.findings),
        "starts": fleet.starts(run),
        "fleet": fleet.lines(run),
        "report": str(report) if report.is_file() else None,
        "submission": submission(run.path),
    }


def _cell(run: RunResults, cell: CellOutcome, reasons: list[str]) -> dict[str, Any]:
    judgement = judge(cell, run)
    for reason in judgement.reasons:
        if reason not in reasons:
            reasons.append(reason)
    result = cell.result
    metric = result.metric if result else None
    return {
        "host": cell.host,
        "cell": cell.cell,
        "scenario": cell.scenario,
        "mode": cell.mode,
        "state": cell.state,
        "outcome": judgement.outcome,
        "metric": asdict(metric) if metric else None,
        "loadgen": result.validity.loadgen if result else None,
        "accuracy": asdict(result.accuracy) if result and result.accuracy else None,
        "compliance": asdict(result.compliance) if result and result.compliance else None,
        "submittable": bool(result and result.validity.submittable),
        "why_not": judgement.short or None,
        "reason_numbers": [reasons.index(reason) + 1 for reason in judgement.reasons],
        "folder": str(cell.folder.relative_to(run.path)),
    }


def submission(run: Path) -> dict[str, Any] | None:
    """The latest attempt's packed submission below `run`/submission: its files and the check's verdict, or None."""
    attempts = sorted(
        (run / "submission").glob("mlperf_submission_*_summary.json"),
        key=lambda path: [int(part) for part in path.stem.split("_") if part.isdigit()],
    )
    if not attempts:
        return None
    path = attempts[-1]
    archive = path.with_name(path.name.removesuffix("_summary.json") + ".tar.gz")
    try:
        content = read_json(path)
    except (OSError, ValueError):
        content = None
    return {
        "summary": str(path),
        "archive": str(archive) if archive.is_file() else None,
        "accepted": content.get("accepted") if isinstance(content, dict) else None,
        "verdict": _verdict(content if isinstance(content, dict) else {}),
    }


def _verdict(content: dict[str, Any]) -> str:
    """Our check's verdict and the official checkers', of a submission's summary."""
    accepted = content.get("accepted")
    if accepted is None:
        return "its summary cannot be read"
    counts = ", ".join(words.count(content.get(f"{name}s", 0), name) for name in ("error", "warning"))
    verdicts = [f"{'accepted' if accepted else 'refused'} by our check for round {content.get('round')}: {counts}"]
    for checker in content.get("official") or []:
        if isinstance(checker, dict):
            said = "accepted" if checker.get("accepted") else "refused"
            verdicts.append(f"{said} by {checker.get('checker') or 'the official checker'}")
    return "; ".join(verdicts)


def write_text(run: RunResults, *, color: bool | None = None) -> None:
    """Print the table, the numbered reasons, the findings and the paths of report and submission to stdout.

    Args:
        run: What to print.
        color: Force colours on or off; None decides by the terminal and NO_COLOR.
    """
    data = summarise(run)
    if color is None and os.environ.get("NO_COLOR"):
        color = False
    facts = [str(data[key]) for key in ("workload", "round") if data[key]]
    facts += [f"execution {data['execution']}"] if data["execution"] else []
    lines = [f"Run {data['run_id']}" + (f" ({', '.join(facts)})" if facts else ""), ""]
    models = several_models(run)
    rows = [row(outcome, cell, models=models) for cell, outcome in zip(data["cells"], run.cells, strict=True)]
    styles = [_STYLES[cell["outcome"]] if cell["outcome"] != "good" else {} for cell in data["cells"]]
    merge = (2, 3) if models else (1, 2)
    lines += table(headings(models=models), rows, width=columns(), row_styles=styles, merge=merge)
    lines += ["", *(f"[{index}] {reason}" for index, reason in enumerate(data["reasons"], 1))]
    lines += [f"Versions: {data['versions']}"] if data["versions"] else []
    for failure in all_of(run):
        head, *rest = failure.text(columns())
        lines += [click.style(head, fg="red"), *rest]
    lines += [click.style(f"! {finding}", fg="yellow") for finding in data["findings"]]
    lines += search.lines(run.results, columns())
    lines += data["fleet"]
    if data["report"]:
        lines.append(f"Report: {data['report']}")
    if data["submission"]:
        packed = data["submission"]
        lines.append(f"Submission: {packed['archive'] or packed['summary']} ({packed['verdict']})")
    lines.append(click.style(f"Result: {data['verdict']}", **_STYLES[data["outcome"]]))
    click.echo("\n".join(lines), color=color)


def columns() -> int:
    """The terminal's width, or COLUMNS, or 120 in a log; 80 at least."""
    return max(shutil.get_terminal_size((_LOG_WIDTH, 24)).columns, _LEAST_WIDTH)


def several_models(run: RunResults) -> bool:
    """Whether cells of several models have to be told apart."""
    return len({cell.label for cell in run.cells}) > 1


def headings(*, models: bool) -> tuple[str, ...]:
    """Of the table; with a column for the model where a run has several."""
    return ("Host", *(["Model"] if models else []), "Scenario", "Mode", "Result", "LoadGen", "Accuracy", "Submittable")


def row(outcome: CellOutcome, cell: dict[str, Any], *, models: bool) -> tuple[str, ...]:
    """The texts of a cell under `headings`; `cell` is its entry of `summarise`."""
    numbers = "".join(f"[{number}]" for number in cell["reason_numbers"])
    result = outcome.result
    return (
        cell["host"],
        *([outcome.label] if models else []),
        cell["scenario"],
        f"{cell['mode']} {result.compliance.verdict}" if result and result.compliance else cell["mode"],
        words.metric(result.metric) if result else "-",
        cell["loadgen"] or "-",
        words.answers(result),
        "yes" if cell["submittable"] and not cell["why_not"] else f"no: {cell['why_not']} {numbers}".rstrip(),
    )
