"""Make the composites that the embedded detector was measured on besides the photos it comes with.

Cut-outs of things on photos of buildings, by a seed; the transparency of a cut-out gives its exact box. The cut-outs
are those of Tux Paint (GPL-2), which is why they are not in this repository. Nothing is installed; the two Debian
packages are read as archives:

    apt-get download gcompris-qt-data=3.1-2 tuxpaint-stamps-default=2022.06.04-1
    python tools/detector_composites.py gcompris-qt-data_*.deb tuxpaint-stamps-default_*.deb composites
    LOADFLEET_CATALOGUE=composites loadfleet cache ensure dataset composites-800

The output is also an example of pictures of one's own: a catalogue with an archive of pictures, their annotations in
COCO's format, and the prepared form.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from loadfleet.store import archives

if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = tuple[str, int, int, int, int]

RCC = "usr/share/gcompris-qt/rcc/details.rcc"
STAMPS = "usr/share/tuxpaint/stamps/"
PAINTINGS = ("Gogh", "Vincent", "Portrait")
CUT_OUTS = {
    "Car": (
        "vehicles/auto/beetle",
        "vehicles/auto/sportscar2",
        "vehicles/auto/sedan",
        "vehicles/emergency/sedan_police",
    ),
    "Dog": ("animals/mammals/dogs/dog", "animals/mammals/dogs/dingo"),
    "Cattle": ("animals/mammals/bovines/cow", "animals/mammals/bovines/cow_white", "animals/mammals/bovines/bull"),
    "Camera": ("hobbies/camera_35mm",),
    "Mug": ("household/dishes/mug",),
}
WIDTH, HEIGHT = 800, 600
EMBEDDED = Path(__file__).resolve().parents[1] / "harness/src/loadfleet/embedded/detection-photos"
ENTRY = """\
name: {name}
title: {title}
licence: {licence}
tags: [retinanet, object-detection, composites]
workload: retinanet
"""


def resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in a Qt resource file (`rcc`)."""
    _, tree, contents, names = struct.unpack_from(">IIII", data, 4)

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        return data[names + offset + 6 : names + offset + 6 + 2 * length].decode("utf-16-be")

    def below(node: int) -> Iterator[tuple[str, bytes]]:
        offset, flags, first, second = struct.unpack_from(">IHII", data, tree + 22 * node)
        if flags & 2:  # a folder: number of children, and the first of them
            for child in range(second, second + first):
                yield from below(child)
            return
        begin = contents + second
        (size,) = struct.unpack_from(">I", data, begin)
        content = data[begin + 4 : begin + 4 + size]
        yield name_at(offset), zlib.decompress(content[4:]) if flags & 1 else content

    yield from below(0)


def backgrounds(package: Path) -> list[Image.Image]:
    """The photos of GCompris's activity `details`, in the order of their names."""
    data = next(member.read() for member in archives.members(package) if member.name == RCC)
    found = {name: content for name, content in resources(data) if name.endswith("_background.webp")}
    return [_opened(found[name]) for name in sorted(found) if not any(word in name for word in PAINTINGS)]


def cut_outs(package: Path) -> dict[str, list[Image.Image]]:
    """Class -> pictures with transparency, in the order of `CUT_OUTS`."""
    wanted = {f"{STAMPS}{path}.png" for paths in CUT_OUTS.values() for path in paths}
    found = {member.name: member.read() for member in archives.members(package) if member.name in wanted}
    return {kind: [_opened(found[f"{STAMPS}{path}.png"]) for path in paths] for kind, paths in CUT_OUTS.items()}


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def compose(
    places: list[Image.Image], things: dict[str, list[Image.Image]], number: int, seed: int
) -> Iterator[tuple[Image.Image, list[Found]]]:
    """Pictures, and class and corners (left, top, right, bottom) of what was put into each."""
    draw = random.Random(seed)  # noqa: S311  no secret
    for count in range(number):
        picture = places[count % len(places)].convert("RGB").resize((WIDTH, HEIGHT))
        found: list[Found] = []
        halves = [0, 1]
        draw.shuffle(halves)
        for half in halves[: draw.choice((1, 2))]:
            kind = draw.choice(sorted(things))
            thing = draw.choice(things[kind]).convert("RGBA")
            thing = thing.crop(thing.getchannel("A").point([0] * 33 + [255] * 223).getbbox())
            factor = min(draw.randint(200, 360) / thing.width, 420 / thing.height)
            thing = thing.resize((int(thing.width * factor), int(thing.height * factor)))
            left = half * 400 + draw.randint(0, max(0, 400 - thing.width))
            top = draw.randint(100, HEIGHT - thing.height)
            picture.paste(thing, (left, top), thing)
            found.append((kind, left, top, left + thing.width, top + thing.height))
        yield picture, found


def write(pictures: Iterator[tuple[Image.Image, list[Found]]], output: Path) -> int:
    """The archive, the annotations, and the two entries of a catalogue; the number of pictures."""
    folder = output / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    categories = json.loads((EMBEDDED / "annotations.json").read_text(encoding="utf-8"))["categories"]
    kinds = {category["name"]: category["id"] for category in categories}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with zipfile.ZipFile(folder / "composites.zip", "w") as packed:
        for picture, found in pictures:
            name = f"{len(images):04d}.png"
            images.append({"id": len(images) + 1, "file_name": name, "height": HEIGHT, "width": WIDTH})
            stream = io.BytesIO()
            picture.save(stream, "png")
            packed.writestr(zipfile.ZipInfo(name), stream.getvalue())
            for kind, left, top, right, bottom in found:
                box = [left, top, right - left, bottom - top]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": kinds[kind],
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                    }
                )
    truth = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "composites.json").write_text(json.dumps(truth) + "\n", encoding="utf-8")
    entry = ENTRY.format(name="composites", title="Cut-outs on photos", licence="GPL-2.0-only AND CC-BY-SA-4.0")
    entry += "artifact:\n  files:\n"
    for name in ("composites.zip", "composites.json"):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        entry += f"    - {{name: {name}, sha256: {digest}, sources: [{{type: embedded, path: {name}}}]}}\n"
    (folder / "composites.yml").write_text(entry, encoding="utf-8")
    (folder / "composites-800.yml").write_text(
        ENTRY.format(name="composites-800", title="The same, prepared", licence="GPL-2.0-only AND CC-BY-SA-4.0")
        + f"""\
samples: {len(images)}
prepared: {{of: composites, preprocessing: boxes-of-23-classes}}
artifact:
  build:
    entry_point: loadfleet.workloads.object_detection.pictures:build
    version: 1
    parameters:
      annotations: composites/composites.json
      pictures: composites/composites.zip
      side: 800
      type: float32
    requires: [{{kind: dataset, name: composites}}]
  files: [{{name: annotations.json}}, {{name: images.npy}}, {{name: recipe.json}}]
""",
        encoding="utf-8",
    )
    return len(images)


def main() -> None:
    """Read the packages, write the catalogue."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("gcompris", type=Path, help="gcompris-qt-data, a Debian package")
    parser.add_argument("tuxpaint", type=Path, help="tuxpaint-stamps-default, a Debian package")
    parser.add_argument("output", type=Path, help="folder for the catalogue")
    parser.add_argument("--number", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    made = compose(backgrounds(arguments.gcompris), cut_outs(arguments.tuxpaint), arguments.number, arguments.seed)
    number = write(made, arguments.output)
    print(f"{arguments.output}: {number} composites; LOADFLEET_CATALOGUE={arguments.output} lets the store have them")


if __name__ == "__main__":
    main()
