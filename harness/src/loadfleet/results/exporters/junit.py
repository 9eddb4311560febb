"""A JUnit file: a test suite for each host, a test case for each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from loadfleet.results.junit import suites

if TYPE_CHECKING:
    from loadfleet.results.model import RunResults

HELP = "JUnit XML for CI servers"


def export(run: RunResults) -> str:
    """The file as text."""
    return ET.tostring(suites(run), encoding="unicode", xml_declaration=True) + "\n"
