"""A run as a JUnit file, the form every CI server shows: one test case for each cell, one for each failed task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from loadfleet import junit
from loadfleet.junit import clean
from loadfleet.results import words
from loadfleet.results.explain import explain
from loadfleet.results.judge import judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadfleet.results.model import CellOutcome, RunResults


def write(
    path: Path, run: RunResults | None, *, run_id: str = "", seconds: float | None = None, failures: Sequence[Any] = ()
) -> None:
    """Write the file atomically.

    Args:
        path: The file; its folder is made.
        run: What came home, None when nothing did.
        run_id: Name of the suite when there is no run.
        seconds: How long everything took.
        failures: Failed tasks of the playbook: `host`, `task`, `message`.

    Raises:
        InputError: `path` is a folder.
        NotReadyError: It cannot be written.
    """
    root = suites(run, run_id=run_id, seconds=seconds, failures=failures)
    junit.save(path, root)


def suites(
    run: RunResults | None, *, run_id: str = "", seconds: float | None = None, failures: Sequence[Any] = ()
) -> ET.Element:
    """The element `testsuites`: a suite for each host, and one named `ansible` for failed tasks."""
    name = run.run_id if run else run_id
    root = ET.Element("testsuites", name=name)
    for host in run.hosts if run else ():
        junit.suite(root, host.name, [_cell(run, cell) for cell in host.cells] if run else [])
    if failures:
        junit.suite(root, "ansible", [_task(failure) for failure in failures])
    junit.total(root)
    if seconds is not None:
        root.set("time", f"{seconds:.3f}")
    return root


def _cell(run: RunResults, cell: CellOutcome) -> ET.Element:
    """A good cell passes; a bad result is a failure, a cell without one, or an unfinished one, an error."""
    judged, result = judge(cell, run), cell.result
    case = ET.Element("testcase", classname=clean(cell.host), name=clean(cell.cell))
    case.set("time", f"{(result.time.loadgen_s if result else None) or 0.0:.3f}")
    failure = explain(run, cell)
    text = "\n".join([*judged.reasons, *(failure.text() if failure else [])])
    if judged.outcome == "bad":
        kind = "failure" if result else "error"
        element = ET.SubElement(case, kind, type=failure.kind if failure else "unknown")
        element.set("message", clean(judged.reasons[0] if judged.reasons else judged.short))
        element.text = clean(text)
    elif judged.outcome == "unfinished":
        # An unfinished run is not a good one: a skipped test would pass for one on most servers.
        ET.SubElement(case, "error", type="interrupted", message="not finished").text = clean(text)
    if result:
        facts = [words.metric(result.metric), f"LoadGen: {result.validity.loadgen or '-'}"]
        facts += [f"accuracy: {words.accuracy(result.accuracy)}"] if result.accuracy else []
        facts += [f"{result.compliance.test}: {result.compliance.verdict}"] if result.compliance else []
        ET.SubElement(case, "system-out").text = clean("\n".join(facts))
    return case


def _task(failure: Any) -> ET.Element:
    case = ET.Element("testcase", classname=clean(failure.host or "ansible"), name=clean(failure.task or "start"))
    case.set("time", "0.000")
    message = clean(failure.message.partition("\n")[0])
    ET.SubElement(case, "error", type="task", message=message).text = clean(failure.message)
    return case
