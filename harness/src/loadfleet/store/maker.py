"""Having an entry: found, used in place, fetched or built; what that would take, and what is lacking for it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadfleet.store import builds, shared
from loadfleet.store.entry import FileRecord, Report, StoreEntry
from loadfleet.store.guards import megabytes
from loadfleet.store.layout import Layout, publish, silent
from loadfleet.store.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from loadfleet.store.recipe import Recipe, WantedFile
    from loadfleet.store.room import Room
    from loadfleet.store.sources import Sources


@dataclass(frozen=True)
class Offer:
    """Where entries and files may come from besides the catalogue's sources.

    Attributes:
        mirrors: Folders or URLs.
        supplied: Files that the operator has, by the name of their entry (or `NAME/FILE`).
        shared: Folders of stores that are only read.
        elsewhere: Folders of other tools; None for those of CM, MLC and CK.
        offline: Never use the network.
    """

    mirrors: tuple[str, ...] = ()
    supplied: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[Path, ...] = ()
    elsewhere: Sequence[Path] | None = None
    offline: bool = False


class Maker:
    """Makes the entries of a store."""

    def __init__(self, layout: Layout, offer: Offer, room: Room) -> None:
        self._layout = layout
        self._offer = offer
        self._room = room

    def ensure(self, wanted: Recipe, report: Report) -> StoreEntry:
        """Have the entry of a recipe.

        Raises:
            NotReadyError: No source has it, a build failed, or there is no room for it.
            OSError: The store or disk cannot be used.
        """
        entry = self._layout.read(wanted)
        if entry is not None and entry.untouched():
            return entry
        with self._layout.lock(f"{wanted.kind}-{wanted.folder}", report):
            entry = self._layout.read(wanted)  # another process may have made it while we waited
            if entry is not None and (entry.untouched() or self.rescued(entry, report)):
                return entry
            if (found := self._in_shared(wanted, report, distrust=entry is not None)) is not None:
                return self._link(wanted, found, report)
            return self._make(wanted, report)

    def plan(self, wanted: Recipe, report: Report) -> StoreEntry:
        """What `ensure` would do, told and returned; nothing is written, nothing hashed."""
        entry = self._layout.read(wanted)
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
            return replace(
                found, path=self._layout.folder(wanted), source=f"shared store {owner}", files=(), changed=True
            )
        for each in wanted.requires:
            self.plan(each, report)
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
            wanted.kind,
            wanted.name,
            self._layout.folder(wanted),
            f"sha256:{wanted.digest}",
            source=source,
            changed=True,
        )

    def lacking(self, wanted: Recipe) -> Iterator[tuple[Recipe, WantedFile]]:
        """The files that only a network or a mirror can supply, some of them more than once."""
        entry = self._layout.read(wanted)
        if entry is not None and (entry.untouched() or not entry.problems()):
            return
        if self._in_shared(wanted, silent) is not None:
            return
        for each in wanted.requires:
            yield from self.lacking(each)
        if wanted.build is None:
            yield from ((wanted, file) for file in wanted.files if not file.embedded)

    def rescued(self, entry: StoreEntry, report: Report) -> bool:
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

    def _in_shared(self, wanted: Recipe, report: Report, *, distrust: bool = False) -> StoreEntry | None:
        """The entry of a recipe in the first of the shared stores that has a good one."""
        for each in self._offer.shared:
            if each == self._layout.path:
                continue
            try:
                entry = Layout(each).read(wanted)
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
        with self._layout.staged(wanted) as staging:
            entry = replace(
                self._layout.entry(wanted, shared.link(found, staging), f"shared store {owner}"),
                recipe=found.recipe,
                requires=found.requires,
                shared=str(owner),
            )
            publish(entry, staging)
        report(f"{wanted.label}: {megabytes(entry.size)} used in place, in {found.path}")
        return entry

    def _needs(self, wanted: Recipe) -> int:
        """Bytes that are still to be written for an entry and what it is made of, as far as the catalogue says."""
        entry = self._layout.read(wanted)
        if (entry is not None and entry.untouched()) or self._in_shared(wanted, silent) is not None:
            return 0
        if wanted.build is None:
            parts = [self._part(file, wanted, silent) for file in wanted.files]
            return sum(max(0, (part.size or 0) - part.offset) for part in parts)
        own = sum(file.size or 0 for file in wanted.files)
        return own + sum(self._needs(each) for each in wanted.requires)

    def _make(self, wanted: Recipe, report: Report) -> StoreEntry:
        self._room.require(self._needs(wanted), wanted.label)
        for each in wanted.requires:
            self.ensure(each, report)
        self._layout.downloads.mkdir(parents=True, exist_ok=True)
        with self._layout.staged(wanted) as staging:
            if wanted.build is None:
                records, source = self._collect(wanted, staging, report)
            else:
                source = f"build {wanted.build.entry_point} version {wanted.build.version}"
                report(f"{wanted.label}: {source}")
                inputs = {each.name: self._layout.folder(each) for each in wanted.requires}
                records = builds.run(wanted, wanted.build, inputs, staging)
            entry = self._layout.entry(wanted, records, source)
            publish(entry, staging)
        report(f"{wanted.label}: ready, {megabytes(entry.size)} in {entry.path}")
        return entry

    def _collect(self, wanted: Recipe, staging: Path, report: Report) -> tuple[tuple[FileRecord, ...], str]:
        """Fetch every file into the staging folder; their records and where they came from."""
        parts = [self._part(file, wanted, report) for file in wanted.files]
        labels = []
        with self._sources(wanted, report) as sources:
            for file, part in zip(wanted.files, parts, strict=True):
                with self._layout.lock(part.path.stem, report):
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

        elsewhere = Elsewhere(caches() if self._offer.elsewhere is None else self._offer.elsewhere)
        with Packages(self._layout.downloads, self._layout.locks, report, self._room_for(wanted)) as packages:
            yield Sources(
                self._offer.mirrors,
                self._offer.supplied,
                elsewhere=elsewhere,
                offline=self._offer.offline,
                packages=packages,
                report=report,
            )

    def _room_for(self, wanted: Recipe) -> Callable[[int], None]:
        return lambda needed: self._room.require(needed, wanted.label)

    def _part(self, file: WantedFile, wanted: Recipe, report: Report) -> Part:
        path = self._layout.downloads / f"{file.checksum[1]}.part"
        return Part(path, file.checksum, file.size, report, self._room_for(wanted))
