from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from submission_builder import BERT, Results
from submission_mutations import Tree

from loadfleet.errors import InputError
from loadfleet.submission.status import of


def states(lines: list) -> dict[str, tuple[str, ...]]:
    return {
        line.scenario: tuple(getattr(line, name).state for name in ("performance", "accuracy", "compliance", "power"))
        for line in lines
    }


def test_results_that_are_complete_for_open(results: Results) -> None:
    lines = of([results.run(scenarios=("Offline", "SingleStream"))], "v6.1", "", "open", "edge")

    assert states(lines) == dict.fromkeys(("Offline", "SingleStream"), ("valid", "valid", "not needed", "not needed"))
    assert all(line.complete for line in lines)


def test_results_that_lack_runs_for_closed(results: Results) -> None:
    run = results.run(modes=("performance",), model=BERT, execution="test", reasons=("execution is test",))

    lines = {line.scenario: line for line in of([run], "v6.1", "", "closed", "edge")}

    assert states(list(lines.values())) == {
        "Offline": ("bad", "missing", "missing", "not needed"),
        "SingleStream": ("missing", "missing", "missing", "not needed"),
    }
    assert lines["Offline"].performance.why == "execution is test"
    assert lines["Offline"].compliance.why == "TEST01: no TEST01 run"


def test_a_tree(accepted: Path, accepted_closed: Path, tmp_path: Path) -> None:
    assert states(of([accepted], "v6.1", "Example", "open", "edge")) == dict.fromkeys(
        ("Offline", "SingleStream"), ("valid", "valid", "not needed", "not needed")
    )
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    tree = Tree(root, "closed")
    tree.set("result_validity", "INVALID")
    shutil.rmtree(tree.stream / "accuracy")
    shutil.rmtree(tree.stream / "TEST01")

    lines = of([root], "v6.1", "Example", "closed", "edge")

    assert states(lines) == {
        "Offline": ("bad", "valid", "valid", "not needed"),
        "SingleStream": ("valid", "missing", "missing", "not needed"),
    }
    assert not any(line.complete for line in lines)


def test_an_empty_folder_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to submit"):
        of([tmp_path], "v6.1", "", "open", "edge")
