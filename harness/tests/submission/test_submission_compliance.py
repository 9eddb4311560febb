"""Compliance tests in a tree: where they are asked for, cut as accuracy logs are, and about the runs that are shown."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from submission_builder import BERT, RUN, Results

from loadfleet.submission.tree import generate as tree
from loadfleet.submission.tree.generate import Request

if TYPE_CHECKING:
    from pathlib import Path

MODES = ("accuracy", "performance", "TEST01")
LATER = "20261123T000000Z-bert-1a2b"


def test_the_open_division_takes_none(results: Results, tmp_path: Path) -> None:
    made = tree.generate([results.run(modes=MODES)], tmp_path / "out", Request(submitter="Example"))
    assert not list(made.tree.glob("**/TEST01"))
    (left,) = made.left_out
    assert left["cell"].endswith("bert/Offline/TEST01")
    assert left["reasons"] == ["the open division asks for no compliance test"]


def test_a_test_that_the_round_does_not_ask_for_stays_out(results: Results, tmp_path: Path) -> None:
    run = results.run(modes=(*MODES, "TEST04"), model=BERT, f1=90.5)
    made = tree.generate([run], tmp_path / "out", Request(submitter="Example", division="closed"))
    assert [path.name for path in made.tree.glob("**/TEST*")] == ["TEST01"]
    assert [entry["reasons"] for entry in made.left_out] == [
        ["MLPerf Inference v6.1 does not ask for TEST04 of bert-99"]
    ]


def test_the_log_of_a_test_is_cut_and_its_hash_kept(results: Results, tmp_path: Path) -> None:
    run = results.run(modes=MODES, model=BERT, f1=90.5)
    log = run / "localhost/bert/Offline/TEST01/mlperf_log_accuracy.json"
    log.write_text("[\n" + "x" * 20_000 + "\n]\n")
    made = tree.generate([run], tmp_path / "out", Request(submitter="Example", division="closed"))
    (folder,) = made.tree.glob("**/TEST01/accuracy")
    assert (folder / log.name).stat().st_size == 8199
    assert f"hash={hashlib.sha256(log.read_bytes()).hexdigest()}" in (folder / "accuracy.txt").read_text().splitlines()


def test_a_test_of_another_run_is_named(results: Results, tmp_path: Path) -> None:
    runs = [
        results.run(modes=("accuracy", "TEST01"), model=BERT, f1=90.5),
        results.run(LATER, modes=("accuracy", "performance"), model=BERT, f1=90.5),
    ]
    made = tree.generate(runs, tmp_path / "out", Request(submitter="Example", division="closed"))
    (entry,) = [entry for entry in made.not_submittable if entry["cell"].endswith("TEST01")]
    shown = f"the submission shows that of {LATER}/localhost"
    assert sorted(entry["reasons"]) == [
        f"TEST01 was compared with the {mode} run of {RUN}/localhost, {shown}" for mode in ("accuracy", "performance")
    ]
