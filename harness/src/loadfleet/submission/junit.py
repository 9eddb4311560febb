"""The verdict on a submission as a JUnit file: a test case for each result, and one for what concerns several."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from loadfleet import junit
from loadfleet.catalogue.rounds import load
from loadfleet.submission.check import concerns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadfleet.submission.check import Report
    from loadfleet.submission.checks import Finding


def write(path: Path, report: Report) -> None:
    """Write the file atomically.

    Raises:
        InputError: `path` is a folder.
        NotReadyError: It cannot be written.
    """
    junit.save(path, suites(report))


def suites(report: Report) -> ET.Element:
    """A suite for each system, and one for what concerns no single result; without results that one has an error."""
    rules = load(report.round)
    by_place: dict[tuple[str, ...], list[Finding]] = {}
    for finding in report.findings:
        by_place.setdefault(concerns(finding.file, rules), []).append(finding)
    places = {concerns(row.path, rules): row for row in report.rows}
    systems: dict[tuple[str, ...], list[ET.Element]] = {}
    for place, row in places.items():
        facts = f"{row.value:.6g} {row.unit}" if row.value is not None else "no result"
        case = _case("/".join(place[:-1]), place[-1], by_place.get(place, []), facts)
        systems.setdefault(place[:2], []).append(case)
    shared = [
        _case("submission", "/".join(place) or "root", findings)
        for place, findings in by_place.items()
        if place not in places
    ]
    if not report.rows:
        empty = ET.Element("testcase", classname="submission", name="results", time="0.000")
        ET.SubElement(empty, "error", type="layout", message="there is no result")
        shared.append(empty)
    root = ET.Element("testsuites", name=junit.clean(f"{report.round} {report.submitter}"))
    if shared:
        junit.suite(root, "submission", shared)
    for system, cases in systems.items():
        junit.suite(root, "/".join(system), cases)
    junit.total(root)
    return root


def _case(place: str, name: str, findings: Sequence[Finding], facts: str = "") -> ET.Element:
    """Errors make a failure; warnings and facts are its output."""
    case = ET.Element("testcase", classname=junit.clean(place), name=junit.clean(name), time="0.000")
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        failure = ET.SubElement(case, "failure", type=errors[0].check, message=junit.clean(errors[0].rule))
        failure.text = junit.clean("\n".join(finding.line() for finding in errors))
    lines = [facts, *(finding.line() for finding in findings if finding.severity != "error")]
    if any(lines):
        ET.SubElement(case, "system-out").text = junit.clean("\n".join(line for line in lines if line))
    return case
