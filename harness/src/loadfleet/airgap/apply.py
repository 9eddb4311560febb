"""Unpacking a bundle: everything is verified in a temporary folder before anything appears where it belongs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.airgap.archive import CHUNK, Reader
from loadfleet.airgap.manifest import ARTIFACTS, MANIFEST, PROJECT, WHEELHOUSE, FileItem, Manifest
from loadfleet.errors import InputError, NotReadyError
from loadfleet.store.guards import require_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.store import Report, Store, StoreEntry

SETTINGS = "settings.yml"
_PREFIX = ".bundle-"
_LARGEST_MANIFEST = 64 << 20
_FETCH_AGAIN = "copy the bundle again from where it was made, and compare its sha256sum"


@dataclass(frozen=True)
class Applied:
    """Where the parts of a bundle are now.

    Attributes:
        manifest: What was in it.
        seal: Digest that the bundle was checked with.
        wheelhouse: Folder of wheels.
        store: Where models and data sets are.
        clone: The clone.
        settings: Variables for playbooks, read with `-e @...`.
        entries: Entries of the store; `changed` tells which are new.
    """

    manifest: Manifest
    seal: str
    wheelhouse: Path
    store: Path
    clone: Path
    settings: Path
    entries: tuple[StoreEntry, ...]


def apply(bundle: Path, target: Path, store: Store, *, clone: Path | None = None, report: Report) -> Applied:
    """Verify a bundle and put its parts in place.

    Args:
        bundle: The archive.
        target: Folder for the wheelhouse, the settings and, by default, the clone. What else it holds stays.
        store: Where models and data sets go; those that are there already stay.
        clone: Folder for the clone, which must not exist yet or be empty; `<target>/loadfleet` by default.
        report: Told what is going on, one line at a time.

    Raises:
        InputError: The bundle is not what was made: some byte differs, a file is missing or too many, a path leads out.
            Or there is a clone already. Nothing is left of it.
        NotReadyError: The disk cannot be used.
    """
    target = target.expanduser().absolute()
    clone = clone.expanduser().absolute() if clone else target / "loadfleet"
    if os.path.lexists(clone) and not (clone.is_dir() and not any(clone.iterdir())):
        raise InputError(f"{clone} is there already", fix="name another folder with --clone, or move it away")
    try:
        with bundle.open("rb") as stream, _made(target) as folder:
            reader = Reader(stream)
            manifest = _unpack(reader, folder, report)
            _link(manifest, folder)
            report("verified; putting everything in place")
            entries = tuple(
                store.adopt(item.kind, item.name, item.digest, folder / item.folder, source=item.source, report=report)
                for item in manifest.artifacts
            )
            settings = _publish(folder, target, clone, store)
    except tarfile.TarError as error:
        raise InputError(f"the bundle is damaged or cut off: {error}", fix=_FETCH_AGAIN) from error
    except OSError as error:
        raise NotReadyError(
            f"the bundle cannot be applied: {error.filename or bundle}: {error.strerror or error}",
            fix="look at the path, the disk's space and permissions",
        ) from error
    return Applied(manifest, reader.seal, target / WHEELHOUSE, store.path, clone, settings, entries)


@contextmanager
def _made(target: Path) -> Iterator[Path]:
    """A temporary folder in `target`; on failure it and every folder that was made for it are gone."""
    first = target
    while not first.parent.exists():
        first = first.parent
    is_new = not first.exists()
    target.mkdir(parents=True, exist_ok=True)
    for leftover in target.glob(f"{_PREFIX}*"):
        with _claimed(leftover) as is_mine:  # its process was killed
            if is_mine:
                shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=target, prefix=_PREFIX))
    try:
        with _claimed(folder):
            yield folder
    except BaseException:
        shutil.rmtree(first if is_new else folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Mark a folder as used by this process, which ends with it; whether no other process uses it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def _unpack(reader: Reader, folder: Path, report: Report) -> Manifest:
    """Write the files of a bundle below a folder; each is what the manifest says, and all are there."""
    members = iter(reader)
    manifest = _manifest(members)
    made = f"{manifest.created}, Loadfleet {manifest.version}"
    report(f"bundle of {made}: {len(manifest.files)} files, {manifest.size / 1e6:,.1f} MB")
    require_space(folder, manifest.size)
    missing = {item.path: item for item in manifest.files}
    for member, content in members:
        if content is None:
            raise InputError(f"the bundle holds {member.name!r}, which is no plain file", fix=_FETCH_AGAIN)
        item = missing.pop(member.name, None)
        if item is None:
            raise InputError(
                f"the bundle holds {member.name!r}, which is not in its manifest or there twice", fix=_FETCH_AGAIN
            )
        if member.size != item.size:
            raise InputError(
                f"the bundle's {item.path} has {member.size:,} bytes, its manifest says {item.size:,}", fix=_FETCH_AGAIN
            )
        _write(content, folder / item.path, item)
    if missing:
        names = sorted(missing)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise InputError(f"the bundle lacks {', '.join(names[:3])}{more}: it is damaged or cut off", fix=_FETCH_AGAIN)
    reader.verify()
    return manifest


def _manifest(members: Iterator[tuple[Any, Any]]) -> Manifest:
    member, content = next(members, (None, None))
    if member is None or content is None or member.name != MANIFEST or member.size > _LARGEST_MANIFEST:
        raise InputError(f"the bundle does not begin with its {MANIFEST}", fix=_FETCH_AGAIN)
    return Manifest.decode(content.read())


def _write(content: IO[bytes], path: Path, item: FileItem) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as out:
        while piece := content.read(CHUNK):
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    path.chmod(0o755 if item.executable else 0o644)
    if digest.hexdigest() != item.sha256:
        raise InputError(f"the bundle's {item.path} is damaged: its digest is not the manifest's", fix=_FETCH_AGAIN)


def _link(manifest: Manifest, folder: Path) -> None:
    """Make the clone's links, after all files, so that nothing is written through one."""
    for link in manifest.links:
        path = folder / link.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link.target)


def _publish(folder: Path, target: Path, clone: Path, store: Store) -> Path:
    """Move wheels, settings and, last, the clone to their places; the settings' path."""
    wheelhouse = target / WHEELHOUSE
    wheelhouse.mkdir(exist_ok=True)
    for path in sorted((folder / WHEELHOUSE).iterdir()):
        path.replace(wheelhouse / path.name)
    settings = target / SETTINGS
    files.write_text(settings, settings_text(store))
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    clone.parent.mkdir(parents=True, exist_ok=True)
    if clone.exists():
        clone.rmdir()
    shutil.move(folder / PROJECT, clone)
    return settings


def settings_text(store: Store) -> str:
    """Variables that let the playbooks take everything from an applied bundle, for any number of hosts."""
    return (
        "# Nothing from a network: the controller brings wheels, models and data sets to every host that lacks them.\n"
        "# Read with: PIP_NO_INDEX=1 and PIP_FIND_LINKS=WHEELHOUSE ansible-playbook -e @THIS_FILE ...\n"
        "python_venv_offline: true\n"
        "artifact_from_controller: true\n"
        f"artifact_controller_store: {json.dumps(str(store.path))}\n"
    )
