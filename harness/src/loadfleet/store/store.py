"""The store: find, ensure, verify and remove artefacts."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet.errors import InputError
from loadfleet.store import adopted, leftovers, made, pins, recipe, usage
from loadfleet.store.entry import ENTRY_FILE, Report, StoreEntry
from loadfleet.store.guards import megabytes, words_for_errors
from loadfleet.store.layout import Layout, discard, publish, silent
from loadfleet.store.maker import Maker, Offer
from loadfleet.store.room import Room, disk_free

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.store.leftovers import Leftover
    from loadfleet.store.made import Made
    from loadfleet.store.recipe import Recipe, WantedFile


class Store:
    """Verified models and data sets below `<path>/artifacts/<kind>/<name>-<digest12>/`.

    Nothing is touched before it is needed; a store that does not exist yet is empty.

    Args:
        path: `store_path` of the host.
        mirrors: Folders or URLs that are asked before the catalogue's own sources.
        supplied: Files that the operator has, by the name of their entry (or `NAME/FILE`): asked before the mirrors.
        shared: Folders of stores that are only read: their entries are used in place, before anything is fetched.
        elsewhere: Folders of other tools in which wanted files are looked for; those of CM, MLC and CK without.
        offline: Never use the network.
        quota: Most bytes that artefacts and downloads may take.
    """

    def __init__(
        self,
        path: Path | str,
        mirrors: Sequence[str] = (),
        *,
        supplied: Mapping[str, str] | None = None,
        shared: Sequence[Path | str] = (),
        elsewhere: Sequence[Path] | None = None,
        offline: bool = False,
        quota: int | None = None,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self._layout = Layout(self.path)
        offer = Offer(
            mirrors=tuple(str(mirror) for mirror in mirrors),
            supplied=dict(supplied or {}),
            shared=tuple(Path(each).expanduser().absolute() for each in shared),
            elsewhere=elsewhere,
            offline=offline,
        )
        self._maker = Maker(self._layout, offer, Room(self.path, quota, self.used, self._removable))

    def find(self, kind: str, name: str) -> StoreEntry | None:
        """The entry that the catalogue wants, when it is here and untouched; nothing is hashed.

        Raises:
            InputError: The catalogue has no such entry, or it has no files.
            NotReadyError: The store cannot be read.
        """
        wanted = recipe.resolve(kind, name, self.catalogue)
        with words_for_errors(self.path):
            entry = self._layout.read(wanted)
            return entry if entry is not None and entry.untouched() else None

    def ensure(self, kind: str, name: str, *, dry_run: bool = False, report: Report | None = None) -> StoreEntry:
        """Have an artefact: nothing but a few stats when it is here; else it is fetched or built, and verified.

        Args:
            kind: As in the catalogue.
            name: As in the catalogue.
            dry_run: Only say what would be done; the answer has `changed`, and no files when it is not here.
            report: Told what is going on, one line at a time.

        Raises:
            InputError: The catalogue has no such entry, or it has no files.
            NotReadyError: No source has it, a build failed, or the store or disk cannot be used; nothing is visible of
                what was begun, and what was downloaded is continued next time.
        """
        say = report or silent
        wanted = recipe.resolve(kind, name, self.catalogue)
        with words_for_errors(self.path):
            return self._maker.plan(wanted, say) if dry_run else _stamped(self._maker.ensure(wanted, say))

    def obtain(self, wanted: Recipe, *, dry_run: bool = False, report: Report | None = None) -> StoreEntry:
        """As `ensure`, for a recipe that the catalogue does not have (yet).

        Raises:
            NotReadyError: As `ensure`.
        """
        with words_for_errors(self.path):
            say = report or silent
            return self._maker.plan(wanted, say) if dry_run else _stamped(self._maker.ensure(wanted, say))

    def adopt(
        self, kind: str, name: str, digest: str, folder: Path, *, source: str, report: Report | None = None
    ) -> StoreEntry:
        """Take files that were fetched or built elsewhere, such as those of an unpacked bundle; they are moved here.

        Everything is hashed and compared with what the catalogue declares. Inputs of a build are not asked for.

        Args:
            kind: As in the catalogue.
            name: As in the catalogue.
            digest: `sha256:...` that the entry had where it comes from.
            folder: Its files and nothing else.
            source: Where they came from at first, in words.
            report: Told what is going on, one line at a time.

        Raises:
            InputError: The catalogue has no such entry, or another one of that name.
            NotReadyError: A file is missing, too many or not the declared one; the store or disk cannot be used.
        """
        say = report or silent
        wanted = recipe.resolve(kind, name, self.catalogue)
        if digest != f"sha256:{wanted.digest}":
            raise InputError(
                f"{wanted.label} has the digest {digest} there and sha256:{wanted.digest} in the catalogue here",
                fix="use the same version of Loadfleet, and the same folders in LOADFLEET_CATALOGUE, in both places",
            )
        with words_for_errors(self.path), self._layout.lock(f"{wanted.kind}-{wanted.folder}", say):
            entry = self._layout.read(wanted)
            if entry is not None and (entry.untouched() or self._maker.rescued(entry, say)):
                return entry
            with self._layout.staged(wanted) as staging:
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        place = staging / path.relative_to(folder)
                        place.parent.mkdir(parents=True, exist_ok=True)
                        shutil.move(path, place)
                entry = self._layout.entry(wanted, adopted.records(wanted, staging), source)
                publish(entry, staging)
        say(f"{wanted.label}: ready, {megabytes(entry.size)} in {entry.path}")
        return entry

    def lacking(self, kind: str, name: str) -> list[tuple[Recipe, WantedFile]]:
        """The files that only a network or a mirror can supply before `ensure` can succeed; [] when none is needed.

        Args:
            kind: As in the catalogue.
            name: As in the catalogue.

        Raises:
            InputError: The catalogue has no such entry, or it has no files.
            NotReadyError: The store cannot be read.
        """
        wanted = recipe.resolve(kind, name, self.catalogue)
        with words_for_errors(self.path):
            found = self._maker.lacking(wanted)
            return list({(each.kind, each.name, file.name): (each, file) for each, file in found}.values())

    def entries(self) -> list[StoreEntry]:
        """Everything that lies in the store, also what the catalogue no longer names, by kind and name.

        Raises:
            NotReadyError: The store cannot be read.
        """
        with words_for_errors(self.path):
            return self._layout.entries()

    def used(self) -> int:
        """Bytes that entries, leftovers and what runs made take here.

        Raises:
            NotReadyError: The store cannot be read.
        """
        others: list[Leftover | Made] = [*self.leftovers(), *self.made()]
        return sum(entry.takes for entry in self.entries()) + sum(each.size for each in others)

    def free(self) -> int:
        """Bytes that its disk has free."""
        return disk_free(self.path)

    def leftovers(self) -> list[Leftover]:
        """What interrupted downloads and killed processes left, and what others are working on now.

        Raises:
            NotReadyError: The store cannot be read.
        """
        with words_for_errors(self.path):
            return leftovers.of(self._layout)

    def drop_leftovers(self) -> list[Leftover]:
        """Remove what interrupted downloads and killed processes left; what was removed.

        Raises:
            NotReadyError: The store cannot be written.
        """
        with words_for_errors(self.path):
            return leftovers.drop(self._layout)

    def made(self) -> list[Made]:
        """What runs made for themselves, and make again where it is missing.

        Raises:
            NotReadyError: The store cannot be read.
        """
        with words_for_errors(self.path):
            return made.of(self.path)

    def drop_made(self) -> list[Made]:
        """Remove what runs made for themselves; what was removed.

        Raises:
            NotReadyError: The store cannot be written.
        """
        with words_for_errors(self.path):
            return made.drop(made.of(self.path))

    def use(self) -> dict[Path, usage.Use]:
        """Who uses each entry, by its folder.

        Raises:
            NotReadyError: The store cannot be read.
        """
        with words_for_errors(self.path):
            return usage.of(self.path, self.entries())

    def pinned(self, entry: StoreEntry) -> bool:
        """Whether nobody should remove an entry by accident."""
        return pins.pinned(self.path, entry)

    def pin(self, entry: StoreEntry) -> bool:
        """Keep an entry from being removed by accident; whether it was not pinned before.

        Raises:
            NotReadyError: The store cannot be written.
        """
        with words_for_errors(self.path):
            return pins.pin(self.path, entry)

    def unpin(self, entry: StoreEntry) -> bool:
        """Take the pin away; whether there was one.

        Raises:
            NotReadyError: The store cannot be written.
        """
        with words_for_errors(self.path):
            return pins.unpin(self.path, entry)

    def verify(self, entry: StoreEntry) -> list[str]:
        """Hash the files of an entry; what is wrong with them, in words. The next `ensure` makes a damaged one again.

        Raises:
            NotReadyError: A file cannot be read.
        """
        with words_for_errors(self.path):
            problems = entry.problems()
            if problems:
                with suppress(OSError):  # a store that is mounted read-only is mended by its owner
                    entry.distrusted().write(entry.path)
            return problems

    def remove(self, entry: StoreEntry) -> None:
        """Remove an entry and its compiled forms; it disappears at once, its files a moment later.

        Raises:
            NotReadyError: The store cannot be written.
        """
        with words_for_errors(self.path), self._layout.lock(f"{entry.kind}-{entry.path.name}", silent):
            if entry.path.is_dir():
                discard(entry.path)
            pins.unpin(self.path, entry)
            made.drop(made.of_entry(self.path, entry.path.name))

    def _removable(self) -> list[usage.Removable]:
        """What runs made; then entries that neither a pin nor a run that goes on keeps, longest unused first."""
        use = self.use()
        found = [
            entry
            for entry in self.entries()
            if entry.takes and not self.pinned(entry) and not usage.running(self.path, use[entry.path])
        ]
        found.sort(key=lambda entry: use[entry.path].last)
        entries = [
            usage.Removable(f"{each.kind} {each.name}", each.takes, f"last used {use[each.path].last:%Y-%m-%d}")
            for each in found
        ]
        again = sum(each.size for each in self.made())
        return [*([usage.Removable("--made", again, "what runs made and make again")] if again else []), *entries]

    @property
    def catalogue(self) -> Path:
        """Entries of what was imported into this store, laid out as the catalogue."""
        return self.path / "catalogue"


def _stamped(entry: StoreEntry) -> StoreEntry:
    """Note when an entry was last wanted; a store that is mounted read-only keeps no track."""
    with suppress(OSError):
        os.utime(entry.path / ENTRY_FILE)
    return entry
