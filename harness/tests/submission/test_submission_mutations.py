"""Every change to an accepted submission gets the verdict it should; MLCommons' verdicts are recorded beside it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from record_verdicts import ALL, FILE
from submission_mutations import Mutation, Tree
from yaml import safe_load

from loadfleet.submission import junit
from loadfleet.submission.check import BAD, OK, check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES = [(division, row) for row in ALL for division in row.divisions]
RECORDED: dict[str, dict[str, list[str]]] = safe_load(FILE.read_text())


@pytest.fixture
def changed(division: str, row: Mutation, accepted: Path, accepted_closed: Path, tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "tree"
    subprocess.run(["cp", "-a", {"open": accepted, "closed": accepted_closed}[division], root], check=True)
    row.change(Tree(root, division))
    yield root
    subprocess.run(["rm", "-rf", tmp_path], check=True)  # pytest's own clean-up stops at what some changes leave


@pytest.mark.parametrize(("division", "row"), CASES, ids=[f"{row.name}-{division}" for division, row in CASES])
def test_a_change_gets_the_verdict_it_should(row: Mutation, changed: Path) -> None:
    report = check(changed, "v6.1", "Example")

    severity = "warning" if row.accepted else "error"
    found = [finding for finding in report.findings if finding.severity == severity]
    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert report.accepted is row.accepted, [finding.line() for finding in errors]
    assert report.summary == (OK if row.accepted else BAD)
    assert not row.words or [finding for finding in found if row.words in finding.rule], [one.line() for one in found]
    assert all(finding.file and finding.fix for finding in report.findings)
    assert not [finding for finding in errors if "can be made" in finding.rule], "a check raised"
    assert all(len(finding.line().splitlines()) == 1 for finding in report.findings)
    json.dumps(report.as_json()).encode("ascii")
    report.csv().encode()
    suites = ET.fromstring(ET.tostring(junit.suites(report)))  # noqa: S314 - our own
    assert (int(suites.get("failures", "")) + int(suites.get("errors", "")) == 0) is row.accepted


@pytest.mark.parametrize("row", ALL, ids=[row.name for row in ALL])
def test_where_verdicts_differ_the_table_says_why(row: Mutation) -> None:
    recorded = RECORDED[row.name]

    assert set(recorded) == set(row.divisions)
    for official in recorded.values():
        both_accept = set(official) == {"accepted"}
        assert row.accepted is both_accept or row.why


def test_there_are_enough_of_them_and_all_have_names() -> None:
    assert sum(not row.accepted for row in ALL) >= 120
    assert sum(row.accepted for row in ALL) >= 15
    assert len({row.name for row in ALL}) == len(ALL)
    assert list(RECORDED) == [row.name for row in ALL]
