"""Making a bundle: gather, digest, pack, in one file that appears when it is whole."""

from __future__ import annotations

import datetime
import io
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet import __version__, catalogue, files
from loadfleet.airgap import project as projects
from loadfleet.airgap import wheels
from loadfleet.airgap.archive import Writer
from loadfleet.airgap.manifest import (
    BOOTSTRAP,
    MANIFEST,
    PROJECT,
    WHEELHOUSE,
    ArtifactItem,
    FileItem,
    LinkItem,
    Manifest,
)
from loadfleet.errors import InputError, NotReadyError
from loadfleet.store.guards import require_space
from loadfleet.store.recipe import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadfleet.store import Report, Store, StoreEntry
    from loadfleet.store.recipe import Recipe


@dataclass(frozen=True)
class Wanted:
    """What shall be in a bundle.

    Attributes:
        workload: Name in the catalogue.
        models: Names in the catalogue; empty for the workload's default.
        datasets: Likewise. What an entry is built from comes along.
        backend: Name of a lock file of the role backend.
        targets: Pythons and platforms to bring wheels for.
        backend_version: Another version than the locked one, or constraints, to have as well; empty for none.
        loadgen_version: Likewise, of LoadGen.
    """

    workload: str = "bert"
    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    backend: str = "onnxruntime"
    targets: tuple[wheels.Target, ...] = ()
    backend_version: str = ""
    loadgen_version: str = ""


@dataclass(frozen=True)
class Created:
    """A bundle that was made; `seal` is the digest that it checks itself with, `sha256` that of the whole file."""

    path: Path
    manifest: Manifest
    seal: str
    sha256: str


@dataclass
class _Contents:
    """Where each path of the archive is taken from."""

    sources: dict[str, Path] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add_folder(self, folder: Path, into: str) -> None:
        for path in sorted(folder.iterdir()):
            self.sources[f"{into}/{path.name}"] = path

    def add_clone(self, project: Path) -> None:
        for name in projects.paths(project):
            path = project / name
            if path.is_symlink():
                self.links[f"{PROJECT}/{name}"] = path.readlink().as_posix()
            else:
                self.sources[f"{PROJECT}/{name}"] = path


def create(wanted: Wanted, project: Path, store: Store, output: Path, report: Report) -> Created:
    """Make a bundle.

    Args:
        wanted: What shall be in it.
        project: A clone.
        store: Where models and data sets are taken from; what it lacks is fetched or built first.
        output: The archive; replaced when it exists.
        report: Told what is going on, one line at a time.

    Raises:
        InputError: Something wanted is not in the catalogue, or `project` is no clone.
        NotReadyError: A source, pip or the disk fails; nothing is left at or beside `output`.
    """
    projects.require_clone(project)
    recipes = _closure(wanted)
    locks = wheels.locks(project, wanted.backend)
    output = output.expanduser().absolute()
    if not output.parent.is_dir() or output.is_dir():
        raise InputError(f"{output} cannot be written: no such folder, or a folder itself", fix="name a file with -o")
    entries = [_ensured(store, recipe, report) for recipe in recipes]
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as place:
            wheelhouse = Path(place) / WHEELHOUSE
            wheelhouse.mkdir()
            for target in wanted.targets:
                report(f"wheels for Python {target.python} {' '.join(target.platforms) or 'on this platform'}")
                wheels.download(locks, target, wheelhouse)
                _others(wanted, project, target, wheelhouse)
            wheels.build_harness(project, wheelhouse)
            if strays := projects.strays(project):
                report(f"not under version control, stays behind: {', '.join(strays[:5])}" + ", …" * (len(strays) > 5))
            contents = _Contents({BOOTSTRAP: Path(__file__).with_name("bootstrap.py")})
            contents.add_folder(wheelhouse, WHEELHOUSE)
            contents.add_clone(project)
            artifacts = tuple(_artifact(entry, contents) for entry in entries)
            manifest = _manifest(wanted, project, artifacts, contents)
            report(f"{len(manifest.files)} files, {manifest.size / 1e6:,.1f} MB, into {output}")
            require_space(output.parent, manifest.size)
            seal = _pack(manifest, contents.sources, Path(place) / "bundle", output)
    except OSError as error:
        raise NotReadyError(
            f"the bundle cannot be made: {error.filename or output}: {error.strerror or error}",
            fix="free space or permissions there, or name another file with -o",
        ) from error
    return Created(output, manifest, seal, files.sha256(output))


