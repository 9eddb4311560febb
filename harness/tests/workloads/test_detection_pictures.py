"""From pictures and annotations to arrays."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from loadfleet.errors import InputError
from loadfleet.workloads.object_detection import ObjectDetection, collages, pictures

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {"b.png": (12, 10), "a.png": (8, 8), "c.png": (5, 9)}  # width and height, in the order of the samples
RED = (200, 10, 30)


def truth() -> dict[str, Any]:
    """Each picture has a red thing at 2, 1, three wide and four high."""
    images = [
        {"id": 10 * number, "file_name": name, "width": width, "height": height}
        for number, (name, (width, height)) in enumerate(SIZES.items(), 1)
    ]
    things = [
        {"id": n, "image_id": 10 * n, "category_id": 7, "bbox": [2, 1, 3, 4], "area": 12, "iscrowd": 0}
        for n in range(1, len(images) + 1)
    ]
    return {"images": images, "annotations": things, "categories": [{"id": 7, "name": "Thing"}]}


def picture(name: str) -> bytes:
    width, height = SIZES[name]
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[1:5, 2:5] = RED
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def inputs(folder: Path, known: dict[str, Any] | None = None, **changed: bytes | None) -> dict[str, Path]:
    """The entries `notes` and `photos`; `changed` replaces pictures, None leaves one out."""
    contents = {name: picture(name) for name in sorted(SIZES)} | {f"{k}.png": v for k, v in changed.items()}
    (folder / "photos").mkdir(parents=True)
    (folder / "notes").mkdir()
    for name, content in contents.items():
        if content is not None:
            (folder / "photos" / name).write_bytes(content)
    (folder / "notes/notes.json").write_text(json.dumps(known or truth()))
    return {"photos": folder / "photos", "notes": folder / "notes"}


def build(folder: Path, given: dict[str, Path], **changed: Any) -> Path:
    output = folder / "prepared"
    output.mkdir(parents=True)
    plain = {"annotations": "notes/notes.json", "pictures": "photos", "side": 6, "type": "float32"}
    pictures.build(given, output, plain | changed)
    return output


def test_stretching_takes_pixel_centres() -> None:
    row = np.array([[[0.0], [1.0]]], np.float32)
    assert pictures.stretch(np.repeat(row, 4, axis=0), 4)[0, :, 0].tolist() == [0.0, 0.25, 0.75, 1.0]
    ramp = np.arange(36, dtype=np.float32).reshape(6, 6, 1)
    assert np.array_equal(pictures.stretch(ramp, 6), ramp)
    # no smoothing: each pixel is a mean of the two in the middle of three
    assert pictures.stretch(ramp, 2)[0, :, 0].tolist() == [7.0, 10.0]


def test_samples_are_in_the_order_of_the_annotations(tmp_path: Path) -> None:
    prepared = build(tmp_path, inputs(tmp_path))
    dataset = ObjectDetection().open(prepared)
    assert (dataset.count, dataset.side) == (3, 6)
    for index, name in enumerate(SIZES):
        pixels = np.asarray(Image.open(io.BytesIO(picture(name))), np.float32)
        expected = pictures.stretch(pixels, 6).transpose(2, 0, 1) / np.float32(255)
        assert np.array_equal(dataset.batch(np.array([index]))["images"][0], expected)


def test_bytes_are_the_same_pictures_rounded(tmp_path: Path) -> None:
    given = inputs(tmp_path)
    exact, rounded = build(tmp_path / "exact", given), build(tmp_path / "rounded", given, type="uint8")
    assert (exact / "images.npy").stat().st_size - 128 == 4 * ((rounded / "images.npy").stat().st_size - 128)
    every = np.arange(3)
    one, other = (ObjectDetection().open(path).batch(every)["images"] for path in (exact, rounded))
    assert other.dtype == np.float32
    assert 0 < np.abs(one - other).max() <= 0.5 / 255 + 1e-7


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_serves_as_a_folder(tmp_path: Path, kind: str) -> None:
    given = inputs(tmp_path)
    plain = build(tmp_path / "plain", given)
    archive = tmp_path / "notes" / f"photos.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path in given["photos"].iterdir():
                packed.write(path, f"validation/{path.name}")
            packed.writestr("validation/other.png", b"not asked for")
    else:
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(given["photos"], "validation")
    other = build(tmp_path / "packed", given, pictures=f"notes/photos.{kind}")
    for name in ("images.npy", "annotations.json", "recipe.json"):
        assert (other / name).read_bytes() == (plain / name).read_bytes()


def test_annotations_may_be_packed(tmp_path: Path) -> None:
    given = inputs(tmp_path)
    with zipfile.ZipFile(given["notes"] / "notes.zip", "w") as packed:
        packed.writestr("annotations.json", json.dumps(truth()))
        packed.writestr("__MACOSX/._annotations.json", b"\0")
    assert pictures.read_annotations(given["notes"] / "notes.zip") == truth()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"a": None}, "1 of 3 pictures are missing: a.png"),
        ({"a": None, "b": None, "c": None}, "3 of 3 pictures are missing: a.png, b.png, c.png"),
        ({"a": b"GIF89a"}, "the picture a.png is broken"),
        ({"a": b""}, "the picture a.png is broken"),
        ({"a": picture("a.png")[:60]}, "the picture a.png is broken"),
        ({"a": picture("c.png")}, "the picture a.png is 5 x 9 pixels, its annotations are for 8 x 8"),
    ],
)
def test_pictures_that_are_wrong(tmp_path: Path, changed: dict[str, bytes | None], words: str) -> None:
    with pytest.raises(InputError) as caught:
        build(tmp_path, inputs(tmp_path, **changed))
    assert words in caught.value.message
    assert caught.value.fix


def _without(part: str, key: str) -> dict[str, Any]:
    known = truth()
    del known[part][1][key]
    return known


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ([], "no list 'images'"),
        ({**truth(), "images": []}, "no list 'images'"),
        ({**truth(), "categories": None}, "no list 'categories'"),
        (_without("images", "height"), "entry 1 of 'images' has no height"),
        (_without("annotations", "area"), "entry 1 of 'annotations' has no area"),
        ({**truth(), "images": truth()["images"][:1] * 3}, "two pictures have the same id or file name"),
        ({**truth(), "categories": [{"id": 8, "name": "x"}]}, "annotation 0 has category_id 7"),
        ({**truth(), "annotations": [{**truth()["annotations"][0], "image_id": 4}]}, "annotation 0 has image_id 4"),
        ({**truth(), "annotations": [{**truth()["annotations"][0], "bbox": [1, 2, 3]}]}, "bbox [1, 2, 3]"),
    ],
)
def test_annotations_that_are_wrong(tmp_path: Path, known: Any, words: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(json.dumps(known))
    with pytest.raises(InputError) as caught:
        pictures.read_annotations(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"PK\x03\x04"])
def test_annotations_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.json").write_bytes(content)
    with pytest.raises(InputError, match="no annotations in COCO's format"):
        pictures.read_annotations(tmp_path / "notes.json")


def test_a_broken_archive(tmp_path: Path) -> None:
    given = inputs(tmp_path)
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as packed:
        packed.add(given["photos"], "validation")
    (given["notes"] / "cut.tar.gz").write_bytes((tmp_path / "whole.tar.gz").read_bytes()[:200])
    with pytest.raises(InputError, match=r"cut\.tar\.gz"):
        build(tmp_path, given, pictures="notes/cut.tar.gz")


@pytest.mark.parametrize("changed", [{"side": "wide"}, {"type": "float64"}, {"pictures": "elsewhere"}])
def test_parameters_that_are_wrong(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="preparing pictures"):
        build(tmp_path, inputs(tmp_path), **changed)


def test_collages_have_exact_boxes() -> None:
    """The red thing of each picture is where the box says, to a pixel."""
    big = {0: np.full((300, 400, 3), 90, np.uint8), 1: np.full((500, 300, 3), 40, np.uint8)}
    for pixels in big.values():
        pixels[50:150, 100:180] = RED
    known = {
        "images": [
            {"id": 1, "file_name": "a", "height": 300, "width": 400},
            {"id": 2, "file_name": "b", "height": 500, "width": 300},
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": n, "bbox": [100, 50, 80, 100], "area": 8000, "iscrowd": 0}
            for n in (1, 2)
        ],
        "categories": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}],
    }
    made, notes = collages.add(known, big, number=6, seed=3)
    again, _ = collages.add(known, big, number=6, seed=3)
    assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=True))
    assert len(notes["images"]) == 8
    found = {image["id"]: [] for image in notes["images"]}
    for each in notes["annotations"]:
        found[each["image_id"]].append(each)
    assert len({each["id"] for each in notes["annotations"]}) == len(notes["annotations"]) == 2 + 12
    for image, pixels in zip(notes["images"][2:], made, strict=True):
        assert pixels.shape == (image["height"], image["width"], 3)
        red = (pixels[:, :, 0] > 150) & (pixels[:, :, 1] < 60)
        for each in found[image["id"]]:
            x, y, width, height = each["bbox"]
            inside = red[round(y) : round(y + height), round(x) : round(x + width)]
            assert inside[1:-1, 1:-1].all()
            red[max(0, round(y) - 1) : round(y + height) + 1, max(0, round(x) - 1) : round(x + width) + 1] = False
        assert not red.any(), "nothing red is outside of the boxes"


def test_collages_follow_the_pictures(tmp_path: Path) -> None:
    prepared = build(tmp_path, inputs(tmp_path), collages={"number": 2, "seed": 1})
    assert ObjectDetection().open(prepared).count == 5
    notes = json.loads((prepared / "annotations.json").read_text())
    assert [image["file_name"] for image in notes["images"]] == [*SIZES, "collage-000", "collage-001"]
