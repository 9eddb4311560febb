"""The adapter, against stand-ins that behave like MLCommons' checkers (the real ones are not ours to ship)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadfleet.errors import NotReadyError
from loadfleet.submission import official

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "INFO] Results=2, NoResults=0, Power Results=0\nINFO] SUMMARY: submission looks OK\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder laid out like mlcommons/inference, whose checkers print their arguments and a good verdict."""
    monkeypatch.delenv(official.PYTHON_VARIABLE, raising=False)
    tools = tmp_path / "inference" / "tools" / "submission"
    (tools / "submission_checker").mkdir(parents=True)
    for name in ("submission_checker/main.py", "submission_checker_old.py"):
        (tools / name).write_text(f"import sys\nprint('ERROR] ' + ' '.join(sys.argv[1:]))\nprint({GOOD!r})\n")
    return tmp_path / "inference"


def test_both_checkers_are_run_with_the_round(checkout: Path, accepted: Path) -> None:
    verdicts = official.run(checkout, accepted, "v6.1", "Example")

    assert [(verdict.checker, verdict.accepted, verdict.results) for verdict in verdicts] == [
        ("modular", True, 2),
        ("strict", True, 2),
    ]
    assert f"--input {accepted} --version v6.1 --submitter Example" in verdicts[0].messages[0]
    assert [verdict.checker for verdict in official.run(checkout, accepted, "v5.1", "Example")] == ["modular"]


@pytest.mark.parametrize(
    ("output", "summary"),
    [
        ("INFO] Results=0, NoResults=0\nINFO] SUMMARY: submission looks OK\n", "SUMMARY: submission looks OK"),
        ("INFO] Results=1, NoResults=1\nERROR] SUMMARY: submission has errors\n", "SUMMARY: submission has errors"),
        ("Traceback (most recent call last):\nKeyError: 'x'\n", "ended without a summary: KeyError: 'x'"),
        ("", "ended without a summary: no output"),
    ],
)
def test_bad_verdicts(output: str, summary: str) -> None:
    verdict = official.verdict("modular", output)

    assert not verdict.accepted
    assert verdict.summary == summary


def test_a_missing_package_is_not_a_verdict() -> None:
    with pytest.raises(NotReadyError, match="No module named 'pandas'"):
        official.verdict("modular", "Traceback\nModuleNotFoundError: No module named 'pandas'\n")


def test_a_folder_that_is_no_checkout(tmp_path: Path, accepted: Path) -> None:
    with pytest.raises(NotReadyError, match="submission_checker"):
        official.run(tmp_path, accepted, "v6.1", "Example")


def test_an_interpreter_that_is_missing(checkout: Path, accepted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(official.PYTHON_VARIABLE, "/nonexistent/python")

    with pytest.raises(NotReadyError, match="did not run"):
        official.run(checkout, accepted, "v6.1", "Example")
