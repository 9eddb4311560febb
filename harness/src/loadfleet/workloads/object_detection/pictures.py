"""From pictures and their annotations to flat arrays, as MLPerf's reference implementation prepares them.

Its steps (inference repository, vision/classification_and_detection/python/dataset.py, what retinanet uses): decode to
RGB, float32, stretch to a square by bilinear interpolation without smoothing, divide by 255, channels first. None of it
is timed: MLPerf's rules leave resizing, reordering, normalisation and the conversion of number formats out of the
measurement, so all of it is done here, once. The type `uint8` keeps a quarter of the bytes; it rounds each number to a
step of 1/255 and leaves one division to the measured time.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import InputError
from loadfleet.store import archives
from loadfleet.workloads.object_detection import collages
from loadfleet.workloads.object_detection.dataset import FORM, TYPES
from loadfleet.workloads.prepared import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_AT_A_TIME = 16  # pictures in work: 200 MB
_KEYS = {
    "images": ("id", "file_name", "height", "width"),
    "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd"),
    "categories": ("id", "name"),
}


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write a prepared folder (see `dataset`).

    Args:
        inputs: Folders of the store entries that are required, by name.
        output: Existing folder to write to.
        parameters: `annotations` ("entry/file", JSON in COCO's format, or a zip that holds it alone); `pictures` (an
            entry whose files they are, or "entry/file" of an archive that holds them, in whatever folder); `side`;
            `type` (float32 or uint8); optional `collages` (`number`, `seed`), pictures made of the others and added.

    Raises:
        InputError: A parameter is missing or impossible; annotations that are none; a picture that is missing, broken
            or of another size than its annotations say.
    """
    try:
        truth = read_annotations(_input(inputs, str(parameters["annotations"])))
        source = _input(inputs, str(parameters["pictures"]))
        side, wanted = int(parameters["side"]), parameters.get("collages")
        kind: np.dtype[Any] = TYPES[parameters["type"]]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"preparing pictures: parameter missing or wrong: {error}") from error
    more = int(wanted["number"]) if wanted else 0
    shape = (len(truth["images"]) + more, 3, side, side)
    images = np.lib.format.open_memmap(output / "images.npy", mode="w+", dtype=kind, shape=shape)
    kept: dict[int, NDArray[np.uint8]] = {}

    def prepare(index: int, data: bytes) -> None:
        picture = _decoded(truth, index, data)
        images[index] = prepared(picture, side, kind)
        if wanted:
            kept[index] = picture

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for group in _groups(truth, source):
            list(pool.map(prepare, *zip(*group, strict=True)))
    if wanted:
        made, truth = collages.add(truth, kept, number=more, seed=int(wanted["seed"]))
        for index, picture in enumerate(made, start=len(kept)):
            images[index] = prepared(picture, side, kind)
    images.flush()
    write_json(output / "annotations.json", truth)
    recipe = {"version": FORM.version, "images": shape[0], "side": side, "type": kind.name}
    write_json(output / "recipe.json", recipe)


