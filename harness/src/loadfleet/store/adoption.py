"""Taking what other tools have downloaded into a store, told by checksum."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue
from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import recipe
from loadfleet.store.elsewhere import Elsewhere, caches
from loadfleet.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadfleet.store.entry import Report


@dataclass(frozen=True)
class Adoption:
    """What became of an entry of which files were found.

    Attributes:
        kind: As in the catalogue.
        name: As in the catalogue.
        adopted: Whether it is in the store now.
        words: Where its files are from, or why they are not taken.
        files: Where files were found that may be its.
    """

    kind: str
    name: str
    adopted: bool
    words: str
    files: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def adopt(store: Store, paths: Sequence[str], *, dry_run: bool, report: Report) -> list[Adoption]:
    """Take every entry that is not here yet and all of whose files are found; the network is not used.

    Args:
        store: Where to.
        paths: Folders to look into; the caches of CM, MLC and CK without any.
        dry_run: Only look for files of the right size or name.
        report: Told what is going on.

    Raises:
        InputError: A path is no folder, or there is no cache.
        NotReadyError: The store cannot be written.
    """
    folders = [Path(path).expanduser().absolute() for path in paths] or caches()
    if not folders:
        raise InputError("this user has no cache of CM, MLC or CK", fix="name the folder to take files from")
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder", fix="name the folder to take files from")
    elsewhere = Elsewhere(folders)
    local = Store(store.path, elsewhere=folders, offline=True)
    done = []
    for entry in catalogue.entries():
        if entry.kind not in {"model", "dataset"} or "artifact" not in entry.data or "build" in entry.data["artifact"]:
            continue
        wanted = recipe.resolve(entry.kind, entry.name, store.catalogue)
        if all(file.embedded for file in wanted.files) or store.find(entry.kind, entry.name):
            continue
        found = {file.name: elsewhere.candidates(file) for file in wanted.files}
        missing = [name for name, candidates in found.items() if not candidates]
        if len(missing) == len(found):
            continue
        adopted, words = False, f"{', '.join(missing)} not found"
        if not missing and dry_run:
            words = "may be there; its checksum decides"
        elif not missing:
            try:
                words, adopted = local.ensure(entry.kind, entry.name, report=report).source, True
            except NotReadyError as error:
                words = f"not taken: {error.message.partition(chr(10))[0].rstrip(':')}"
        files = tuple(str(path) for candidates in found.values() for path in candidates)
        done.append(Adoption(entry.kind, entry.name, adopted, words, files))
    return done
