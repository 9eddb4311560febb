"""Makes the photos that are embedded for image classification: harness/src/loadfleet/embedded/classification-photos/.

    python tools/embed_classification_photos.py gcompris-qt-data_3.1-2_all.deb

Of the labelled photos of the package (catalogue entry photos-151) it takes all that are in the public domain or CC0
and, to make thirty, the first of those under CC BY; models have no say in the choice. Each is scaled to 320 pixels on
its shorter side. Authors, licences and sources are read from the README files beside the photos and written to
README.md;
the catalogue entry photos-30 is written anew.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
from pathlib import Path, PurePosixPath

from PIL import Image

from loadfleet import catalogue
from loadfleet.store import archives
from loadfleet.workloads.image_classification import qt_resources

ROOT = Path(__file__).resolve().parent.parent / "harness/src/loadfleet"
TARGET = ROOT / "embedded/classification-photos"
ENTRY = ROOT / "catalogue/data/datasets/photos-30.yml"
COUNT, SIDE, QUALITY = 30, 320, 88
FREE, ATTRIBUTED = ("CC0-1.0", "public domain"), ("CC-BY-2.0", "CC-BY-3.0")

HEAD = """\
# Thirty labelled photos

From GCompris ({package}), which took them from the sources below. Scaled here to {side} pixels on the
shorter side and saved as JPEG; nothing else was changed. Each stays under its own licence. `val_map.txt` has the class
of each photo in ImageNet's order of 1,000 classes. Made by `tools/embed_classification_photos.py`.

| photo | class | author | licence | source |
| --- | --- | --- | --- | --- |
"""
YAML = """\
name: photos-30
title: Thirty labelled photos of animals, tools and household things (embedded)
licence: CC0-1.0 AND LicenseRef-public-domain AND CC-BY-2.0 AND CC-BY-3.0
tags: [resnet50, vision, image-classification, photos, embedded, raw]
workload: resnet50
attribution: Wikimedia Commons and publicdomainpictures.net through GCompris; authors are in README.md beside the photos
artifact:
  files:
"""


def main(package: Path) -> None:
    """Choose, scale and describe the photos of a package."""
    wanted = next(
        one
        for one in catalogue.get("dataset", "photos-151").data["artifact"]["build"]["parameters"]["sets"]
        if one["package"].startswith("package-gcompris")
    )
    contents: dict[str, bytes] = {}
    for member in archives.members(package):
        if member.plain and member.name.endswith(".rcc"):
            for path, data in qt_resources.files(member.read(), member.name):
                if path.startswith(wanted["below"]):
                    contents.setdefault(path.removeprefix(wanted["below"]), data)
    facts = {path: found for path in wanted["photos"] if (found := attribution(path, contents))}
    chosen = [path for path, fact in facts.items() if fact["license"] in FREE]
    chosen += [path for path, fact in sorted(facts.items()) if fact["license"] in ATTRIBUTED][: COUNT - len(chosen)]
    if len(chosen) != COUNT:
        sys.exit(f"{len(chosen)} photos fit, {COUNT} are wanted")
    TARGET.mkdir(exist_ok=True)
    rows, labels = [], []
    for path in sorted(chosen, key=lambda path: PurePosixPath(path).stem):
        name = f"{PurePosixPath(path).stem}.jpg"
        with Image.open(io.BytesIO(contents[path])) as photo:
            scale = SIDE / min(photo.size)
            size = [round(side * scale) for side in photo.size]
            small = photo.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.save(TARGET / name, quality=QUALITY, optimize=True)
        fact, label = facts[path], wanted["photos"][path]
        rows.append(f"| {name} | {label} | {fact['copyright']} | {fact['license']} | <{fact['source']}> |\n")
        labels.append(f"{name} {label}\n")
    (TARGET / "val_map.txt").write_text("".join(labels))
    (TARGET / "README.md").write_text(
        HEAD.format(package=package.name.removesuffix("_all.deb"), side=SIDE) + "".join(rows)
    )
    ENTRY.write_text(YAML + "".join(described(path) for path in sorted(TARGET.iterdir()) if path.name != "README.md"))


def attribution(path: str, contents: dict[str, bytes]) -> dict[str, str] | None:
    """Copyright, license and source of a photo, lower-case keys; None where its README does not name it."""
    name = PurePosixPath(path).name
    readme = contents.get(str(PurePosixPath(path).with_name("README")), b"").decode()
    for block in readme.split("\n\n"):
        fields = {key.lower(): value.strip() for key, value in re.findall(r"^(\w+): ?(.*)$", block, re.MULTILINE)}
        if re.search(rf"(^|\s){re.escape(name)}\s*$", block, re.MULTILINE):
            licence = fields["license"]
            return fields | {"license": "public domain" if licence.lower() == "public domain" else licence}
    return None


def described(path: Path) -> str:
    """A file of the catalogue entry."""
    data = path.read_bytes()
    return (
        f"    - name: {path.name}\n      sha256: {hashlib.sha256(data).hexdigest()}\n      size: {len(data)}\n"
        f"      sources:\n        - {{type: embedded, path: embedded/classification-photos/{path.name}}}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
