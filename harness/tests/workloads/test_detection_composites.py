"""Composites, made of small packages that look like the real ones."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from loadfleet.errors import InputError, NotReadyError
from loadfleet.workloads.object_detection import composites, pictures

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS: dict[str, Any] = {
    "number": 6,
    "seed": 4,
    "photos": {"package": "photos/photos.tar", "resource": "usr/views.rcc", "ends": "_far.png", "without": ["Art"]},
    "cut_outs": {
        "package": "stamps/stamps.tar",
        "below": "usr/stamps/",
        "things": {"Car": ["car.png"], "Dog": ["dog.png"]},
    },
    "classes": {"Dog": 20, "Car": 23},
}
BLUE, RED, GREEN = (10, 20, 220), (230, 10, 10), (10, 230, 10)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def thing(colour: tuple[int, int, int], width: int, height: int) -> bytes:
    """A full rectangle of a colour with a transparent margin."""
    pixels = np.zeros((height + 20, width + 30, 4), np.uint8)
    pixels[10:-10, 10:-20] = (*colour, 255)
    return png(pixels)


def resource(files: dict[str, bytes]) -> bytes:
    """A Qt resource file, version 1: a folder with plain files."""
    names, contents, nodes = b"\0" * 6, b"", struct.pack(">IHII", 0, 2, len(files), 1)
    for name, content in files.items():
        nodes += struct.pack(">IHII", len(names), 0, 0, len(contents))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        contents += struct.pack(">I", len(content)) + content
    tree = 20
    places = (tree, tree + len(nodes), tree + len(nodes) + len(contents))
    return b"qres" + struct.pack(">IIII", 1, *places) + nodes + contents + names


def package(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir()
    with tarfile.open(path, "w") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path.parent


def inputs(folder: Path, stamps: dict[str, bytes] | None = None) -> dict[str, Path]:
    place = png(np.full((60, 80, 3), BLUE, np.uint8))
    views = {"Castle_far.png": place, "Art_far.png": b"a painting", "Castle_near.png": b"a detail"}
    cars = {"usr/stamps/car.png": thing(RED, 120, 40), "usr/stamps/dog.png": thing(GREEN, 60, 90)}
    return {
        "photos": package(folder / "photos/photos.tar", {"usr/views.rcc": resource(views)}),
        "stamps": package(folder / "stamps/stamps.tar", stamps or cars),
    }


def build(folder: Path, given: dict[str, Path], **changed: Any) -> Path:
    output = folder / "output"
    output.mkdir(exist_ok=True)
    composites.build(given, output, PARAMETERS | changed)
    return output


def test_boxes_are_exact(tmp_path: Path) -> None:
    output = build(tmp_path, inputs(tmp_path))
    truth = pictures.read_annotations(output / "annotations.json")
    assert len(truth["images"]) == 6
    assert {each["category_id"] for each in truth["annotations"]} == {20, 23}
    with zipfile.ZipFile(output / "pictures.zip") as packed:
        for image in truth["images"]:
            pixels = pictures.decode(packed.read(image["file_name"]))
            assert pixels.shape == (image["height"], image["width"], 3) == (600, 800, 3)
            covered = (pixels != BLUE).any(axis=2)
            for each in truth["annotations"]:
                if each["image_id"] == image["id"]:
                    x, y, width, height = each["bbox"]
                    assert covered[y : y + height, x : x + width].mean() > 0.98, "smoothed edges at most"
                    colour = pixels[y + height // 2, x + width // 2]
                    assert tuple(colour) == {20: GREEN, 23: RED}[each["category_id"]]
                    covered[y : y + height, x : x + width] = False
            assert not covered.any(), "nothing is outside of the boxes"


def test_the_same_seed_makes_the_same(tmp_path: Path) -> None:
    given = inputs(tmp_path)
    output = build(tmp_path, given)
    one = {path.name: path.read_bytes() for path in output.iterdir()}
    assert one == {path.name: path.read_bytes() for path in build(tmp_path, given).iterdir()}
    build(tmp_path, given, seed=5)
    assert json.loads(one["annotations.json"]) != json.loads((output / "annotations.json").read_text())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"number": "many"}, "parameter missing or wrong"),
        ({"cut_outs": {**PARAMETERS["cut_outs"], "package": "stamp/stamps.tar"}}, "stamp is not required"),
        ({"classes": {"Dog": 20}}, "Car is not among the classes"),
    ],
)
def test_parameters_that_are_wrong(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build(tmp_path, inputs(tmp_path), **changed)


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        ({"usr/stamps/car.png": b""}, "lacks usr/stamps/dog.png"),
        ({"usr/stamps/car.png": b"no picture", "usr/stamps/dog.png": b""}, "picture car.png cannot be read"),
    ],
)
def test_packages_that_are_wrong(tmp_path: Path, stamps: dict[str, bytes], words: str) -> None:
    with pytest.raises(NotReadyError, match=words):
        build(tmp_path, inputs(tmp_path, stamps))
    with pytest.raises(NotReadyError, match="holds no picture that ends in"):
        build(tmp_path / "output", inputs(tmp_path / "output"), photos={**PARAMETERS["photos"], "ends": ".jpg"})
