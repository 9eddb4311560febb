"""Pictures made of cut-outs on photos, by a seed: the transparency of a cut-out gives its exact box.

Cut-outs and photos come from packages that may not be passed on with the harness; what is made of them stays on the
host. The same packages and seed give the same boxes; everything is integer arithmetic.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import archives
from loadfleet.workloads.image_classification import qt_resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    Found = tuple[str, int, int, int, int]

WIDTH, HEIGHT = 800, 600
_WIDEST, _HIGHEST = (200, 360), 420  # of a cut-out; a picture has one or two, each in a half of its own
_TOP = 100
_VISIBLE = 32  # of 255: what is fainter does not belong to a cut-out


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write `pictures.zip` and `annotations.json` in COCO's format.

    Args:
        inputs: Folders of the required entries.
        output: Existing folder to write to.
        parameters: `photos` (`package`, "entry/file"; `resource`, a Qt resource in it; `ends`, how their names end;
            `without`, words that keep a photo out), `cut_outs` (`package`, `below`, a folder in it, and `things`:
            class -> paths), `classes` (class -> id), `number`, `seed`.

    Raises:
        InputError: A parameter is missing, or names an entry that is not required.
        NotReadyError: A package is damaged, or lacks a picture.
    """
    try:
        photos, cut_outs = parameters["photos"], parameters["cut_outs"]
        packages = [_package(inputs, each["package"]) for each in (photos, cut_outs)]
        number, seed = int(parameters["number"]), int(parameters["seed"])
        ids = {str(name): int(number) for name, number in parameters["classes"].items()}
        places = _photos(packages[0], photos["resource"], photos["ends"], photos["without"])
        things = _cut_outs(packages[1], cut_outs["below"], cut_outs["things"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"making composites: parameter missing or wrong: {error}") from error
    if unknown := sorted(set(things) - set(ids)):
        raise InputError(f"making composites: {', '.join(unknown)} is not among the classes")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with zipfile.ZipFile(output / "pictures.zip", "w") as packed:
        for picture, found in compose(places, things, number=number, seed=seed):
            name = f"{len(images):04d}.png"
            images.append({"id": len(images) + 1, "file_name": name, "height": HEIGHT, "width": WIDTH})
            stream = io.BytesIO()
            picture.save(stream, "PNG", compress_level=1)
            packed.writestr(zipfile.ZipInfo(name), stream.getvalue())
            for kind, left, top, right, bottom in found:
                box = [left, top, right - left, bottom - top]
                known = {"id": len(annotations) + 1, "image_id": len(images), "category_id": ids[kind]}
                annotations.append({**known, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    truth = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }
    (output / "annotations.json").write_text(json.dumps(truth) + "\n", encoding="utf-8", newline="\n")


def compose(
    places: Sequence[Image.Image], things: Mapping[str, Sequence[Image.Image]], *, number: int, seed: int
) -> Iterator[tuple[Image.Image, list[Found]]]:
    """Pictures of 800 x 600, and of what was put into each: class, left, top, right and bottom."""
    draw = random.Random(seed)  # noqa: S311  no secret
    half = WIDTH // 2
    for count in range(number):
        picture = places[count % len(places)].convert("RGB").resize((WIDTH, HEIGHT))
        found: list[Found] = []
        halves = [0, 1]
        draw.shuffle(halves)
        for side in halves[: draw.choice((1, 2))]:
            kind = draw.choice(sorted(things))
            thing = draw.choice(things[kind]).convert("RGBA")
            visible = [0] * (_VISIBLE + 1) + [255] * (255 - _VISIBLE)
            thing = thing.crop(thing.getchannel("A").point(visible).getbbox())
            factor = min(draw.randint(*_WIDEST) / thing.width, _HIGHEST / thing.height)
            thing = thing.resize((int(thing.width * factor), int(thing.height * factor)))
            left = side * half + draw.randint(0, half - thing.width)
            top = draw.randint(_TOP, HEIGHT - thing.height)
            picture.paste(thing, (left, top), thing)
            found.append((kind, left, top, left + thing.width, top + thing.height))
        yield picture, found


def _photos(package: Path, resource: str, ends: str, without: Sequence[str]) -> list[Image.Image]:
    """Those of a resource, in the order of their names."""
    (data,) = _members(package, [resource])
    found = {
        name: content
        for name, content in qt_resources.files(data, f"{package.name}: {resource}")
        if name.endswith(ends) and not any(word in name for word in without)
    }
    if not found:
        raise NotReadyError(f"{package}: {resource} holds no picture that ends in {ends}", fix="get the package again")
    return [_opened(name, found[name]) for name in sorted(found)]


def _cut_outs(package: Path, below: str, things: Mapping[str, Sequence[str]]) -> dict[str, list[Image.Image]]:
    places = [below + path for paths in things.values() for path in paths]
    found = dict(zip(places, _members(package, places), strict=True))
    return {kind: [_opened(path, found[below + path]) for path in paths] for kind, paths in things.items()}


def _members(package: Path, names: Sequence[str]) -> list[bytes]:
    """Contents of a package's files, in the order of the names."""
    wanted, found = set(names), {}
    try:
        for member in archives.members(package):
            if member.plain and member.name in wanted:
                found[member.name] = member.read()
    except archives.ArchiveError as error:
        raise NotReadyError(f"{package}: {error}", fix="get the package again") from error
    if missing := sorted(wanted - set(found)):
        raise NotReadyError(
            f"{package} lacks {missing[0]}", fix="get the package again, in the version of the catalogue"
        )
    return [found[name] for name in names]


def _opened(name: str, content: bytes) -> Image.Image:
    from PIL import Image  # noqa: PLC0415  only when pictures are made

    try:
        picture = Image.open(io.BytesIO(content))
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise NotReadyError(f"the picture {name} cannot be read: {error}", fix="get the package again") from error
    return picture


def _package(inputs: Mapping[str, Path], reference: str) -> Path:
    entry, _, name = reference.partition("/")
    if entry not in inputs:
        raise InputError(f"making composites: {entry} is not required", fix="add it to `requires` of the entry")
    return inputs[entry] / name
