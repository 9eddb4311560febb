"""Files inside a package of a Python index: the wheel comes through pip, one member is taken, nothing is installed."""

from __future__ import annotations

import difflib
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.store.part import Part, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from loadfleet.store.entry import Report

_PREFIX = "wheels-"
_STALE_S = 86400.0


class Wheels:
    """Wheels fetched during one `ensure`, so that several files of one package cost one download.

    A context manager: the wheels are removed at the end. pip's own configuration decides which index is asked.
    """

    def __init__(self, downloads: Path, report: Report) -> None:
        self._downloads = downloads
        self._report = report
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._wheels: dict[str, Path] = {}

    def __enter__(self) -> Wheels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def fetch(self, source: Mapping[str, Any], part: Part) -> None:
        """Bring one member of a wheel.

        Raises:
            SourceError: pip cannot get the wheel, it is another one, or it has no such member.
            OSError: The disk cannot be written.
        """
        extract(self._wheel(source), source["member"], part)

    def _wheel(self, source: Mapping[str, Any]) -> Path:
        wanted: str = source["sha256"]
        if wanted not in self._wheels:
            if self._folder is None:
                self._remove_stale()
                self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=self._downloads)
            folder = Path(self._folder.name) / wanted
            folder.mkdir(exist_ok=True)
            wheel = pip_download(source["package"], source["version"], folder)
            actual = files.sha256(wheel)
            if actual != wanted:
                wheel.unlink()
                raise SourceError(f"pip brought {wheel.name} with sha256 {actual} instead of {wanted}")
            self._wheels[wanted] = wheel
        return self._wheels[wanted]

    def _remove_stale(self) -> None:
        """Folders of processes that were killed; a day is longer than any download."""
        for folder in self._downloads.glob(f"{_PREFIX}*"):
            if time.time() - folder.stat().st_mtime > _STALE_S:
                import shutil  # noqa: PLC0415

                shutil.rmtree(folder, ignore_errors=True)


def pip_download(package: str, version: str, folder: Path) -> Path:
    """Download one wheel, without its dependencies and never a source archive (building it would run its code).

    Raises:
        SourceError: pip is missing or failed; the last of its errors.
    """
    options = "--no-deps --only-binary=:all: --no-input --quiet --progress-bar=off --disable-pip-version-check"
    command = [sys.executable, "-m", "pip", "download", *options.split(), "--dest", str(folder)]
    done = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no wheel came"]
        raise SourceError("pip: " + errors[-1].removeprefix("ERROR:").strip())
    return wheels[0]


def extract(archive: Path, member: str, part: Part) -> None:
    """Stream one member of a zip archive; its own path never becomes a path on disk.

    Raises:
        SourceError: The archive is broken, or the member is missing, not a plain file, or not the wanted content.
        OSError: The disk cannot be written.
    """
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member:
        raise SourceError(f"refused: the member {member!r} leads out of the archive")
    try:
        with zipfile.ZipFile(archive) as package:
            try:
                info = package.getinfo(member)
            except KeyError:
                close = difflib.get_close_matches(member, package.namelist(), n=2)
                hint = f" (it has {', '.join(close)})" if close else ""
                raise SourceError(f"{archive.name} has no member {member}{hint}") from None
            if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
                raise SourceError(f"{member} in {archive.name} is not a plain file")
            with package.open(info) as stream:
                part.write(stream, total=info.file_size)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{archive.name} is not a good archive: {error}") from error
