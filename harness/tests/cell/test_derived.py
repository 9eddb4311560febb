"""Models made from others, and precisions: what is refused, what accuracy is compared with, what result.json says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet.catalogue import rounds
from loadfleet.cell import plan, verdict
from loadfleet.errors import InputError
from loadfleet.workloads import Accuracy

if TYPE_CHECKING:
    from loadfleet.store import Store


@pytest.fixture
def derived(store: Store) -> str:
    models = Path(os.environ["LOADFLEET_CATALOGUE"]) / "models"
    text = (models / "toy-square.yml").read_text()
    text = text.replace("name: toy-square", "name: toy-int8\nderived: {from: toy-square}").replace("fp32", "int8")
    (models / "toy-int8.yml").write_text(text.replace("{right: 100.0", "{right: 90.0"))
    store.ensure("model", "toy-int8")
    return "toy-int8"


def judged(cell: dict[str, Any], value: float, samples: int = 40) -> dict[str, Any]:
    accuracy = Accuracy("right", value, {"right": value}, "", samples, 40)
    return verdict._accuracy(cell, rounds.load("v6.1"), accuracy)


def test_accuracy_is_compared_with_the_model_it_was_made_from(run_file: dict[str, Any], derived: str) -> None:
    cell = plan.make(run_file | {"model": derived})[0]
    assert cell["model"]["accuracy"] == {"right": 100.0}
    assert cell["model"]["facts"]["precision"] == "int8"
    found = judged(cell, 98.9)
    assert (found["met"], found["met_99"], found["met_99_9"], found["of_reference"]) == (False, False, False, 0.989)


@pytest.mark.parametrize(("value", "met"), [(98.99, (False, False)), (99.5, (True, False)), (99.95, (True, True))])
def test_both_targets_are_judged(run_file: dict[str, Any], value: float, met: tuple[bool, bool]) -> None:
    found = judged(plan.make(run_file)[0], value)
    assert (found["met_99"], found["met_99_9"]) == met
    assert found["of_reference"] == pytest.approx(value / 100)


def test_a_subset_is_not_judged(run_file: dict[str, Any]) -> None:
    found = judged(plan.make(run_file)[0], 99.99, samples=39)
    assert (found["met"], found["met_99"], found["met_99_9"], found["of_reference"]) == (None, None, None, None)


def test_the_precision_of_a_model_may_be_said(run_file: dict[str, Any], derived: str) -> None:
    assert plan.make(run_file | {"model": derived, "precision": "int8"})[0]["backend"]["precision"] == "fp32"
    with pytest.raises(InputError, match=r"benchmark_precision is int8, which onnxruntime does not make") as refused:
        plan.make(run_file | {"precision": "int8"})
    assert "benchmark_model: toy-int8" in refused.value.fix


def test_what_stays_floating_point_is_said_too(run_file: dict[str, Any], derived: str) -> None:
    facts = plan.make(run_file | {"model": derived, "backend": "openvino", "precision": "bf16"})[0]["model"]["facts"]
    assert facts["precision"] == "int8"
    assert facts["weight_transformations"].endswith("the rest computed in bf16 by openvino")


def test_a_model_for_other_backends_is_refused(run_file: dict[str, Any]) -> None:
    path = Path(os.environ["LOADFLEET_CATALOGUE"]) / "models" / "toy-square.yml"
    path.write_text(path.read_text() + "backends: [openvino]\n")
    with pytest.raises(InputError, match="toy-square is for openvino; benchmark_backend is onnxruntime"):
        plan.make(run_file)


def test_options_of_a_backend_are_checked(run_file: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="benchmark_backend_options: 'speed' is no option of onnxruntime"):
        plan.make(run_file | {"backend_options": {"speed": "high"}})
