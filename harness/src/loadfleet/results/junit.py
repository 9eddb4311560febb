"""A run as a JUnit file, the form every CI server shows: one test case for each cell, one for each failed task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from loadfleet import files
from loadfleet.errors import InputError, NotReadyError
from loadfleet.results import words
from loadfleet.results.explain import explain
from loadfleet.results.judge import judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadfleet.results.model import CellOutcome, RunResults

# XML 1.0 has no place for them, not even escaped.
_FORBIDDEN = {code: None for code in range(32) if chr(code) not in "\t\n\r"} | {0xFFFE: None, 0xFFFF: None}


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
    if path.is_dir():
        raise InputError(f"--junit {path} is a folder", fix="Name a file, such as junit.xml.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    except OSError as error:
        raise NotReadyError(f"{path} cannot be written: {error.strerror}") from error


def suites(
    run: RunResults | None, *, run_id: str = "", seconds: float | None = None, failures: Sequence[Any] = ()
) -> ET.Element:
    """The element `testsuites`: a suite for each host, and one named `ansible` for failed tasks."""
    name = run.run_id if run else run_id
    root = ET.Element("testsuites", name=name)
    for host in run.hosts if run else ():
        _close(_suite(root, host.name, [_cell(run, cell) for cell in host.cells] if run else []))
    if failures:
        _close(_suite(root, "ansible", [_task(failure) for failure in failures]))
    counts = {kind: sum(int(suite.get(kind, "0")) for suite in root) for kind in ("tests", "failures", "errors")}
    for kind, count in counts.items():
        root.set(kind, str(count))
    if seconds is not None:
        root.set("time", f"{seconds:.3f}")
    return root


def _suite(root: ET.Element, name: str, cases: Sequence[ET.Element]) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", name=_clean(name))
    suite.extend(cases)
    return suite


def _close(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in suite):.3f}")


def _cell(run: RunResults, cell: CellOutcome) -> ET.Element:
    """A good cell passes; a bad result is a failure, a cell without one, or an unfinished one, an error."""
    judged, result = judge(cell), cell.result
    case = ET.Element("testcase", classname=_clean(cell.host), name=_clean(cell.cell))
    case.set("time", f"{(result.time.loadgen_s if result else None) or 0.0:.3f}")
    failure = explain(run, cell)
    text = "\n".join([*judged.reasons, *(failure.text() if failure else [])])
    if judged.outcome == "bad":
        kind = "failure" if result else "error"
        element = ET.SubElement(case, kind, type=failure.kind if failure else "unknown")
        element.set("message", _clean(judged.reasons[0] if judged.reasons else judged.short))
        element.text = _clean(text)
    elif judged.outcome == "unfinished":
        # An unfinished run is not a good one: a skipped test would pass for one on most servers.
        ET.SubElement(case, "error", type="interrupted", message="not finished").text = _clean(text)
    if result:
        facts = [words.metric(result.metric), f"LoadGen: {result.validity.loadgen or '-'}"]
        facts += [f"accuracy: {words.accuracy(result.accuracy)}"] if result.accuracy else []
        ET.SubElement(case, "system-out").text = _clean("\n".join(facts))
    return case


def _task(failure: Any) -> ET.Element:
    case = ET.Element("testcase", classname=_clean(failure.host or "ansible"), name=_clean(failure.task or "start"))
    case.set("time", "0.000")
    message = _clean(failure.message.partition("\n")[0])
    ET.SubElement(case, "error", type="task", message=message).text = _clean(failure.message)
    return case


def _clean(text: str) -> str:
    return text.translate(_FORBIDDEN)