def prepared(picture: NDArray[np.uint8], side: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """[3, side, side] of a picture [height, width, 3]: in 0..1 for float32, in 0..255 for uint8."""
    stretched = stretch(picture.astype(np.float32), side)
    values = np.rint(stretched) if kind == np.uint8 else stretched / np.float32(255)
    return values.astype(kind, copy=False).transpose(2, 0, 1)


def stretch(picture: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A square of a picture [height, width, channels], bilinear: pixel centres at halves, edges repeated, no smoothing.

    What OpenCV's INTER_LINEAR computes on single precision.
    """
    for axis in (1, 0):
        size = picture.shape[axis]
        if size == side:
            continue
        place = (np.arange(side, dtype=np.float64) + 0.5) * (size / side) - 0.5
        low = np.clip(np.floor(place).astype(np.int64), 0, size - 1)
        high = np.minimum(low + 1, size - 1)
        share = np.clip(place - low, 0, 1).astype(np.float32)
        share = share[:, None, None] if axis == 0 else share[None, :, None]
        picture = picture.take(low, axis) * (1 - share) + picture.take(high, axis) * share
    return picture


def decode(data: bytes) -> NDArray[np.uint8]:
    """uint8 [height, width, 3], RGB, turned as its camera was held.

    Raises:
        OSError: These are no bytes of a whole picture.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415  only when pictures are prepared

    try:
        with Image.open(io.BytesIO(data)) as opened:
            return np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what Pillow raises for broken files
        raise OSError(str(error)) from error


def read_annotations(path: Path) -> dict[str, Any]:
    """Annotations in COCO's format, checked as far as this workload reads them.

    Raises:
        InputError: The file is no such thing; says where.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                (name,) = (name for name in packed.namelist() if name.endswith(".json") and "__MACOSX" not in name)
                text = packed.read(name).decode()
        else:
            text = path.read_text(encoding="utf-8")
        truth: dict[str, Any] = json.loads(text)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no annotations in COCO's format: {error}", fix="supply the right file") from error
    for part, keys in _KEYS.items():
        entries = truth.get(part) if isinstance(truth, dict) else None
        if not isinstance(entries, list) or (part != "annotations" and not entries):
            raise InputError(f"{path}: no annotations in COCO's format: it has no list {part!r}")
        for number, entry in enumerate(entries):
            lacks = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if lacks:
                raise InputError(f"{path}: entry {number} of {part!r} has no {', '.join(lacks)}")
    _check_references(path, truth)
    return truth


def _check_references(path: Path, truth: Mapping[str, Any]) -> None:
    """Annotations name pictures and categories that exist; file names are unique."""
    pictures = {image["id"] for image in truth["images"]}
    categories = {category["id"] for category in truth["categories"]}
    names = [PurePosixPath(image["file_name"]).name for image in truth["images"]]
    if len(set(names)) < len(names) or len(pictures) < len(names):
        raise InputError(f"{path}: two pictures have the same id or file name")
    for number, annotation in enumerate(truth["annotations"]):
        for key, known in (("image_id", pictures), ("category_id", categories)):
            if annotation[key] not in known:
                raise InputError(f"{path}: annotation {number} has {key} {annotation[key]!r}, which is not in the file")
        box = annotation["bbox"]
        if not (isinstance(box, list) and len(box) == 4 and all(isinstance(side, int | float) for side in box)):
            raise InputError(f"{path}: annotation {number} has bbox {box!r}; expected xmin, ymin, width, height")


def _groups(truth: Mapping[str, Any], source: Path) -> Iterator[list[tuple[int, bytes]]]:
    """Sample and compressed picture, a few at a time, in the order of the source.

    Raises:
        InputError: Pictures are missing, or the archive is broken.
    """
    missing = {PurePosixPath(image["file_name"]).name: index for index, image in enumerate(truth["images"])}
    group: list[tuple[int, bytes]] = []
    for name, read in _files(source):
        if name in missing:
            group.append((missing.pop(name), read()))
        if len(group) == _AT_A_TIME:
            yield group
            group = []
    if missing:
        first = ", ".join(sorted(missing)[:3])
        raise InputError(
            f"{source}: {len(missing):,} of {len(truth['images']):,} pictures are missing: {first}"
            f"{', ...' if len(missing) > 3 else ''}",
            fix="supply all pictures that the annotations name",
        )
    if group:
        yield group


def _files(source: Path) -> Iterator[tuple[str, Any]]:
    """Name, and a function that reads the content, of every file in a folder or an archive."""
    if source.is_dir():
        for path in sorted(source.iterdir()):
            yield path.name, path.read_bytes
        return
    try:
        for member in archives.members(source):
            if member.plain:
                yield PurePosixPath(member.name).name, member.read
    except archives.ArchiveError as error:
        raise InputError(f"{source}: {error}", fix="supply the archive again") from error


def _decoded(truth: Mapping[str, Any], index: int, data: bytes) -> NDArray[np.uint8]:
    image = truth["images"][index]
    try:
        picture = decode(data)
    except OSError as error:
        raise InputError(f"the picture {image['file_name']} is broken: {error}", fix="supply it again") from error
    if picture.shape[:2] != (image["height"], image["width"]):
        raise InputError(
            f"the picture {image['file_name']} is {picture.shape[1]} x {picture.shape[0]} pixels, "
            f"its annotations are for {image['width']} x {image['height']}",
            fix="supply the picture that was annotated, not a scaled one",
        )
    return picture


def _input(inputs: Mapping[str, Path], reference: str) -> Path:
    entry, _, name = reference.partition("/")
    if entry not in inputs:
        raise InputError(
            f"preparing pictures: {reference!r} names no required entry ({', '.join(sorted(inputs))})",
            fix="write it as entry or entry/file, and list the entry under requires",
        )
    return Path(inputs[entry]) / name
