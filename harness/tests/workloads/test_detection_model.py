"""The embedded detector, on photos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from safetensors.numpy import load_file, save_file
from workload_helpers import EMBEDDED

from loadfleet import catalogue, files
from loadfleet.errors import InputError
from loadfleet.workloads.object_detection import ObjectDetection, model, pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

PHOTOS = EMBEDDED / "detection-photos"
OUTPUTS = ("boxes", "scores", "labels")


@pytest.fixture(scope="session")
def declared() -> Mapping[str, Any]:
    return catalogue.get("model", "ssd-mobilenetv2-openimages").data


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, declared: Mapping[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    model.build({}, folder, declared["artifact"]["build"]["parameters"])
    return folder / "model.onnx"


def test_the_graph_is_the_catalogues(built: Path, declared: Mapping[str, Any]) -> None:
    onnx.checker.check_model(str(built), full_check=True)
    (file,) = declared["artifact"]["files"]
    assert (files.sha256(built), built.stat().st_size) == (file["sha256"], file["size"])
    session = ort.InferenceSession(str(built))
    assert [(value.name, value.shape) for value in session.get_inputs()] == [("images", [1, 3, 800, 800])]
    assert [value.name for value in session.get_outputs()] == list(OUTPUTS)


def test_anchors_cover_the_picture() -> None:
    known = model.anchors(300)
    assert known.shape == (1917, 4)
    assert known[:, :2].min() == pytest.approx(0.5 / 19)
    assert known[:, :2].max() == pytest.approx(18.5 / 19)
    narrow, wide = 0.2 / 2**0.5, 0.2 * 2**0.5
    assert known[:3, 2:].ravel().tolist() == pytest.approx([0.1, 0.1, narrow, wide, wide, narrow])


def test_the_model_finds_what_is_in_photos(built: Path, tmp_path: Path, write_log: Any) -> None:
    """The first five photos: what other code, with other boxes and another evaluation, measured within half a point."""
    known = json.loads((PHOTOS / "annotations.json").read_text())
    known["images"] = known["images"][:5]
    known["annotations"] = [each for each in known["annotations"] if each["image_id"] <= 5]
    (tmp_path / "notes.json").write_text(json.dumps(known))
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    parameters = {"annotations": "notes/notes.json", "pictures": "photos", "side": 800, "type": "float32"}
    pictures.build({"notes": tmp_path, "photos": PHOTOS}, prepared, parameters)
    workload = ObjectDetection()
    dataset = workload.open(prepared)
    session = ort.InferenceSession(str(built))
    answers = []
    for index in range(dataset.count):
        sample = np.array([index])
        outputs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), dataset.batch(sample)), strict=True))
        assert (np.diff(outputs["scores"]) <= 0).all()
        answers.append((index, dataset.respond(sample, outputs)[0].tobytes()))
    accuracy = workload.accuracy(prepared, write_log(answers))
    assert accuracy.value == pytest.approx(73.82, abs=0.1)
    assert accuracy.values["AP50"] == pytest.approx(97.8, abs=0.1)


def _changed(folder: Path, change: Any) -> Path:
    from safetensors import safe_open  # noqa: PLC0415

    source = EMBEDDED / "ssd-mobilenetv2-openimages.safetensors"
    with safe_open(source, "numpy") as stored:
        metadata = dict(stored.metadata())
    tensors = load_file(source)
    change(tensors, metadata)
    save_file(tensors, folder / "changed.safetensors", metadata)
    return folder / "changed.safetensors"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors, _: tensors.pop("layer07.bias") is None, "layer07.bias"),
        (lambda tensors, _: tensors.update(more=tensors["layer00.bias"]), "more"),
        (lambda _, metadata: metadata.pop("loadfleet") is None, "no weights of this layout"),
    ],
)
def test_weights_that_are_wrong(tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        model.read_weights(_changed(tmp_path, change))


def test_weights_that_are_none(tmp_path: Path) -> None:
    shutil.copyfile(Path(__file__), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="no weights of this layout"):
        model.read_weights(tmp_path / "weights.safetensors")


def test_parameters_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'side'"):
        model.build({}, tmp_path, {"weights": "x", "score_threshold": 0.1, "overlap": 0.5})
