"""Results that MLCommons published, for their own rounds: same verdict and same numbers as the checkers of the time."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from published_mutations import LLAMA, RESNET, Mutation, Result

from loadfleet.cli.submission import command
from loadfleet.submission.check import Report, check

DATA = Path(__file__).parent / "data"


class Published(NamedTuple):
    archive: str
    round: str
    submitter: str
    system: str
    model: str
    scenario: str  # the one that tests change
    csv: str

    def check(self, root: Path, round_name: str = "") -> Report:
        return check(root, round_name or self.round, self.submitter)

    def result(self, root: Path) -> Result:
        return Result(root, self.submitter, self.system, self.model, self.scenario)


RESNET50 = Published(
    "v4.1-closed-edge-resnet50-power.tar.xz",
    "v4.1",
    "UntetherAI",
    "h13_u3_slim",
    "resnet50",
    "offline",
    "v4.1-resnet50.csv",
)
LLAMA8B = Published(
    "v5.1-closed-datacenter-llama3.1-8b.tar.xz",
    "v5.1",
    "RedHat",
    "IBM_Cloud_gx3-48x240x2l40s_vLLM",
    "llama3.1-8b",
    "Server",
    "v5.1-llama3.1-8b.modular.csv",
)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Round -> its tree, with placeholders for the code and the documents that were left out. Read only."""
    found = {}
    for tree in (RESNET50, LLAMA8B):
        folder = found[tree.round] = tmp_path_factory.mktemp("published")
        with tarfile.open(DATA / tree.archive) as archive:
            archive.extractall(folder, filter="data")
        for name in (f"code/{tree.model}/README.md", "documentation/calibration.md"):
            path = folder / "closed" / tree.submitter / name
            path.parent.mkdir(parents=True)
            path.write_text("placeholder\n")
    return found


def numbers(text: str, scenario: str) -> dict[tuple[str, ...], tuple[float, list[float]]]:
    """(scenario, unit, ...) of each row -> result and accuracies."""
    spelled = {name.lower(): name for name in ("Offline", "Server", "SingleStream", "MultiStream")}
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        key = (spelled[row["Scenario"].lower()], row["Units"], row["MlperfModel"], row["has_power"], row["inferred"])
        key += tuple(row[name] for name in ("Organization", "SystemType", "SystemName", "Platform", "Model", "version"))
        key += tuple(row[name] for name in ("number_of_nodes", "accelerators_per_node", "notes", "operating_system"))
        words = row["Accuracy"].replace(":", " ").split()
        found[key] = (float(row["Result"]), [float(word) for word in words if word[0].isdigit()])
        assert scenario in spelled
    return found


@pytest.mark.parametrize("tree", [RESNET50, LLAMA8B], ids=lambda tree: tree.round)
def test_accepted_with_the_official_numbers(tree: Published, trees: dict[str, Path]) -> None:
    report = tree.check(trees[tree.round])

    assert [finding.line() for finding in report.findings if finding.severity == "error"] == []
    assert report.accepted
    assert numbers(report.csv(), tree.scenario.lower()) == numbers((DATA / tree.csv).read_text(), tree.scenario.lower())


def test_the_strict_checker_of_the_round_has_the_same_numbers(trees: dict[str, Path]) -> None:
    strict = (DATA / "v5.1-llama3.1-8b.strict.csv").read_text()

    assert numbers(LLAMA8B.check(trees["v5.1"]).csv(), "server") == numbers(strict, "server")


def test_power_is_a_second_row_in_the_unit_of_the_scenario(trees: dict[str, Path]) -> None:
    rows = {row.scenario: row for row in RESNET50.check(trees["v4.1"]).rows}

    assert (rows["Offline"].power, rows["Offline"].power_unit) == (398.32998477930016, "Watts")
    assert (rows["SingleStream"].power, rows["SingleStream"].power_unit) == (29.238986918361313, "millijoules")
    assert (rows["MultiStream"].power, rows["MultiStream"].power_unit) == (61.316696672746566, "millijoules")


@pytest.mark.parametrize(
    ("tree", "round_name", "words"),
    [
        (RESNET50, "v5.0", "qsl_rng_seed of v5.0"),
        (RESNET50, "v5.0", "PTDaemon is of version 1.11.1"),
        (RESNET50, "v3.1", "qsl_rng_seed of v3.1"),
        (LLAMA8B, "v6.0", "measurements.json"),
        (LLAMA8B, "v6.0", "src/ holds the code"),
        (LLAMA8B, "v5.0", "v5.0 has no such model"),
    ],
)
def test_another_round_refuses(tree: Published, round_name: str, words: str, trees: dict[str, Path]) -> None:
    report = tree.check(trees[tree.round], round_name)

    assert not report.accepted
    assert [finding for finding in report.findings if words in f"{finding.file} {finding.rule}"]
    if "seed" in words:
        found = [finding for finding in report.findings if "rng_seed" in finding.rule]
        fixes = {finding.fix for finding in found if "/TEST05/" not in finding.file}
        assert all(f"these seeds are of {tree.round}: check with --round {tree.round}" in fix for fix in fixes)


CASES = [(RESNET50, row) for row in RESNET] + [(LLAMA8B, row) for row in LLAMA]


@pytest.mark.parametrize(("tree", "row"), CASES, ids=[f"{tree.round}-{row.name}" for tree, row in CASES])
def test_a_change_is_refused(tree: Published, row: Mutation, trees: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "tree"
    shutil.copytree(trees[tree.round], root, copy_function=os.link)
    row.change(tree.result(root))

    report = tree.check(root)

    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert not report.accepted
    assert [finding for finding in errors if row.words in finding.rule], [finding.line() for finding in errors]
    assert not [finding for finding in errors if "can be made" in finding.rule]


def test_the_command_shows_power(trees: dict[str, Path]) -> None:
    shown = CliRunner().invoke(
        command, ["check", str(trees["v4.1"]), "--round", "v4.1", "--submitter", "UntetherAI", "--jobs", "1"]
    )

    assert shown.exit_code == 0
    assert "resnet50/offline: 168720 Samples/s, 398.33 Watts\n" in shown.output
    assert shown.output.endswith("3 of 3 results accepted\nSUMMARY: submission looks OK\n")
