"""The TEST0x folder of a submission, from logs that any harness left."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from loadfleet.compliance import tests
from loadfleet.compliance.base import Logs
from loadfleet.compliance.cell import bounds
from loadfleet.compliance.verify import Outcome, verify
from loadfleet.errors import InputError
from loadfleet.loadgen.logs import ACCURACY, DETAIL, SUMMARY

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round

_SCORE = "accuracy.txt"


def make(
    name: str,
    rules: Round,
    model: str,
    scenario: str,
    test: Path,
    results: Path | None,
    scored: Path | None,
    output: Path,
) -> Outcome:
    """Verify a test and put its verification files and logs where the round wants them.

    Args:
        name: The test.
        rules: The round.
        model: Official name of the model.
        scenario: Folder name of the scenario.
        test: Folder with LoadGen's logs of the test.
        results: Folder of the scenario: `accuracy` and `performance/run_1`, or `performance`.
        scored: What the accuracy script printed about the test's answers.
        output: The folder TEST0x is made in.

    Raises:
        InputError: A folder or log that the test needs is missing, or the output exists.
    """
    described = tests.describe(name, rules, rules.model(model).name, scenario)
    form = rules.compliance_tests[name]
    target = output / name
    if target.exists():
        raise InputError(f"{target} exists already", fix="name another folder, or remove it")
    before = {mode: _run(results, mode, name) for mode in described["needs"]}
    wanted = [SUMMARY, DETAIL] if form.performance_log or not form.accuracy_log else []
    wanted += [ACCURACY] if form.accuracy_log else []
    for log in wanted:
        if not (test / log).is_file():
            raise InputError(f"{test} has no {log}", fix=f"name the folder of the logs of {name} (--test)")
    text = scored.read_text(encoding="utf-8", errors="replace") if scored else None
    target.mkdir(parents=True)
    outcome = verify(
        described,
        Logs(
            test=test,
            scenario=scenario,
            accuracy=before.get("accuracy"),
            performance=before.get("performance"),
            scored=text,
            tolerance=described["tolerance"],
            bounds=bounds(described),
        ),
        target,
    )
    if form.accuracy_log:
        (target / "accuracy").mkdir()
        shutil.copyfile(test / ACCURACY, target / "accuracy" / ACCURACY)
        if text is not None:
            (target / "accuracy" / _SCORE).write_text(text, encoding="utf-8")
    if form.performance_log:
        (target / "performance" / "run_1").mkdir(parents=True)
        for log in (SUMMARY, DETAIL):
            shutil.copyfile(test / log, target / "performance" / "run_1" / log)
    return outcome


def _run(results: Path | None, mode: str, name: str) -> Path:
    if results is None:
        raise InputError(f"{name} is compared with the {mode} run", fix="name the scenario's folder with --results")
    for folder in (results / mode / "run_1", results / mode):
        if (folder / (ACCURACY if mode == "accuracy" else DETAIL)).is_file():
            return folder
    raise InputError(
        f"{results} holds no logs of the {mode} run",
        fix="name the folder that holds accuracy/ and performance/run_1/ (or performance/)",
    )
