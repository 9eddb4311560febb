"""Run MLCommons' own submission checkers, where the user has a copy of mlcommons/inference; none is shipped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue.rounds import load
from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Collection

FOLDER_VARIABLE = "LOADFLEET_MLCOMMONS_INFERENCE"
PYTHON_VARIABLE = "LOADFLEET_MLCOMMONS_PYTHON"
_TOOLS = Path("tools") / "submission"
# checker -> what starts it in tools/submission; `strict` is the monolithic checker kept beside the package for v6.x
_CHECKERS = {"modular": ("-m", "submission_checker.main"), "strict": ("submission_checker_old.py",)}
_COUNT = re.compile(r"Results=(\d+), NoResults=")


@dataclass(frozen=True)
class Verdict:
    """What one official checker says; `accepted` needs its summary line and at least one result."""

    checker: str
    accepted: bool
    results: int
    summary: str
    messages: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(
    inference: Path,
    tree: Path,
    round_name: str,
    submitter: str,
    checkers: Collection[str] = tuple(_CHECKERS),
    timeout_s: float = 1800,
) -> list[Verdict]:
    """Verdicts of the checkers (modular, and strict where it is kept beside the package) on a tree.

    The interpreter is the one named by LOADFLEET_MLCOMMONS_PYTHON, else this one; the checkers need pandas and PyYAML.

    Raises:
        NotReadyError: The folder is no checkout of mlcommons/inference, or a checker cannot start.
        InputError: No checker there knows the round.
    """
    tools = (inference / _TOOLS).resolve()
    if not (tools / "submission_checker").is_dir():
        raise NotReadyError(
            f"{inference} holds no {_TOOLS}/submission_checker", fix="name a checkout of github.com/mlcommons/inference"
        )
    names = load(round_name).official_checkers
    if not names:
        raise InputError(f"MLCommons' checkers of today do not know {round_name}", fix="check without --official")
    wanted = [name for name in names if name in checkers]
    return [_one(tools, name, tree.resolve(), round_name, submitter, timeout_s) for name in wanted]


def _one(tools: Path, name: str, tree: Path, round_name: str, submitter: str, timeout_s: float) -> Verdict:
    python = os.environ.get(PYTHON_VARIABLE) or sys.executable
    with tempfile.TemporaryDirectory() as scratch:
        arguments = ["--input", str(tree), "--version", round_name, "--submitter", submitter]
        command = [python, *_CHECKERS[name], *arguments, "--csv", str(Path(scratch) / "summary.csv")]
        try:
            done = subprocess.run(
                command,
                cwd=tools,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotReadyError(f"MLCommons' {name} checker did not run: {error}") from error
    return verdict(name, done.stdout)


def verdict(name: str, output: str) -> Verdict:
    """Read a checker's output.

    Raises:
        NotReadyError: It could not start for want of a Python package.
    """
    lines = output.splitlines()
    summaries = [line[line.index("SUMMARY:") :] for line in lines if "SUMMARY:" in line]
    if not summaries and any(line.startswith("ModuleNotFoundError") for line in lines):
        raise NotReadyError(
            f"MLCommons' {name} checker cannot start: {lines[-1]}",
            fix=f"install it for the interpreter that {PYTHON_VARIABLE} names",
        )
    counts = [int(count) for count in _COUNT.findall(output)]
    results = counts[-1] if counts else 0
    errors = [line.split("ERROR] ", 1)[1] for line in lines if "ERROR] " in line]
    summary = summaries[-1] if summaries else f"ended without a summary: {lines[-1] if lines else 'no output'}"
    return Verdict(name, "looks OK" in summary and results > 0, results, summary, tuple(errors[:50]))
