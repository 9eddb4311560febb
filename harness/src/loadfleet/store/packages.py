"""Files inside packages and archives: these are brought once and verified, members are taken, nothing is installed.

Packages come through the client of their registry, so that its own configuration (index, proxy, mirror, certificates)
decides where from; archives come from their address.
"""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.store import archives, download
from loadfleet.store.guards import exclusive
from loadfleet.store.layout import PACKAGES, STALE_S
from loadfleet.store.part import Part, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from loadfleet.store.entry import Report


class Packages:
    """Packages and archives brought during one `ensure`, so that several files of one cost one download.

    A context manager: they are removed at the end.

    Args:
        downloads: Folder for partial downloads.
        locks: Folder for locks.
        report: Told what is going on.
        room: Told how many bytes will be written; raises when there is no room for them.
    """

    def __init__(self, downloads: Path, locks: Path, report: Report, room: Callable[[int], None]) -> None:
        self._downloads = downloads
        self._locks = locks
        self._report = report
        self._room = room
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._have: dict[str, Path] = {}

    def __enter__(self) -> Packages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def fetch(self, source: Mapping[str, Any], part: Part) -> None:
        """Bring one member of a package or an archive; without `member` the package itself.

        Raises:
            SourceError: It cannot be had, it is another one, or it has no such member.
            NotReadyError: The disk has no room for it.
            OSError: The disk cannot be written.
        """
        archive = self._archive(source)
        if "member" in source:
            extract(archive, source["member"], part)
        else:
            with archive.open("rb") as stream:
                part.write(stream, total=archive.stat().st_size)

    def _archive(self, source: Mapping[str, Any]) -> Path:
        wanted: str = source["sha256"]
        if wanted not in self._have:
            if self._folder is None:
                self._remove_stale()
                self._folder = tempfile.TemporaryDirectory(prefix=PACKAGES, dir=self._downloads)
            folder = Path(self._folder.name) / wanted
            folder.mkdir(exist_ok=True)
            self._have[wanted] = self._download(source, folder) if "url" in source else _package(source, folder)
        return self._have[wanted]

    def _download(self, source: Mapping[str, Any], folder: Path) -> Path:
        """An archive from its address, continued where an earlier attempt ended."""
        wanted = source["sha256"]
        part = Part(
            self._downloads / f"{wanted}.part", ("sha256", wanted), source.get("size"), self._report, self._room
        )
        with exclusive(
            self._locks / f"{wanted}.lock", lambda: self._report("  waiting for another process that downloads it")
        ):
            if not part.finished():
                download.fetch(source["url"], part, self._report)
            part.move(folder / "archive")
        return folder / "archive"

    def _remove_stale(self) -> None:
        """Folders of processes that were killed; a day is longer than any download."""
        for folder in self._downloads.glob(f"{PACKAGES}*"):
            if time.time() - folder.stat().st_mtime > STALE_S:
                shutil.rmtree(folder, ignore_errors=True)


def _package(source: Mapping[str, Any], folder: Path) -> Path:
    """A package of a registry, verified."""
    archive = _CLIENTS[source["type"]](source, folder)
    actual = files.sha256(archive)
    if actual != source["sha256"]:
        archive.unlink()
        raise SourceError(f"brought {archive.name} with sha256 {actual} instead of {source['sha256']}")
    return archive


def pip_download(source: Mapping[str, Any], folder: Path) -> Path:
    """Download one wheel, without its dependencies and never a source archive (building it would run its code).

    Raises:
        SourceError: pip is missing or failed; the last of its errors.
    """
    options = "--no-deps --only-binary=:all: --no-input --quiet --progress-bar=off --disable-pip-version-check"
    command = [sys.executable, "-m", "pip", "download", *options.split(), "--dest", str(folder)]
    return _client("pip", [*command, f"{source['package']}=={source['version']}"], folder, "*.whl")


def npm_pack(source: Mapping[str, Any], folder: Path) -> Path:
    """Download the tarball of an npm package; no script of it is run.

    Raises:
        SourceError: npm is missing or failed; the last of its errors.
    """
    command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    return _client("npm", [*command, f"{source['package']}@{source['version']}"], folder, "*.tgz")


def apt_download(source: Mapping[str, Any], folder: Path) -> Path:
    """Download a Debian package with the host's sources, as any user; lists of its own where the host's do not know it.

    Raises:
        SourceError: apt is missing or failed; the last of its errors.
    """
    # As the user who runs this, below the folder: apt's own user could not write there.
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    wanted = ["download", f"{source['package']}={source['version']}"]
    try:
        return _client("apt", [*command, *wanted], folder, "*.deb")
    except SourceError as error:
        lists = folder / "apt"
        (lists / "lists").mkdir(parents=True, exist_ok=True)
        private = ["-o", f"Dir::State={lists}", "-o", f"Dir::Cache={lists}", "-o", "Dir::State::status=/dev/null"]
        try:
            _run("apt", [*command, *private, "update"], folder)
            return _client("apt", [*command, *private, *wanted], folder, "*.deb")
        except SourceError:
            raise error from None
        finally:
            shutil.rmtree(lists)


_CLIENTS: dict[str, Callable[[Mapping[str, Any], Path], Path]] = {
    "package": pip_download,
    "npm": npm_pack,
    "debian": apt_download,
}


def _client(name: str, command: list[str], folder: Path, pattern: str) -> Path:
    """The one file that a client of a registry puts into a folder."""
    lines = _run(name, command, folder)
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"{name}: {lines[-1] if lines else 'no package came'}")
    return found[0]


def _run(name: str, command: list[str], folder: Path) -> list[str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise SourceError(f"{command[0]} is not installed") from None
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    if done.returncode:
        errors = [line for line in lines if line.startswith(_ERRORS)] or lines or [f"exit status {done.returncode}"]
        line = errors[-1]
        for word in _ERRORS:
            line = line.removeprefix(word)
        raise SourceError(f"{name}: {line.strip()}")
    return lines


_ERRORS = ("ERROR:", "E:", "npm error", "npm ERR!")


def extract(archive: Path, member: str, part: Part) -> None:
    """Stream one member of an archive; its own path never becomes a path on disk.

    Raises:
        SourceError: The archive is broken, or the member is missing, not a plain file, or not the wanted content.
        NotReadyError: The disk has no room for it.
        OSError: The disk cannot be written.
    """
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member:
        raise SourceError(f"refused: the member {member!r} leads out of the archive")
    names = []
    try:
        for found in archives.members(archive):
            if found.name != member:
                names.append(found.name)
                continue
            if not found.plain:
                raise SourceError(f"{member} in {archive.name} is {found.what}, not a plain file")
            part.write(found.stream, total=found.size)
            return
    except (archives.ArchiveError, *archives.DAMAGE) as error:
        raise SourceError(f"{archive.name} is not a good archive: {error}") from error
    close = difflib.get_close_matches(member, names, n=2)
    hint = f" (it has {', '.join(close)})" if close else ""
    raise SourceError(f"{archive.name} has no member {member}{hint}")
