"""The store: find, ensure, verify and remove artefacts."""

from __future__ import annotations

import datetime
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet import files
from loadfleet.errors import InputError
from loadfleet.store import adopted, builds, pins, recipe, shared, usage
from loadfleet.store.entry import ENTRY_FILE, FileRecord, Report, StoreEntry
from loadfleet.store.guards import exclusive, megabytes, words_for_errors
from loadfleet.store.part import Part
from loadfleet.store.room import Room, disk_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from loadfleet.store.recipe import Recipe, WantedFile
    from loadfleet.store.sources import Sources


def _silent(_message: str) -> None:
    """Report to nobody."""


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
        self.shared = tuple(Path(each).expanduser().absolute() for each in shared)
        self._elsewhere = elsewhere
        self._room = Room(self.path, quota, self.used, self._removable)
        self.mirrors = tuple(str(mirror) for mirror in mirrors)
        self.supplied = dict(supplied or {})
        self.offline = offline

    def find(self, kind: str, name: str) -> StoreEntry | None:
        """The entry that the catalogue wants, when it is here and untouched; nothing is hashed.

        Raises:
            InputError: The catalogue has no such entry, or it has no files.
            NotReadyError: The store cannot be read.
        """
        wanted = recipe.resolve(kind, name, self.catalogue)
        with words_for_errors(self.path):
            entry = self._read(wanted)
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
        say = report or _silent
        wanted = recipe.resolve(kind, name, self.catalogue)
        with words_for_errors(self.path):
            return self._plan(wanted, say) if dry_run else self._stamped(self._ensure(wanted, say))

    def obtain(self, wanted: Recipe, *, dry_run: bool = False, report: Report | None = None) -> StoreEntry:
        """As `ensure`, for a recipe that the catalogue does not have (yet).

        Raises:
            NotReadyError: As `ensure`.
        """
        with words_for_errors(self.path):
            say = report or _silent
            return self._plan(wanted, say) if dry_run else self._stamped(self._ensure(wanted, say))

    def _stamped(self, entry: StoreEntry) -> StoreEntry:
        """Note when an entry was last wanted; a store that is mounted read-only keeps no track."""
        with suppress(OSError):
            os.utime(entry.path / ENTRY_FILE)
        return entry

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
        say = report or _silent
        wanted = recipe.resolve(kind, name, self.catalogue)
        if digest != f"sha256:{wanted.digest}":
            raise InputError(
                f"{wanted.label} has the digest {digest} there and sha256:{wanted.digest} in the catalogue here",
                fix="use the same version of Loadfleet, and the same folders in LOADFLEET_CATALOGUE, in both places",
            )
        with words_for_errors(self.path), self._lock(f"{wanted.kind}-{wanted.folder}", say):
            entry = self._read(wanted)
            if entry is not None and (entry.untouched() or self._rescued(entry, say)):
                return entry
            with self._staged(wanted) as staging:
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        place = staging / path.relative_to(folder)
                        place.parent.mkdir(parents=True, exist_ok=True)
                        shutil.move(path, place)
                entry = self._entry(wanted, adopted.records(wanted, staging), source)
                _publish(entry, staging)
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
            found = self._lacking(wanted)
            return list({(each.kind, each.name, file.name): (each, file) for each, file in found}.values())

    def entries(self) -> list[StoreEntry]:
        """Everything that lies in the store, also what the catalogue no longer names, by kind and name.

        Raises:
            NotReadyError: The store cannot be read.
        """
        with words_for_errors(self.path):
            folders = sorted(self._artifacts.glob("*/*/"))
            found = [StoreEntry.read(folder) for folder in folders if not folder.name.startswith(".")]
            return [entry for entry in found if entry is not None]

    def used(self) -> int:
        """Bytes that entries and partial downloads take here.

        Raises:
            NotReadyError: The store cannot be read.
        """
        return sum(entry.takes for entry in self.entries()) + sum(size for _, size in self.partial())

    def free(self) -> int:
        """Bytes that its disk has free."""
        return disk_free(self.path)

    def partial(self) -> list[tuple[Path, int]]:
        """What interrupted downloads left, with its bytes; continued when the same file is wanted again.

        Raises:
            NotReadyError: The store cannot be read.
        """
        with words_for_errors(self.path):
            return [(path, path.stat().st_size) for path in sorted(self._downloads.glob("*.part"))]

    def drop_partial(self) -> list[tuple[Path, int]]:
        """Remove what interrupted downloads left, but not what a process is downloading now; what was removed.

        Raises:
            NotReadyError: The store cannot be written.
        """
        removed = []
        with words_for_errors(self.path):
            for path, size in self.partial():
                with exclusive(self.path / "locks" / f"{path.stem}.lock", None) as mine:
                    if mine:
                        Part(path, ("sha256", path.stem), None, _silent).drop()
                        removed.append((path, size))
        return removed

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
        """Remove an entry; it disappears at once, its files a moment later.

        Raises:
            NotReadyError: The store cannot be written.
        """
        with words_for_errors(self.path), self._lock(f"{entry.kind}-{entry.path.name}", _silent):
            if entry.path.is_dir():
                _discard(entry.path)
            pins.unpin(self.path, entry)

    def _removable(self) -> list[usage.Removable]:
        """Entries that take room and that neither a pin nor a run that goes on keeps, longest unused first."""
        use = self.use()
        found = [
            entry
            for entry in self.entries()
            if entry.takes and not self.pinned(entry) and not usage.running(self.path, use[entry.path])
        ]
        found.sort(key=lambda entry: use[entry.path].last)
        return [
            usage.Removable(f"{each.kind} {each.name}", each.takes, f"last used {use[each.path].last:%Y-%m-%d}")
            for each in found
        ]

    def _lacking(self, wanted: Recipe) -> Iterator[tuple[Recipe, WantedFile]]:
        entry = self._read(wanted)
        if entry is not None and (entry.untouched() or not entry.problems()):
            return
        if self._in_shared(wanted, _silent) is not None:
            return
        for each in wanted.requires:
            yield from self._lacking(each)
        if wanted.build is None:
            yield from ((wanted, file) for file in wanted.files if not file.embedded)

    @property
    def catalogue(self) -> Path:
        """Entries of what was imported into this store, laid out as the catalogue."""
        return self.path / "catalogue"

    @property
    def _artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def _downloads(self) -> Path:
        return self.path / "downloads"

    def _folder(self, wanted: Recipe) -> Path:
        return self._artifacts / wanted.kind / wanted.folder

    def _read(self, wanted: Recipe) -> StoreEntry | None:
        """The entry of a recipe, if its records are what the catalogue declares; its files are not looked at."""
        entry = StoreEntry.read(self._folder(wanted))
        if entry is None or entry.digest != f"sha256:{wanted.digest}":
            return None
        recorded = {record.name: record.sha256 for record in entry.files}
        for file in wanted.files:
            if file.name not in recorded or file.sha256 not in {None, recorded[file.name]}:
                return None
        return entry

    @contextmanager
    def _lock(self, name: str, report: Report) -> Iterator[None]:
        with exclusive(
            self.path / "locks" / f"{name}.lock",
            lambda: report(f"waiting for another process that has the lock of {name}"),
        ):
            yield

    def _ensure(self, wanted: Recipe, report: Report) -> StoreEntry:
        entry = self._read(wanted)
        if entry is not None and entry.untouched():
            return entry
        with self._lock(f"{wanted.kind}-{wanted.folder}", report):
            entry = self._read(wanted)  # another process may have made it while we waited
            if entry is not None and (entry.untouched() or self._rescued(entry, report)):
                return entry
            if (found := self._in_shared(wanted, report, distrust=entry is not None)) is not None:
                return self._link(wanted, found, report)
            return self._make(wanted, report)

    def _in_shared(self, wanted: Recipe, report: Report, *, distrust: bool = False) -> StoreEntry | None:
        """The entry of a recipe in the first of the shared stores that has a good one."""
        for each in self.shared:
            if each == self.path:
                continue
            try:
                entry = Store(each)._read(wanted)
                if entry is not None and shared.usable(entry, report, distrust=distrust):
                    return entry
                words = "" if each.is_dir() else "it is no folder"
            except OSError as error:
                words = f"{error.filename or ''}: {error.strerror}"
            if words:
                report(f"{wanted.label}: the shared store {each} is not used: {words}")
        return None

    def _link(self, wanted: Recipe, found: StoreEntry, report: Report) -> StoreEntry:
        """An entry whose files stay where they are."""
        owner = found.path.parents[2]
        with self._staged(wanted) as staging:
            entry = replace(
                self._entry(wanted, shared.link(found, staging), f"shared store {owner}"),
                recipe=found.recipe,
                requires=found.requires,
                shared=str(owner),
            )
            _publish(entry, staging)
        report(f"{wanted.label}: {megabytes(entry.size)} used in place, in {found.path}")
        return entry

    def _rescued(self, entry: StoreEntry, report: Report) -> bool:
        """Whether an entry whose files look touched has the right content all the same (a copied store)."""
        report(f"{entry.kind} {entry.name}: files look changed since they were verified; hashing them")
        if problems := entry.problems():
            report(f"{entry.kind} {entry.name}: {'; '.join(problems)}; making it again")
            return False
        try:
            entry.restamped().write(entry.path)
        except OSError as error:  # a store that is mounted read-only serves as it is
            report(f"{entry.kind} {entry.name}: right, but that cannot be noted: {error.strerror}")
        return True

    def _needs(self, wanted: Recipe) -> int:
        """Bytes that are still to be written for an entry and what it is made of, as far as the catalogue says."""
        entry = self._read(wanted)
        if entry is not None and entry.untouched():
            return 0
        if wanted.build is None:
            parts = [self._part(file, wanted, _silent) for file in wanted.files]
            return sum(max(0, (part.size or 0) - part.offset) for part in parts)
        own = sum(file.size or 0 for file in wanted.files)
        return own + sum(self._needs(each) for each in wanted.requires)

    def _make(self, wanted: Recipe, report: Report) -> StoreEntry:
        self._room.require(self._needs(wanted), wanted.label)
        for each in wanted.requires:
            self._ensure(each, report)
        self._downloads.mkdir(parents=True, exist_ok=True)
        with self._staged(wanted) as staging:
            if wanted.build is None:
                records, source = self._collect(wanted, staging, report)
            else:
                source = f"build {wanted.build.entry_point} version {wanted.build.version}"
                report(f"{wanted.label}: {source}")
                inputs = {each.name: self._folder(each) for each in wanted.requires}
                records = builds.run(wanted, wanted.build, inputs, staging)
            entry = self._entry(wanted, records, source)
            _publish(entry, staging)
        report(f"{wanted.label}: ready, {megabytes(entry.size)} in {entry.path}")
        return entry

    @contextmanager
    def _staged(self, wanted: Recipe) -> Iterator[Path]:
        """An empty folder beside the entry's, for the holder of its lock; gone afterwards unless it was published."""
        folder = self._folder(wanted)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in folder.parent.glob(f".{folder.name}.*"):  # of killed processes: we hold the lock
            shutil.rmtree(leftover)
        staging = folder.parent / f".{folder.name}.{os.getpid()}.new"
        staging.mkdir()
        try:
            yield staging
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _entry(self, wanted: Recipe, records: tuple[FileRecord, ...], source: str) -> StoreEntry:
        return StoreEntry(
            kind=wanted.kind,
            name=wanted.name,
            path=self._folder(wanted),
            digest=f"sha256:{wanted.digest}",
            files=records,
            source=source,
            created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            recipe=wanted.build.describe() if wanted.build else None,
            requires=tuple(
                {"kind": each.kind, "name": each.name, "digest": f"sha256:{each.digest}"} for each in wanted.requires
            ),
            changed=True,
        )

    def _collect(self, wanted: Recipe, staging: Path, report: Report) -> tuple[tuple[FileRecord, ...], str]:
        """Fetch every file into the staging folder; their records and where they came from."""
        parts = [self._part(file, wanted, report) for file in wanted.files]
        labels = []
        with self._sources(wanted, report) as sources:
            for file, part in zip(wanted.files, parts, strict=True):
                with self._lock(part.path.stem, report):
                    labels.append(sources.fetch(wanted, file, part))
                    part.move(staging / file.name)
        records = tuple(FileRecord.of(staging, file.name, file.sha256) for file in wanted.files)
        return records, "; ".join(dict.fromkeys(labels))

    @contextmanager
    def _sources(self, wanted: Recipe, report: Report) -> Iterator[Sources]:
        # HTTP, TLS and archives are slow to import, and most calls find everything here
        from loadfleet.store.elsewhere import Elsewhere, caches  # noqa: PLC0415
        from loadfleet.store.packages import Packages  # noqa: PLC0415
        from loadfleet.store.sources import Sources  # noqa: PLC0415

        elsewhere = Elsewhere(caches() if self._elsewhere is None else self._elsewhere)
        with Packages(self._downloads, self.path / "locks", report, self._room_for(wanted)) as packages:
            yield Sources(
                self.mirrors,
                self.supplied,
                elsewhere=elsewhere,
                offline=self.offline,
                packages=packages,
                report=report,
            )

    def _room_for(self, wanted: Recipe) -> Callable[[int], None]:
        return lambda needed: self._room.require(needed, wanted.label)

    def _part(self, file: WantedFile, wanted: Recipe, report: Report) -> Part:
        path = self._downloads / f"{file.checksum[1]}.part"
        return Part(path, file.checksum, file.size, report, self._room_for(wanted))

    def _plan(self, wanted: Recipe, report: Report) -> StoreEntry:
        """What `_ensure` would do, told and returned; nothing is written, nothing hashed."""
        entry = self._read(wanted)
        if entry is not None and entry.untouched():
            return entry
        if entry is not None:
            report(
                f"{wanted.label}: files look changed since they were verified; would hash them, make it again if wrong"
            )
            return replace(entry, changed=True)
        if (found := self._in_shared(wanted, report)) is not None:
            owner = found.path.parents[2]
            report(f"{wanted.label}: would use {found.path} in place")
            return replace(found, path=self._folder(wanted), source=f"shared store {owner}", files=(), changed=True)
        for each in wanted.requires:
            self._plan(each, report)
        if wanted.build is None:
            with self._sources(wanted, report) as sources:
                labels = [[source.label for source in sources.of(wanted, file)] for file in wanted.files]
            for file, names in zip(wanted.files, labels, strict=True):
                size = f" ({megabytes(file.size)})" if file.size is not None else ""
                report(f"{wanted.label}: would fetch {file.name}{size} from the first that has it: {', '.join(names)}")
            source = labels[0][0] if labels[0] else ""
        else:
            source = f"build {wanted.build.entry_point} version {wanted.build.version}"
            report(f"{wanted.label}: would {source}")
        return StoreEntry(
            wanted.kind, wanted.name, self._folder(wanted), f"sha256:{wanted.digest}", source=source, changed=True
        )


def _publish(entry: StoreEntry, staging: Path) -> None:
    """Make a staging folder the entry's folder, in one rename, after everything in it has reached the disk."""
    for record in entry.files if entry.shared is None else ():
        (staging / record.name).chmod(0o444)
        with (staging / record.name).open("rb") as stream:
            os.fsync(stream.fileno())
    entry.write(staging)
    if entry.path.exists():
        _discard(entry.path)
    staging.rename(entry.path)
    files.sync_folder(entry.path.parent)


def _discard(folder: Path) -> None:
    """Take a folder out of sight, then delete it."""
    hidden = folder.parent / f".{folder.name}.{os.getpid()}.old"
    folder.rename(hidden)
    shutil.rmtree(hidden)
