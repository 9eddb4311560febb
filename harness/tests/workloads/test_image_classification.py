"""Pictures become a model's input exactly as MLPerf's reference makes it; answers become its accuracy."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from loadfleet import catalogue
from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.workloads import load
from loadfleet.workloads.image_classification import photos, prepare, qt_resources, resize
from loadfleet.workloads.image_classification.preprocessing import Recipe

if TYPE_CHECKING:
    from pathlib import Path

RECIPE: dict[str, Any] = {
    "resolution": 8,
    "resize": {"method": "area", "shorter": 9, "longer": "down"},
    "normalise": [{"subtract": [123.68, 116.78, 103.94]}],
    "layout": "NCHW",
}


def picture(rows: int, columns: int) -> np.ndarray:
    values = (np.arange(rows * columns * 3, dtype=np.int64) ** 2 * 7919 // 13) % 251
    return values.astype(np.uint8).reshape(rows, columns, 3)


# What cv2.resize of OpenCV 4.8.1 and 5.0.0 makes of the picture above: the begin of the SHA-256 of its bytes.
@pytest.mark.parametrize(
    ("method", "rows", "columns", "height", "width", "digest"),
    [
        ("area", 375, 500, 224, 298, "45750a545f4b83a2"),
        ("linear", 375, 500, 224, 298, "878f6a0231d79a22"),
        ("area", 500, 375, 128, 96, "ee4f41f8dd1c44b5"),
        ("linear", 500, 375, 128, 96, "0cb4201d85257661"),
        ("area", 64, 96, 224, 336, "02640b6870d45098"),
        ("linear", 64, 96, 224, 336, "14460c45c7797bf0"),
        ("area", 180, 240, 224, 298, "57c4ae3e5706cab3"),
        ("linear", 180, 240, 224, 298, "7c6eb2e5e75e6e1d"),
        ("area", 448, 448, 224, 224, "f2c19fea62ffce14"),
        ("linear", 448, 448, 224, 224, "f2c19fea62ffce14"),
        ("area", 448, 448, 96, 96, "dac3671820682e82"),
    ],
)
def test_resizing_is_that_of_opencv(method: str, rows: int, columns: int, height: int, width: int, digest: str) -> None:
    resized = resize.METHODS[method](picture(rows, columns), width, height)
    assert hashlib.sha256(resized.tobytes()).hexdigest()[:16] == digest


def test_the_middle_is_cut_out_and_steps_are_taken_in_their_order() -> None:
    plain = Image.fromarray(picture(9, 12))  # nothing to resize: the shorter side is what the recipe asks for
    result = Recipe.of(RECIPE).apply(plain)
    expected = picture(9, 12)[0:8, 2:10].astype(np.float32) - np.array([123.68, 116.78, 103.94], np.float32)
    assert np.array_equal(result, expected.transpose(2, 0, 1))
    assert result.flags.c_contiguous

    changed = RECIPE | {"layout": "NHWC", "channels": "BGR", "normalise": [{"divide": 255}, {"subtract": 0.5}]}
    expected = picture(9, 12)[0:8, 2:10, ::-1].astype(np.float32) / np.float32(255) - np.float32(0.5)
    assert np.array_equal(Recipe.of(changed).apply(plain), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layout": "CHWN"}, "layout of a recipe is 'CHWN'"),
        ({"normalise": [{"power": 2}]}, "normalise of a recipe is 'power'"),
        ({"resize": {"method": "area", "shorter": 7, "longer": "down"}}, "shorter of a recipe is 7"),
        ({"resize": {"method": "area"}}, "cannot be used"),
    ],
)
def test_a_recipe_without_a_rule_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Recipe.of(RECIPE | change)


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (20, 10), (shade, shade, shade)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three pictures of one shade each, and their labels in another order than their names."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png(40 * number))
    (folder / "val_map.txt").write_text("2.png 7\n0.png 999\n1.png 0\n")
    return folder


def parameters(**changes: Any) -> dict[str, Any]:
    return {"pictures": "raw", "labels": "raw/val_map.txt", "samples": 3, "recipe": RECIPE} | changes


def built(raw: Path, output: Path, **changes: Any) -> Path:
    output.mkdir(exist_ok=True)
    prepare.build({"raw": raw}, output, parameters(**changes))
    return output


def test_samples_are_in_the_order_of_the_labels(raw: Path, tmp_path: Path) -> None:
    dataset = load("resnet50").open(built(raw, tmp_path / "prepared"))
    assert dataset.count == 3
    batch = dataset.batch(np.array([2, 0], np.int64))["image"]
    assert batch.shape == (2, 3, 8, 8)
    assert batch.dtype == np.float32
    assert batch[:, 0, 0, 0].tolist() == [pytest.approx(40 - 123.68), pytest.approx(80 - 123.68)]
    neighbours = dataset.batch(np.array([1, 2], np.int64))["image"]
    assert neighbours.base is not None, "neighbours are not copied"
    assert neighbours[:, 0, 0, 0].tolist() == [pytest.approx(-123.68), pytest.approx(40 - 123.68)]
    dataset.load([0, 2])
    with pytest.raises(InputError, match=r"the data set has 0 \.\. 2"):
        dataset.batch(np.array([3], np.int64))


def test_pictures_come_out_of_an_archive_in_any_order(raw: Path, tmp_path: Path) -> None:
    archive = raw / "pictures.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("1.png", "val_map.txt", "2.png", "0.png"):
            tar.add(raw / name, f"some/folder/{name}")
    one = built(raw, tmp_path / "one", pictures="raw/pictures.tar")
    two = built(raw, tmp_path / "two")
    assert (one / "images.npy").read_bytes() == (two / "images.npy").read_bytes()


def damage_archive(raw: Path) -> dict[str, Any]:
    archive = raw / "pictures.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("0.png", "1.png", "2.png"):
            tar.add(raw / name, name)
    archive.write_bytes(archive.read_bytes()[:700])
    return {"pictures": "raw/pictures.tar"}


def damage_picture(raw: Path) -> dict[str, Any]:
    (raw / "1.png").write_bytes(png(1)[:50])
    return {}


def lose_picture(raw: Path) -> dict[str, Any]:
    (raw / "0.png").unlink()
    return {}


def lose_label(raw: Path) -> dict[str, Any]:
    (raw / "val_map.txt").write_text("2.png 7\n1.png 0\n")
    return {}


def break_label(raw: Path) -> dict[str, Any]:
    (raw / "val_map.txt").write_text("2.png 7\n0.png cat\n1.png 0\n")
    return {}


def repeat_label(raw: Path) -> dict[str, Any]:
    (raw / "val_map.txt").write_text("2.png 7\n2.png 8\n1.png 0\n")
    return {}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_archive, "damaged, cut off"),
        (damage_picture, "the picture 1.png cannot be read"),
        (lose_picture, "lacks 1 of 3 labelled pictures: 0.png is the first"),
        (lose_label, "has 2 labels, expected 3"),
        (break_label, "line 2: expected NAME CLASS .*'0.png cat'"),
        (repeat_label, "a name stands there twice"),
    ],
)
def test_damaged_raw_data_is_named(damage: Any, words: str, raw: Path, tmp_path: Path) -> None:
    changes = damage(raw)
    with pytest.raises(NotReadyError, match=words):
        built(raw, tmp_path / "prepared", **changes)


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [
        ({"label": np.array([5, 999], np.int64)}, [5, 999]),
        ({"label_after_background": np.array([1, 0], np.int32)}, [0, -1]),
        ({"scores": np.eye(2, 1000, 3, np.float32)}, [3, 4]),
        ({"scores": np.eye(2, 1001, 3, np.float32)}, [2, 3]),
    ],
)
def test_a_response_is_one_float32_label(
    outputs: dict[str, np.ndarray], labels: list[float], raw: Path, tmp_path: Path
) -> None:
    dataset = load("resnet50").open(built(raw, tmp_path / "prepared"))
    rows = dataset.respond(np.array([0, 1], np.int64), outputs)
    assert isinstance(rows, np.ndarray)
    assert (rows.dtype, rows.tolist()) == (np.float32, labels)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"boxes": np.zeros(2)}, "gave boxes, none of label"),
        ({"label": np.zeros((2, 1))}, r"label has shape \[2, 1\], expected \[2\]"),
        ({"scores": np.zeros((2, 10))}, r"scores has shape \[2, 10\], expected \[2, 1000\] or \[2, 1001\]"),
    ],
)
def test_a_model_that_answers_otherwise_is_refused(
    outputs: dict[str, np.ndarray], words: str, raw: Path, tmp_path: Path
) -> None:
    dataset = load("resnet50").open(built(raw, tmp_path / "prepared"))
    with pytest.raises(BadResultError, match=words):
        dataset.respond(np.array([0, 1], np.int64), outputs)


def log(path: Path, *labels: tuple[int, bytes]) -> Path:
    entries = [json.dumps({"seq_id": 0, "qsl_idx": index, "data": data.hex().upper()}) for index, data in labels]
    path.write_text("[\n" + ",\n".join(entries) + "\n]\n")
    return path


def test_accuracy_counts_the_first_answer_to_each_sample(raw: Path, tmp_path: Path) -> None:
    prepared = built(raw, tmp_path / "prepared")
    answers = [(0, 7.0), (1, 998.0), (2, 0.0), (1, 999.0)]
    path = log(tmp_path / "log.json", *((index, struct.pack("<f", label)) for index, label in answers))
    found = load("resnet50").accuracy(prepared, path)
    assert (found.metric, found.line) == ("acc", "accuracy=66.667%, good=2, total=3")
    assert (found.samples, found.total) == (3, 3)
    assert found.value == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (struct.pack("<q", 7), "has 8 bytes, expected 4"),
        (struct.pack("<f", 7.5), "is 7.5, no class"),
        (struct.pack("<f", 1000), "is 1000, no class"),
        (struct.pack("<f", float("nan")), "is nan, no class"),
    ],
)
def test_a_response_that_is_no_class_is_refused(data: bytes, words: str, raw: Path, tmp_path: Path) -> None:
    prepared = built(raw, tmp_path / "prepared")
    with pytest.raises(BadResultError, match=words):
        load("resnet50").accuracy(prepared, log(tmp_path / "log.json", (0, data)))


def resource(files: dict[str, bytes], *, compressed: bool) -> bytes:
    """A Qt resource of version 1 with files in its root."""
    names, contents, nodes = b"", b"", struct.pack(">IHII", 0, 2, len(files), 1)
    for name, data in files.items():
        packed = struct.pack(">I", len(data)) + zlib.compress(data) if compressed else data
        nodes += struct.pack(">IHII", len(names), int(compressed), 0, len(contents))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        contents += struct.pack(">I", len(packed)) + packed
    head = struct.pack(">4sIIII", b"qres", 1, 20, 20 + len(nodes), 20 + len(nodes) + len(contents))
    return head + nodes + contents + names


@pytest.mark.parametrize("compressed", [False, True])
def test_files_of_a_qt_resource(compressed: bool) -> None:
    files = {"a.webp": b"one", "ä.png": b"two" * 100}
    found = dict(qt_resources.files(resource(files, compressed=compressed), "it"))
    assert found == {f"/{name}": data for name, data in files.items()}


@pytest.mark.parametrize(
    "data", [b"", b"qres", resource({"a": b"x" * 50}, compressed=True)[:-20], b"PK" + resource({}, compressed=False)]
)
def test_a_damaged_qt_resource(data: bytes) -> None:
    with pytest.raises(NotReadyError, match="it is no Qt resource"):
        list(qt_resources.files(data, "it"))


def test_photos_are_gathered_from_packages(tmp_path: Path) -> None:
    for name in ("plain", "qt"):
        (tmp_path / name).mkdir()
    cut_out = io.BytesIO()
    Image.new("RGBA", (40, 20), (10, 20, 30, 255)).save(cut_out, "PNG")
    with tarfile.open(tmp_path / "plain/it.tar", "w") as tar:
        tar.addfile(member := tarfile.TarInfo("stamps/a/b.png"), None)
        member.size = len(cut_out.getvalue())
    with tarfile.open(tmp_path / "plain/it.tar", "w") as tar:
        tar.addfile(member, io.BytesIO(cut_out.getvalue()))
    data = resource({"c.png": png(5), "README": b"nothing"}, compressed=False)
    with tarfile.open(tmp_path / "qt/it.tar", "w") as tar:
        member = tarfile.TarInfo("share/x.rcc")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    sets = [
        {"package": "qt/it.tar", "resources": True, "below": "/", "photos": {"c.png": 3}},
        {"package": "plain/it.tar", "below": "stamps/", "cut_outs": True, "photos": {"a/b.png": 4}},
    ]
    output = tmp_path / "out"
    output.mkdir()
    photos.gather({"qt": tmp_path / "qt", "plain": tmp_path / "plain"}, output, {"sets": sets})
    assert (output / "val_map.txt").read_text() == "qt-c.png 3\nplain-a-b.png 4\n"
    assert (output / "qt-c.png").read_bytes() == png(5)
    framed = np.asarray(Image.open(output / "plain-a-b.png"))
    assert framed.shape == (46, 46, 3)
    assert framed[0, 0].tolist() == [255, 255, 255]
    assert framed[23, 23].tolist() == [10, 20, 30]
    sets[0]["photos"] = {"d.png": 1}
    with pytest.raises(NotReadyError, match=r"qt/it.tar lacks 1 of 1 photos: /d.png is the first"):
        photos.gather({"qt": tmp_path / "qt", "plain": tmp_path / "plain"}, output, {"sets": sets})


def test_the_embedded_photos_can_be_prepared(tmp_path: Path) -> None:
    entry = catalogue.get("dataset", "photos-30-efficientnet-lite0").data
    parts = entry["artifact"]["build"]["parameters"]
    folder = catalogue.get("dataset", "photos-30").path.parents[3] / "embedded/classification-photos"
    assert len(prepare.read_labels(folder / "val_map.txt", 30).names) == 30
    wide = dict.fromkeys(("photos-30",), folder)
    prepare.build(wide, tmp_path, parts)
    dataset = load("resnet50").open(tmp_path)
    assert dataset.batch(np.array([29], np.int64))["image"].shape == (1, 3, 224, 224)
