"""`auto`: what is tried, what is chosen, what is remembered."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet import catalogue, choosing, files
from loadfleet.cell import control, plan, standing
from loadfleet.choosing import measure, record, trial
from loadfleet.errors import InputError, LoadfleetError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadfleet.store import Store

# What attempts would find: rate in samples a second, accuracy of each tenth.
RIGHT = [100.0, 98.0, 99.0, 97.0, 100.0, 99.0, 98.0, 100.0, 97.0, 99.0]
WRONG = [value - 4 + (number % 2) for number, value in enumerate(RIGHT)]
NOISY = [value - 2 + 9 * (number % 2 - 0.5) for number, value in enumerate(RIGHT)]


@pytest.fixture
def auto(run_file: dict[str, Any], store: Store) -> dict[str, Any]:
    models = Path(os.environ["LOADFLEET_CATALOGUE"]) / "models"
    text = (models / "toy-square.yml").read_text()
    text = text.replace("name: toy-square", "name: toy-int8\nderived: {from: toy-square}").replace("fp32", "int8")
    (models / "toy-int8.yml").write_text(text)
    store.ensure("model", "toy-int8")
    return run_file | {"backend": "auto"}


class Attempts:
    """Answers attempts from a table: words of the candidate -> rate, tenths."""

    def __init__(self, table: Mapping[str, tuple[float, list[float]] | None]) -> None:
        self.table = table
        self.made: list[str] = []

    def __call__(self, words: str, command: list[str], folder: Path, cell: Mapping[str, Any]) -> int:
        name = words.removeprefix("trying ")
        what = command[-2].removeprefix("--")
        self.made.append(f"{what} {name}")
        found = self.table.get(name)
        if found is None:
            (folder / "stdout.log").write_text("Loading\nerror: it has no such kernel\n  fix: another one\n")
            return 3
        rate, parts = found
        values = {"rate": rate, "unit": "Samples/s"}
        if what == "accuracy":
            values = {"metric": "right", "accuracy": sum(parts) / 10, "samples": 800, "parts": parts}
        files.write_json(folder / f"{what}.json", values)
        return 0


def tried(run: dict[str, Any], tmp_path: Path, **table: Any) -> tuple[dict[str, Any], Attempts]:
    names = {
        "ort": "onnxruntime fp32, toy-square", "ov": "openvino fp32, toy-square", "bf16": "openvino bf16, toy-square",
        "ort8": "onnxruntime fp32, toy-int8", "ov8": "openvino fp32, toy-int8", "bf8": "openvino bf16, toy-int8",
    }  # fmt: skip
    attempts = Attempts({names[key]: value for key, value in table.items()})
    return trial.run(run, tmp_path, attempts), attempts


def test_every_backend_precision_and_derived_model_is_a_candidate(auto: dict[str, Any]) -> None:
    assert [each.words for each in choosing.candidates(auto)] == [
        "onnxruntime fp32, toy-square", "openvino fp32, toy-square", "openvino bf16, toy-square",
        "onnxruntime fp32, toy-int8", "openvino fp32, toy-int8", "openvino bf16, toy-int8",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"precision": "bf16"}, ["openvino bf16, toy-square"]),
        (
            {"backend": "onnxruntime", "precision": "auto"},
            ["onnxruntime fp32, toy-square", "onnxruntime fp32, toy-int8"],
        ),
        ({"backend": "onnxruntime", "precision": "auto", "model": "toy-int8"}, ["onnxruntime fp32, toy-int8"]),
        ({"precision": "int8", "device": "cuda"}, ["onnxruntime fp32, toy-int8"]),
    ],
)
def test_what_is_said_is_kept(auto: dict[str, Any], change: dict[str, str], words: list[str]) -> None:
    assert [each.words for each in choosing.candidates(auto | change)] == words


def test_a_wish_that_nothing_fulfils_is_refused(auto: dict[str, Any]) -> None:
    with pytest.raises(
        InputError, match="no backend runs toy-square as benchmark_backend auto, benchmark_precision fp8"
    ):
        choosing.candidates(auto | {"precision": "fp8"})
    with pytest.raises(InputError, match="benchmark_models is toy-square, toy-int8; a trial chooses for one model"):
        choosing.candidates(auto | {"models": ["toy-square", "toy-int8"]})


def test_the_fastest_that_keeps_the_accuracy_is_chosen(auto: dict[str, Any], tmp_path: Path) -> None:
    found, attempts = tried(
        auto, tmp_path, ort=(50, RIGHT), ov=(60, RIGHT), bf16=(90, RIGHT), ov8=(100, WRONG), bf8=(120, WRONG)
    )
    assert found["chosen"] == {"backend": "openvino", "precision": "bf16", "model": "toy-square"}
    by = {(each["backend"], each["precision"], each["model"]): each for each in found["candidates"]}
    assert by["onnxruntime", "fp32", "toy-int8"]["reason"] == "error: it has no such kernel"
    assert "right is 96.45 % of fp32's over 800 samples" in by["openvino", "bf16", "toy-int8"]["reason"]
    assert by["openvino", "fp32", "toy-square"]["of_reference"] == 1
    assert by["onnxruntime", "fp32", "toy-square"]["accuracy"] is None
    # The slow are looked at once, the fast twice; accuracy costs time, so it is asked from the fastest on.
    assert attempts.made.count("rate onnxruntime fp32, toy-square") == 1
    assert attempts.made.count("rate openvino bf16, toy-int8") == 2
    assert [each for each in attempts.made if each.startswith("accuracy")] == [
        "accuracy openvino fp32, toy-square", "accuracy openvino bf16, toy-int8", "accuracy openvino fp32, toy-int8",
        "accuracy openvino bf16, toy-square",
    ]  # fmt: skip
    assert json.loads((tmp_path / "trial.json").read_text()) == found


def test_a_subset_is_given_its_uncertainty(auto: dict[str, Any], tmp_path: Path) -> None:
    found, _ = tried(auto, tmp_path, ort=(50, RIGHT), ov8=(100, NOISY))
    assert found["chosen"]["model"] == "toy-int8"
    [chosen] = [each for each in found["candidates"] if each["rate"] == 100]
    assert chosen["of_reference"] < 0.99 < chosen["of_reference"] + 2 * chosen["uncertainty"]


def test_latencies_are_better_when_they_are_smaller(auto: dict[str, Any], tmp_path: Path) -> None:
    found, _ = tried(auto | {"scenarios": ["SingleStream"]}, tmp_path, ort=(5, RIGHT), bf16=(4, RIGHT), ov=(9, RIGHT))
    assert found["chosen"]["precision"] == "bf16"


def test_nothing_that_runs_is_said_with_every_reason(auto: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match=r"no candidate runs here: onnxruntime fp32, toy-square: error: it has no"):
        tried(auto, tmp_path)
    assert not (tmp_path / "trial.json").exists()


def test_a_choice_is_remembered_until_something_changes(
    auto: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
    assert record.settled(auto, first) is None
    found, _ = tried(auto, first, ort=(50, RIGHT), bf16=(90, RIGHT))
    own, later = record.settled(auto, first), record.settled(auto, second)
    assert own is not None
    assert later is not None
    assert (own["precision"], own["tried"]["remembered"]) == ("bf16", False)
    assert (later["precision"], later["tried"]) == ("bf16", found | {"remembered": True})
    assert plan.make(later)[0]["tried"]["chosen"] == found["chosen"]
    for changed in (
        {"trial": "again"},
        {"scenarios": ["Server"]},
        {"threads": 2},
        {"system": {"name": "a", "digest": "b"}},
    ):
        assert record.settled(auto | changed, third) is None, changed
    monkeypatch.setattr(record, "_versions", lambda _: {"openvino": "another"})
    assert record.settled(auto, third) is None


def test_a_damaged_memory_counts_as_none(auto: dict[str, Any], tmp_path: Path) -> None:
    tried(auto, tmp_path, ort=(50, RIGHT))
    record.path(auto).write_text('{"chosen": {}}')
    (tmp_path / "trial.json").unlink()
    assert record.settled(auto, tmp_path) is None


def test_an_attempt_measures_and_judges(run_file: dict[str, Any]) -> None:
    [cell] = plan.make(run_file | {"modes": ["performance"], "query_count": None})
    assert measure.rate(cell, 0.05)["rate"] > 0
    found = measure.accuracy(cell, 30)
    assert (found["metric"], found["accuracy"], found["samples"]) == ("right", 100.0, 30)
    assert found["parts"] == [100.0] * 10


def test_a_run_tries_chooses_and_says_so(make_run: Callable[..., Path]) -> None:
    folder = make_run(precision="auto")
    control.start(folder)
    deadline = time.monotonic() + 120
    while standing.read_status(folder).get("phase") not in ("finished", "stopped"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert standing.read_status(folder)["exit_code"] == 0, (folder / "agent.log").read_text()
    result = json.loads((folder / "toy/Offline/performance/result.json").read_text())
    assert result["tried"]["chosen"] == {"backend": "onnxruntime", "precision": "fp32", "model": "toy-square"}
    assert result["backend"]["capabilities"]["precisions"] == ["fp32"]
    assert control.start(folder)["adopted"]


def test_a_run_that_nothing_can_run_ends_with_the_reason(make_run: Callable[..., Path], store: Store) -> None:
    folder = make_run(precision="auto")
    entry = store.find("model", "toy-square")
    assert entry is not None
    (entry.path / "model.onnx").chmod(0o644)
    stat = (entry.path / "model.onnx").stat()
    (entry.path / "model.onnx").write_bytes(b"\0" * stat.st_size)
    os.utime(entry.path / "model.onnx", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    control.start(folder)
    deadline = time.monotonic() + 60
    while (status := standing.read_status(folder)).get("phase") != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert status["exit_code"] == LoadfleetError.exit_code
    assert "no candidate runs here" in status["message"]
    assert "onnxruntime cannot load" in status["cells"][0]["reasons"][0]


def test_a_trial_can_be_stopped_and_begun_again(make_run: Callable[..., Path]) -> None:
    folder = make_run(precision="auto")
    control.start(folder)
    deadline = time.monotonic() + 60
    while "trial: trying" not in standing.read_status(folder)["cells"][0]["detail"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert control.stop(folder)
    status = standing.read_status(folder)
    assert (status["phase"], status["cells"][0]["state"]) == ("stopped", "pending")
    assert not (folder / "trial.json").exists()
    assert not control.start(folder)["adopted"]


def test_questions_before_a_trial_are_asked_of_a_candidate() -> None:
    assert catalogue.get("backend", choosing.stand_in()).data["candidate"]
    with pytest.raises(InputError, match="no backend that auto tries has the device 'tpu'"):
        choosing.stand_in("tpu")


def test_candidates_are_marked_in_the_catalogue() -> None:
    assert {entry.name for entry in catalogue.entries("backend") if entry.data.get("candidate")} >= {
        "onnxruntime", "openvino",
    }  # fmt: skip
    assert not catalogue.get("backend", "null").data.get("candidate")
