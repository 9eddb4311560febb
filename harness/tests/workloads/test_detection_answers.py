"""From a model's boxes to LoadGen's bytes, and from those to mean average precision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.workloads.object_detection import ObjectDetection, precision
from loadfleet.workloads.object_detection.precision import evaluate

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.workloads.object_detection.dataset import DetectionDataset

SIDE = 100
# Category, xmin, ymin, width, height; by picture. The pictures are 400 wide and 200 high.
THINGS = {1: [(1, 40, 20, 80, 60), (2, 200, 100, 100, 80)], 2: [(1, 0, 0, 400, 200)], 3: []}


def truth() -> dict[str, Any]:
    things = [
        {"image_id": image, "category_id": kind, "bbox": list(box), "area": box[2] * box[3], "iscrowd": 0}
        for image, each in THINGS.items()
        for kind, *box in each
    ]
    return {
        "images": [{"id": image, "file_name": f"{image}.jpg", "height": 200, "width": 400} for image in THINGS],
        "annotations": [{"id": number, **thing} for number, thing in enumerate(things, 1)],
        "categories": [{"id": 1, "name": "Cat"}, {"id": 2, "name": "Dog"}],
    }


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "prepared"
    folder.mkdir()
    pixels = np.arange(3 * 3 * SIDE * SIDE, dtype=np.float32).reshape(3, 3, SIDE, SIDE) / 1e5
    np.save(folder / "images.npy", pixels)
    (folder / "annotations.json").write_text(json.dumps(truth()))
    (folder / "recipe.json").write_text(json.dumps({"version": 1, "images": 3, "side": SIDE, "type": "float32"}))
    return folder


def outputs(things: list[tuple[int, float, float, float, float]], score: float = 0.9) -> dict[str, np.ndarray]:
    """What a perfect model says of a picture: boxes in pixels of its square input."""
    boxes = [[x / 4, y / 2, (x + width) / 4, (y + height) / 2] for _, x, y, width, height in things]
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.full(len(things), score, np.float32),
        "labels": np.array([kind for kind, *_ in things], np.int64),
    }


def answers(dataset: DetectionDataset) -> list[tuple[int, bytes]]:
    """The responses of a perfect model to all pictures."""
    return [
        (index, dataset.respond(np.array([index]), outputs(things))[0].tobytes())
        for index, things in enumerate(THINGS.values())
    ]


def test_one_picture_is_not_copied(prepared: Path) -> None:
    dataset = ObjectDetection().open(prepared)
    one = dataset.batch(np.array([1]))["images"]
    assert one.shape == (1, 3, SIDE, SIDE)
    assert one.flags.c_contiguous
    assert np.shares_memory(one, dataset.images)
    assert np.array_equal(dataset.batch(np.array([2, 1, 2]))["images"], dataset.images[[2, 1, 2]])
    dataset.load([0, 1, 2])
    assert dataset.lengths.tolist() == [1, 1, 1]


def test_a_row_is_what_the_reference_logs(prepared: Path) -> None:
    dataset = ObjectDetection().open(prepared)
    (row,) = dataset.respond(np.array([2]), outputs([(7, 40, 20, 80, 60)]))
    assert row.dtype == np.float32
    # sample, ymin, xmin, ymax, xmax in shares of the picture, score, label
    assert row.tolist() == [pytest.approx([2.0, 0.1, 0.1, 0.4, 0.3, 0.9, 7.0])]


def test_low_scores_are_no_detections(prepared: Path) -> None:
    dataset = ObjectDetection().open(prepared)
    found = outputs(THINGS[1])
    found["scores"] = np.array([0.05, 0.0499], np.float32)
    (row,) = dataset.respond(np.array([0]), found)
    assert row[:, 6].tolist() == [1.0]
    (nothing,) = dataset.respond(np.array([0]), outputs([]))
    assert nothing.shape == (0, 7)
    assert nothing.nbytes == 0


def test_a_batch_has_rows_of_different_lengths(prepared: Path) -> None:
    dataset = ObjectDetection().open(prepared)
    found = {
        "boxes": np.zeros((2, 3, 4), np.float32),
        "scores": np.array([[0.9, 0.8, 0.7], [0.6, 0.0, 0.0]], np.float32),
        "labels": np.ones((2, 3), np.int64),
    }
    rows = dataset.respond(np.array([2, 0]), found)
    assert [len(row) for row in rows] == [3, 1]
    assert [row[0, 0] for row in rows] == [2.0, 0.0]


@pytest.mark.parametrize(
    ("samples", "changed", "words"),
    [
        ([0], {"labels": None}, "labels is missing"),
        ([0], {"boxes": np.zeros((2, 5))}, r"boxes \[2, 5\]"),
        ([0], {"scores": np.zeros(3)}, r"scores \[3\]"),
        ([0, 1], {}, "for 2 pictures"),
    ],
)
def test_outputs_that_do_not_fit(prepared: Path, samples: list[int], changed: dict[str, Any], words: str) -> None:
    found = {name: value for name, value in (outputs(THINGS[1]) | changed).items() if value is not None}
    with pytest.raises(BadResultError, match=words):
        ObjectDetection().open(prepared).respond(np.array(samples), found)


def test_samples_that_do_not_exist(prepared: Path) -> None:
    with pytest.raises(InputError, match="sample 3 does not exist"):
        ObjectDetection().open(prepared).batch(np.array([0, 3]))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("recipe.json", b"", "cannot be read"),
        ("recipe.json", b'{"version": 0}', "prepared by recipe 0"),
        ("recipe.json", b'{"version": 1, "images": 4, "side": 100, "type": "float32"}', r"says float32 \[4, 3, 100"),
        ("recipe.json", b'{"version": 1, "images": 3, "side": 100, "type": "uint8"}', "is float32"),
        ("images.npy", b"\x93NUMPY", "cannot be mapped"),
    ],
)
def test_folders_that_are_not_prepared(prepared: Path, name: str, content: bytes, words: str) -> None:
    (prepared / name).write_bytes(content)
    with pytest.raises(NotReadyError, match=words):
        ObjectDetection().open(prepared)


def test_a_perfect_model_has_all(prepared: Path, write_log: Any) -> None:
    workload = ObjectDetection()
    accuracy = workload.accuracy(prepared, write_log(answers(workload.open(prepared))))
    assert (accuracy.metric, accuracy.samples, accuracy.total) == ("mAP", 3, 3)
    assert accuracy.value == pytest.approx(100)
    assert "AP_small" not in accuracy.values, "no picture has anything small"
    lines = accuracy.text.splitlines()
    assert len(lines) == 13
    assert lines[0].startswith(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000")
    assert lines[-1] == "mAP=100.000%"


def test_pictures_that_are_not_in_the_log_do_not_count(prepared: Path, write_log: Any) -> None:
    workload = ObjectDetection()
    every = answers(workload.open(prepared))
    missed = [(0, b""), *every[1:]]
    assert workload.accuracy(prepared, write_log(missed)).value < 60
    accuracy = workload.accuracy(prepared, write_log(missed[1:]))
    assert (accuracy.samples, accuracy.total) == (2, 3)
    assert accuracy.value == pytest.approx(100)


def test_a_model_that_finds_nothing(prepared: Path, write_log: Any) -> None:
    accuracy = ObjectDetection().accuracy(prepared, write_log([(0, b""), (1, b""), (2, b"")]))
    assert accuracy.line == "mAP=0.000%"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([1.0], "has 4 bytes"),
        ([0, 0, 0, 1, 1, float("nan"), 1], "NaN"),
        ([2, 0, 0, 1, 1, 0.5, 1], "says that it is of sample 2"),
    ],
)
def test_responses_that_are_wrong(prepared: Path, write_log: Any, row: list[float], words: str) -> None:
    with pytest.raises(BadResultError, match=words):
        ObjectDetection().accuracy(prepared, write_log([(0, np.array(row, "<f4").tobytes())]))


def test_numbers_are_those_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random boxes against an average precision of our own: 101 recalls, ten overlaps, mean over categories."""
    draw = np.random.default_rng(5)
    known, found = truth(), []
    known["annotations"] = []
    for image in THINGS:
        for number in range(4):
            x, y = draw.integers(0, 200), draw.integers(0, 100)
            width, height = draw.integers(30, 150), draw.integers(30, 90)
            kind = int(draw.integers(1, 3))
            box = [int(x), int(y), int(width), int(height)]
            thing = {"id": len(known["annotations"]) + 1, "image_id": image, "category_id": kind, "bbox": box}
            known["annotations"].append({**thing, "area": box[2] * box[3], "iscrowd": 0})
            moved = np.array([x, y, width, height]) + draw.integers(-9, 10, 4)
            found.append([image, *moved, draw.random(), kind])
            if number % 2:
                found.append([image, *draw.integers(1, 100, 4), draw.random(), kind])
    values, _ = evaluate(known, np.array(found, float), list(THINGS))
    assert values["mAP"] == pytest.approx(100 * mean_average_precision(known, found, np.arange(0.5, 1, 0.05)))
    assert values["AP50"] == pytest.approx(100 * mean_average_precision(known, found, np.array([0.5])))
    assert 10 < values["mAP"] < values["AP50"] < 100
    monkeypatch.setattr(precision, "_CATEGORIES", 1)
    assert evaluate(known, np.array(found, float), list(THINGS))[0] == values


def mean_average_precision(known: dict[str, Any], found: list[list[float]], overlaps: np.ndarray) -> float:
    precisions = []
    for kind in (1, 2):
        things = [thing for thing in known["annotations"] if thing["category_id"] == kind]
        ranked = sorted((row for row in found if row[6] == kind), key=lambda row: -row[5])
        for least in overlaps:
            taken, hits = set(), []
            for image, *box, _, _ in ranked:
                shares = {
                    thing["id"]: overlap(box, thing["bbox"])
                    for thing in things
                    if thing["image_id"] == image and thing["id"] not in taken
                }
                best = max(shares, key=lambda name: shares[name], default=None)
                hits.append(best is not None and shares[best] >= least)
                taken |= {best} if hits[-1] else set()
            right = np.cumsum(hits)
            recall, precision = right / len(things), right / np.arange(1, len(hits) + 1)
            at = [precision[recall >= level].max(initial=0) for level in np.linspace(0, 1, 101)]
            precisions.append(np.mean(at))
    return float(np.mean(precisions))


def overlap(one: list[float], other: list[float]) -> float:
    across = max(0, min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0]))
    down = max(0, min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1]))
    both = across * down
    return both / (one[2] * one[3] + other[2] * other[3] - both)
