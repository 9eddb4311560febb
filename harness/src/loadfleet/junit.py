"""JUnit files, the form every CI server shows: suites of test cases, written atomically."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from loadfleet import files
from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# XML 1.0 has no place for them, not even escaped.
_FORBIDDEN = {code: None for code in range(32) if chr(code) not in "\t\n\r"} | {0xFFFE: None, 0xFFFF: None}
_FORBIDDEN |= dict.fromkeys(range(0xD800, 0xE000))


def clean(text: str) -> str:
    """Text that XML can hold."""
    return text.translate(_FORBIDDEN)


def suite(root: ET.Element, name: str, cases: Iterable[ET.Element]) -> None:
    """Add a suite with its counts and the sum of its cases' times."""
    element = ET.SubElement(root, "testsuite", name=clean(name))
    element.extend(cases)
    element.set("tests", str(len(element)))
    element.set("failures", str(len(element.findall("testcase/failure"))))
    element.set("errors", str(len(element.findall("testcase/error"))))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in element):.3f}")


def total(root: ET.Element) -> None:
    """Set the counts of `testsuites` once all suites are there."""
    for kind in ("tests", "failures", "errors"):
        root.set(kind, str(sum(int(element.get(kind, "0")) for element in root)))


def save(path: Path, root: ET.Element) -> None:
    """Write `testsuites`.

    Raises:
        InputError: `path` is a folder.
        NotReadyError: It cannot be written.
    """
    if path.is_dir():
        raise InputError(f"--junit {path} is a folder", fix="Name a file, such as junit.xml.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    except OSError as error:
        raise NotReadyError(f"{path} cannot be written: {error.strerror}") from error
