"""Labelled pictures -> `images.npy`, `labels.npy`, `names.txt`, `recipe.json`: what cells use.

The order of the samples is that of the list of labels, a text with a line `NAME CLASS` for each picture (MLPerf's
val_map.txt, Caffe's val.txt). The pictures lie in a folder, or in a tar archive, which is read once from end to end.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import archives
from loadfleet.workloads.image_classification.dataset import CLASSES, LAYOUT_VERSION
from loadfleet.workloads.image_classification.preprocessing import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_AGAIN = "get the file again; `loadfleet cache rm` removes the damaged entry"


@dataclass(frozen=True)
class Labelled:
    """The list of labels: names in the order of the samples, and their classes."""

    names: tuple[str, ...]
    classes: NDArray[np.int32]


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Build entry point of the store.

    Args:
        inputs: Folders of the required entries.
        output: Where the files are written.
        parameters: `pictures` (an entry's name, or `entry/file` for an archive), `labels` (`entry/file`), `samples`
            (how many there must be), `recipe` (see `preprocessing`).

    Raises:
        InputError: The recipe is none.
        NotReadyError: The labels or pictures are damaged or incomplete, or the disk is too small.
    """
    recipe = Recipe.of(parameters["recipe"])
    labelled = read_labels(_inside(inputs, parameters["labels"]), int(parameters["samples"]))
    _room(output, len(labelled.names), recipe)
    images = np.lib.format.open_memmap(
        output / "images.npy", mode="w+", dtype=np.float32, shape=(len(labelled.names), *recipe.shape)
    )
    missing = set(range(len(labelled.names)))
    rows = {PurePosixPath(name).name: row for row, name in enumerate(labelled.names)}
    for row, image in _prepared(recipe, _wanted(_inside(inputs, parameters["pictures"]), rows)):
        images[row] = image
        missing.discard(row)
    if missing:
        raise NotReadyError(
            f"{parameters['pictures']} lacks {len(missing)} of {len(rows)} labelled pictures: "
            f"{labelled.names[min(missing)]} is the first",
            fix=_AGAIN,
        )
    images.flush()
    np.save(output / "labels.npy", labelled.classes)
    (output / "names.txt").write_text("".join(f"{name}\n" for name in labelled.names), encoding="utf-8")
    facts = {"version": LAYOUT_VERSION, "images": len(labelled.names), "recipe": parameters["recipe"]}
    (output / "recipe.json").write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")


def extract(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Build entry point of the store: `members` of an `archive` (`entry/file`), without their folders.

    Raises:
        NotReadyError: The archive is damaged or lacks one.
    """
    archive, wanted = _inside(inputs, parameters["archive"]), set(parameters["members"])
    try:
        for member in archives.members(archive):
            name = PurePosixPath(member.name).name
            if member.plain and name in wanted:
                (output / name).write_bytes(member.read())
                wanted.discard(name)
    except archives.ArchiveError as error:
        raise NotReadyError(f"{archive}: {error}", fix=_AGAIN) from error
    if wanted:
        raise NotReadyError(f"{archive} has no {', '.join(sorted(wanted))}", fix=_AGAIN)


def read_labels(path: Path, samples: int) -> Labelled:
    """The list of labels.

    Raises:
        NotReadyError: It is missing or not text, a line is not `NAME CLASS`, a name is there twice, or the number of
            lines is not `samples`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NotReadyError(f"{path}: the labels cannot be read: {error}", fix=_AGAIN) from error
    names, classes = [], []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) != 2 or not words[1].isdigit() or int(words[1]) >= CLASSES:
            raise NotReadyError(
                f"{path} line {number}: expected NAME CLASS (0..{CLASSES - 1}), found {line!r}", fix=_AGAIN
            )
        names.append(words[0])
        classes.append(int(words[1]))
    if len(names) != samples:
        raise NotReadyError(f"{path}: has {len(names):,} labels, expected {samples:,}", fix=_AGAIN)
    if len({PurePosixPath(name).name for name in names}) != len(names):
        raise NotReadyError(f"{path}: a name stands there twice", fix=_AGAIN)
    return Labelled(tuple(names), np.array(classes, np.int32))


def _inside(inputs: Mapping[str, Path], place: str) -> Path:
    entry, _, file = place.partition("/")
    if entry not in inputs:
        raise InputError(f"{place}: {entry} is not required", fix="add it to `requires` of the catalogue entry")
    return inputs[entry] / file if file else inputs[entry]


def _room(output: Path, count: int, recipe: Recipe) -> None:
    needed, free = count * int(np.prod(recipe.shape)) * 4, shutil.disk_usage(output).free
    if needed > free:
        raise NotReadyError(
            f"the prepared pictures need {needed >> 20:,} MiB, {free >> 20:,} MiB are free below {output}",
            fix="free some space (`loadfleet cache show`), or set store_path to a larger disk",
        )


def _wanted(place: Path, rows: Mapping[str, int]) -> Iterator[tuple[int, str, bytes]]:
    """Row, name and content of each labelled picture of a folder or an archive; others are passed over."""
    if place.is_dir():
        for path in sorted(place.iterdir()):
            if path.name in rows:
                yield rows[path.name], path.name, path.read_bytes()
        return
    try:
        for member in archives.members(place):
            name = PurePosixPath(member.name).name
            if member.plain and name in rows:
                yield rows[name], name, member.read()
    except archives.ArchiveError as error:
        raise NotReadyError(f"{place}: {error}", fix=_AGAIN) from error


def _prepared(recipe: Recipe, pictures: Iterator[tuple[int, str, bytes]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Row and input of each picture; all cores work, and only a few pictures are in memory."""
    cores = len(os.sched_getaffinity(0))
    waiting: deque[tuple[int, Future[NDArray[np.float32]]]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for row, name, data in pictures:
            waiting.append((row, pool.submit(_input, recipe, name, data)))
            while len(waiting) > 4 * cores:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()


def _input(recipe: Recipe, name: str, data: bytes) -> NDArray[np.float32]:
    from PIL import Image, ImageOps  # noqa: PLC0415  only preparing needs it

    try:
        with Image.open(io.BytesIO(data)) as picture:
            # OpenCV, which the reference reads pictures with, turns them as their EXIF says, too.
            return recipe.apply(ImageOps.exif_transpose(picture))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NotReadyError(f"the picture {name} cannot be read: {error}", fix=_AGAIN) from error
