from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest
from submission_builder import edit_json
from submission_mutations import Tree

from loadfleet.errors import InputError
from loadfleet.submission.check import COLUMNS, OK, check


@pytest.mark.parametrize("division", ["open", "closed"])
def test_a_good_submission_is_accepted(division: str, accepted: Path, accepted_closed: Path) -> None:
    report = check({"open": accepted, "closed": accepted_closed}[division], "v6.1", "Example")

    assert [finding for finding in report.findings if finding.severity == "error"] == []
    assert report.summary == OK
    assert [(row.scenario, row.unit, row.accepted) for row in report.rows] == [
        ("Offline", "Samples/s", True),
        ("SingleStream", "Latency (ms)", True),
    ]
    assert report.rows[0].value == pytest.approx(17.9875)


@pytest.mark.parametrize("round_name", ["v6.0", "v5.1"])
def test_another_round_has_other_seeds(round_name: str, accepted: Path) -> None:
    report = check(accepted, round_name, "Example")

    assert not report.accepted
    assert any(f"qsl_rng_seed of {round_name}" in finding.rule for finding in report.findings)


def test_no_result_is_not_accepted(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()

    report = check(tmp_path, "v6.1", "Example")

    assert not report.accepted
    assert report.rows == ()


def test_submitter_of_another_name_is_not_accepted(accepted: Path) -> None:
    report = check(accepted, "v6.1", "example")

    assert not report.accepted
    assert "no division holds a submitter 'example'" in report.findings[0].rule


def test_below_target_is_a_warning_in_open(accepted: Path) -> None:
    report = check(accepted, "v6.1", "Example")

    assert {finding.severity for finding in report.findings if "F1 is >=" in finding.rule} == {"warning"}


def test_status_and_submitter_may_differ_in_letter_case(submission: Path) -> None:
    edit_json(Tree(submission, "open").description, status="Available", submitter="EXAMPLE")

    assert check(submission, "v6.1", "Example").accepted


def test_test01_may_fall_back_to_scores(accepted_closed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    folder = Tree(root, "closed").offline / "TEST01"
    (folder / "verify_accuracy.txt").write_text("TEST FAIL\n")
    for name, f1 in (("baseline", 90.5), ("compliance", 90.1)):
        (folder / "accuracy" / f"{name}_accuracy.txt").write_text(f'{{"exact_match": 80.0, "f1": {f1}}}\n')

    assert check(root, "v6.1", "Example").accepted

    (folder / "accuracy" / "compliance_accuracy.txt").write_text('{"exact_match": 80.0, "f1": 89.0}\n')
    assert not check(root, "v6.1", "Example").accepted


def test_an_error_refuses_its_own_result_only(submission: Path) -> None:
    tree = Tree(submission, "open")
    tree.set("result_validity", "INVALID")

    rows = check(submission, "v6.1", "Example").rows

    assert [(row.scenario, row.accepted) for row in rows] == [("Offline", False), ("SingleStream", True)]


def test_csv_has_the_official_columns_and_quotes_inner_quotes(accepted: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(check(accepted, "v6.1", "Example").csv())))

    assert len(COLUMNS) == 31
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0]["host_processor_model_name"] == 'Example "X" CPU'
    assert rows[0]["Result"] == "17.9875"
    assert rows[0]["Accuracy"] == "F1: 76.5"
    assert rows[0]["MlperfModel"] == "bert-99"
    assert [row["Units"] for row in rows] == ["Samples/s", "Latency (ms)"]


def test_missing_folder_and_unknown_round_are_wrong_input(tmp_path: Path, accepted: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        check(tmp_path / "none", "v6.1", "Example")
    with pytest.raises(InputError, match=r"no round named 'v9\.9'"):
        check(accepted, "v9.9", "Example")
