"""Bring published results into the index."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from loadfleet.errors import BadResultError
from loadfleet.results.history import tables, trees
from loadfleet.results.history.index import Added, writing
from loadfleet.results.history.published import PublishedResult
from loadfleet.results.history.sources import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from loadfleet.results.history.sources import Source

_BATCH = 500
_SHOWN = 1000


@dataclass
class Imported:
    """What an import did. `broken` has the first thousand entries that gave no result, `broken_count` all of them."""

    source: str
    kind: str
    index: Path
    added: Added = field(default_factory=Added)
    rounds: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    broken: list[trees.Broken] = field(default_factory=list)
    broken_count: int = 0
    seconds: float = 0.0

    @property
    def results(self) -> int:
        return self.added.added + self.added.known + self.added.completed

    def as_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            "source": self.source,
            "kind": self.kind,
            "index": str(self.index),
            "results": self.results,
            "added": self.added.added,
            "known": self.added.known,
            "completed": self.added.completed,
            "not_valid": self.invalid,
            "rounds": dict(sorted(self.rounds.items())),
            "broken": [{"location": entry.location, "why": entry.why} for entry in self.broken],
            "broken_count": self.broken_count,
            "seconds": round(self.seconds, 2),
        }


def import_results(
    what: str, index: Path, *, round_name: str = "", branch: str = "", report: Callable[[int], None] | None = None
) -> Imported:
    """Import a tree, an archive, a repository or a table; entries that cannot be read are reported, not fatal.

    Args:
        what: Path or git URL.
        index: The index, made when it is missing.
        round_name: The round, when its logs do not tell it.
        branch: Branch of a git URL.
        report: Called with the number of results read so far.

    Raises:
        InputError: There is nothing to import there.
        NotReadyError: git, the disk or the index is not ready.
        BadResultError: There are results, and none of them can be read.
    """
    if round_name:
        trees.nearest_round(round_name)
    started = time.monotonic()
    with opened(what, branch=branch) as source:
        done = Imported(source.name, source.kind, index)
        found = _good(_entries(source, round_name), done)
        with writing(index) as target:
            while batch := list(islice(found, _BATCH)):
                done.added += target.add(batch)
                done.rounds.update(row.round or "unknown" for row in batch)
                done.invalid += sum(not row.valid for row in batch)
                if report:
                    report(done.results)
    done.seconds = time.monotonic() - started
    if not done.results:
        why = "; ".join(f"{entry.location}: {entry.why}" for entry in done.broken[:3]) or "it has no entry at all"
        raise BadResultError(f"{done.source} gave no result: {why}", fix="Compare it with what was published.")
    return done


def _entries(source: Source, round_name: str) -> Iterator[PublishedResult | trees.Broken]:
    if source.table is not None:
        yield from tables.read(source.table, source.name, round_name=round_name)
    for root in source.roots:
        prefix = root.relative_to(source.folder).as_posix()
        yield from trees.read(
            root, source.name, prefix="" if prefix == "." else prefix, below=source.below, round_name=round_name
        )


def _good(entries: Iterator[PublishedResult | trees.Broken], done: Imported) -> Iterator[PublishedResult]:
    for entry in entries:
        if isinstance(entry, PublishedResult):
            yield entry
            continue
        done.broken_count += 1
        if len(done.broken) < _SHOWN:
            done.broken.append(entry)