def _others(wanted: Wanted, project: Path, target: wheels.Target, wheelhouse: Path) -> None:
    """Versions other than the locked ones, and what the controller there resolves them with."""
    roles = project / "roles"
    asked = {
        roles / f"backend/files/{wanted.backend}.lock": wanted.backend_version,
        roles / "loadgen/files/requirements.lock": wanted.loadgen_version,
    }
    for lock, version in asked.items():
        if version:
            wheels.other(lock, version, roles / "harness/files/requirements.lock", target, wheelhouse)
    if any(asked.values()):
        wheels.download([roles / "python_venv/files/resolver.lock"], target, wheelhouse)


def _closure(wanted: Wanted) -> list[Recipe]:
    """Recipes of everything wanted, each after what it is built from."""
    workload = catalogue.get("workload", wanted.workload)
    models = [catalogue.model_of(workload, name, backend=wanted.backend) for name in wanted.models or (None,)]
    datasets = [catalogue.dataset_of(workload, model, name) for model in models for name in wanted.datasets or (None,)]
    names = dict.fromkeys((entry.kind, entry.name) for entry in (*models, *datasets))
    found: dict[tuple[str, str], Recipe] = {}

    def visit(recipe: Recipe) -> None:
        for each in recipe.requires:
            visit(each)
        found.setdefault((recipe.kind, recipe.name), recipe)

    for kind, name in names:
        visit(resolve(kind, name))
    return list(found.values())


def _ensured(store: Store, recipe: Recipe, report: Report) -> StoreEntry:
    entry = store.ensure(recipe.kind, recipe.name, report=report)
    if problems := store.verify(entry):
        raise NotReadyError(
            f"{recipe.label} in {store.path} is damaged: {'; '.join(problems)}",
            fix=f"`loadfleet cache rm {recipe.kind} {recipe.name}`, then repeat",
        )
    return entry


def _artifact(entry: StoreEntry, contents: _Contents) -> ArtifactItem:
    item = ArtifactItem(entry.kind, entry.name, entry.digest, entry.source)
    for record in entry.files:
        contents.sources[f"{item.folder}/{record.name}"] = entry.path / record.name
    return item


def _manifest(wanted: Wanted, project: Path, artifacts: Sequence[ArtifactItem], contents: _Contents) -> Manifest:
    return Manifest(
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        version=__version__,
        commit=projects.commit(project),
        workload=wanted.workload,
        backend=wanted.backend,
        pythons=tuple(dict.fromkeys(target.python for target in wanted.targets)),
        platforms=tuple(dict.fromkeys(tag for target in wanted.targets for tag in target.platforms)),
        artifacts=tuple(artifacts),
        files=tuple(_file(path, source) for path, source in _ordered(contents.sources)),
        links=tuple(LinkItem(path, target) for path, target in sorted(contents.links.items())),
    )


def _ordered(sources: Mapping[str, Path]) -> Iterable[tuple[str, Path]]:
    """By path, the small program that applies first: it is then found without reading the whole archive."""
    return sorted(sources.items(), key=lambda pair: (pair[0] != BOOTSTRAP, pair[0]))


def _file(path: str, source: Path) -> FileItem:
    status = source.stat()
    executable = path.startswith(f"{PROJECT}/") and bool(status.st_mode & 0o100)
    return FileItem(path, status.st_size, files.sha256(source), executable)


def _pack(manifest: Manifest, sources: Mapping[str, Path], scratch: Path, output: Path) -> str:
    """Write the archive beside its place and move it there; its seal."""
    with scratch.open("wb") as stream:
        with Writer(stream) as writer:
            head = manifest.encode()
            writer.add(MANIFEST, len(head), io.BytesIO(head))
            for item in manifest.files:
                with sources[item.path].open("rb") as content:
                    written = writer.add(item.path, item.size, content, executable=item.executable)
                if written != item.sha256:
                    raise NotReadyError(f"{sources[item.path]} changed while it was packed", fix="repeat the command")
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(output)
    files.sync_folder(output.parent)
    return writer.seal
