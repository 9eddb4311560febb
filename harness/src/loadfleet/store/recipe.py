"""From a catalogue entry to what the store must hold: its files, its digest, and what it is built from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class WantedFile:
    """A file of an artefact.

    Attributes:
        name: Its name in the entry's folder.
        sha256: What it must hash to; None when a build may decide or its publisher states no SHA-256.
        md5: What it must hash to where nothing better is published.
        size: Bytes, where the catalogue says.
        sources: Where to take it from, in order (see the schema of an artefact).
    """

    name: str
    sha256: str | None
    md5: str | None
    size: int | None
    sources: tuple[Mapping[str, Any], ...] = ()

    @property
    def checksum(self) -> tuple[str, str]:
        """Algorithm and hexadecimal value that a transfer is verified with; the schema demands one of the two."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", str(self.md5))

    @property
    def embedded(self) -> bool:
        """Whether it comes with the harness or the overlay that describes it."""
        return any(source["type"] == "embedded" for source in self.sources)


@dataclass(frozen=True)
class Build:
    """A function that makes files from other entries."""

    entry_point: str
    version: int
    parameters: Mapping[str, Any]

    def describe(self) -> dict[str, Any]:
        return {"entry_point": self.entry_point, "version": self.version, "parameters": dict(self.parameters)}


@dataclass(frozen=True)
class Recipe:
    """Everything needed to make an entry, known without looking at the disk.

    Attributes:
        digest: Hexadecimal sha256 that names the entry: of its only declared file; else of the names and checksums of
            its files; for a build of its inputs' digests, entry point, version and parameters.
        embedded: Folder that paths of embedded sources are relative to.
    """

    kind: str
    name: str
    digest: str
    files: tuple[WantedFile, ...]
    build: Build | None
    requires: tuple[Recipe, ...]
    embedded: Path

    @property
    def folder(self) -> str:
        """Name of its folder: readable, and unique for its content."""
        return f"{self.name}-{self.digest[:12]}"

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


def plain(kind: str, name: str, wanted: tuple[WantedFile, ...]) -> Recipe:
    """The recipe of files that are taken as they are and have no catalogue entry yet."""
    return Recipe(kind, name, _digest(wanted, None, ()), wanted, None, (), _PACKAGE)


def resolve(kind: str, name: str, overlay: Path | None = None) -> Recipe:
    """The recipe of a catalogue entry, its inputs resolved; `overlay` is a store's own part of the catalogue.

    Raises:
        InputError: No such entry, it has no artefact, or its inputs lead back to it.
    """
    return _resolve(kind, name, (), overlay)


def _resolve(kind: str, name: str, chain: tuple[tuple[str, str], ...], overlay: Path | None) -> Recipe:
    if (kind, name) in chain:
        circle = " needs ".join(f"{each[0]} {each[1]}" for each in (*chain, (kind, name)))
        raise InputError(f"the catalogue goes in a circle: {circle}", fix="remove one of the `requires`")
    entry = catalogue.get(kind, name, overlay)
    artifact = entry.data.get("artifact")
    if published := entry.data.get("published"):
        raise InputError(
            f"the {entry.kind} {name} is known by its address only: {published['why']} ({published['url']})",
            fix="choose a model with files, or convert it to ONNX and name that file by benchmark_model_path",
        )
    if artifact is None:
        raise InputError(f"{entry.kind} {name} has no files to store", fix=f"add `artifact` to {entry.path}")
    wanted = tuple(
        WantedFile(
            name=file["name"],
            sha256=file.get("sha256"),
            md5=file.get("md5"),
            size=file.get("size"),
            sources=tuple(file.get("sources", ())),
        )
        for file in artifact["files"]
    )
    build: Build | None = None
    requires: tuple[Recipe, ...] = ()
    if recipe := artifact.get("build"):
        build = Build(recipe["entry_point"], recipe["version"], recipe.get("parameters", {}))
        inside = (*chain, (entry.kind, name))
        requires = tuple(_resolve(each["kind"], each["name"], inside, overlay) for each in recipe.get("requires", ()))
    return Recipe(
        kind=entry.kind,
        name=name,
        digest=_digest(wanted, build, requires),
        files=wanted,
        build=build,
        requires=requires,
        embedded=_PACKAGE if entry.shipped else entry.path.parent,
    )


def _digest(wanted: tuple[WantedFile, ...], build: Build | None, requires: tuple[Recipe, ...]) -> str:
    if len(wanted) == 1 and wanted[0].sha256:
        return wanted[0].sha256
    if build is None:
        value: Any = [[file.name, ":".join(file.checksum)] for file in wanted]
    else:
        value = {**build.describe(), "requires": [[each.kind, each.name, each.digest] for each in requires]}
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
