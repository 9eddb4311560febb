"""A build that unpacks an archive of another entry: into the store and nowhere else, plain files only, up to a limit.

As `artifact.build.entry_point` of a catalogue entry: `loadfleet.store.unpack:build`. The result appears as every other
entry: in a temporary folder first, verified, then by one rename.
"""

from __future__ import annotations

import fnmatch
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from loadfleet.errors import NotReadyError
from loadfleet.store import archives
from loadfleet.store.entry import ENTRY_FILE
from loadfleet.store.guards import megabytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadfleet.store.archives import Member

# Photos do not shrink at all, text shrinks to a fifth: an archive that grows more is a bomb.
RATIO = 100
_CHUNK = 1 << 20


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Unpack.

    Args:
        inputs: Folder of each required entry.
        output: An empty folder.
        parameters: `archive` (ENTRY/FILE); and as needed `members` (patterns of paths to take; all without), `strip`
            (leading folders to leave out), `files` (how many there must be), `bytes` (how many there may be at most;
            a hundred times the archive without).

    Raises:
        NotReadyError: The archive is damaged, holds too much or too little, or something that must not be unpacked.
    """
    entry, _, name = parameters["archive"].partition("/")
    path = inputs[entry] / name
    limit = parameters.get("bytes", RATIO * path.stat().st_size)
    patterns, strip = parameters.get("members", ["*"]), parameters.get("strip", 0)
    count, left = 0, limit
    try:
        for member in archives.members(path):
            if member.what == "a folder" or not _wanted(member, patterns):
                continue
            left -= member.size
            if left < 0:
                raise _refusal(
                    name,
                    f"it unpacks to more than {megabytes(limit)}",
                    "raise the parameter `bytes` of its catalogue entry if that is right",
                )
            _write(name, member, output.joinpath(*_place(name, member, strip)))
            count += 1
    except archives.ArchiveError as error:
        raise _refusal(name, f"{error}, after {count:,} files", "get the archive again") from error
    if count != parameters.get("files", count):
        raise _refusal(name, f"it holds {count:,} files instead of {parameters['files']:,}", "get the archive again")


def _wanted(member: Member, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(member.name, pattern) for pattern in patterns)


def _place(archive: str, member: Member, strip: int) -> tuple[str, ...]:
    """Where a member goes, as parts of a path.

    Raises:
        NotReadyError: It is no plain file, or its path leads out of the folder.
    """
    if not member.safe:
        raise _refusal(archive, f"the path {member.name!r} leads out of the folder", "do not use this archive")
    if not member.plain:
        raise _refusal(archive, f"{member.name} is {member.what}, not a plain file", "do not use this archive")
    parts = PurePosixPath(member.name).parts[strip:]
    if parts == (ENTRY_FILE,):
        raise _refusal(archive, f"it holds {ENTRY_FILE}, a name that the store needs", "leave it out by `members`")
    if not parts:
        raise _refusal(
            archive,
            f"nothing is left of {member.name} without {strip} folders",
            "lower the parameter `strip` of its catalogue entry",
        )
    return parts


def _write(archive: str, member: Member, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        out = place.open("xb")
    except (FileExistsError, NotADirectoryError):
        raise _refusal(archive, f"it holds {member.name} twice", "do not use this archive") from None
    with archives.in_words(), out:
        while piece := member.stream.read(_CHUNK):
            out.write(piece)


def _refusal(archive: str, words: str, fix: str) -> NotReadyError:
    return NotReadyError(f"{archive}: {words}; nothing of it was kept", fix=fix)
