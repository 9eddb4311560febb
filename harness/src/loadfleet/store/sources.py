"""One file from the first of its sources that has it: the operator's mirrors, then those of the catalogue, in order."""

from __future__ import annotations

import functools
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.errors import NotReadyError
from loadfleet.store import download
from loadfleet.store.guards import megabytes
from loadfleet.store.part import Part, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from loadfleet.store.elsewhere import Elsewhere
    from loadfleet.store.entry import Report
    from loadfleet.store.packages import Packages
    from loadfleet.store.recipe import Recipe, WantedFile

_OFFLINE = "not asked: offline"
_REGISTRIES = {"package": "package", "npm": "npm package", "debian": "Debian package"}


@dataclass(frozen=True)
class Source:
    """A place that may have a file.

    Attributes:
        label: What people read, without passwords; recorded in `entry.json`.
        fetch: Fills a part completely or raises SourceError.
    """

    label: str
    fetch: Callable[[Part], None]


class Sources:
    """Where files come from on this host.

    Args:
        mirrors: Folders or URLs (file, http, https) that hold files under their checksum or their name.
        supplied: File or folder on this host by the name of an entry, or by `NAME/FILE` for one of several files.
        offline: Never use the network.
        elsewhere: Folders of other tools that may have a file.
        packages: Where packages and archives are kept during one `ensure`.
    """

    def __init__(
        self,
        mirrors: Sequence[str],
        supplied: Mapping[str, str],
        *,
        elsewhere: Elsewhere,
        offline: bool,
        packages: Packages,
        report: Report,
    ) -> None:
        self._mirrors = mirrors
        self._supplied = supplied
        self._elsewhere = elsewhere
        self._offline = offline
        self._packages = packages
        self._report = report

    def fetch(self, recipe: Recipe, file: WantedFile, part: Part) -> str:
        """Fill the part; the label of the source that did.

        Raises:
            NotReadyError: No source has the file: lists what each answered, and how to supply it by hand.
            OSError: The disk cannot be written.
        """
        if part.finished():
            return "an earlier download"
        answers = []
        for source in self.of(recipe, file):
            self._report(f"{file.name}: asking {source.label}")
            try:
                source.fetch(part)
            except SourceError as error:
                self._report(f"  {error}")
                answers.append(f"\n  {source.label}: {error}")
            else:
                return source.label
        size = f", {megabytes(file.size)}" if file.size is not None else ""
        raise NotReadyError(
            f"no source has {file.name} of {recipe.label} ({' '.join(file.checksum)}{size}):" + "".join(answers),
            fix=_fix(recipe, file) + ("; or leave out artifact_offline (`--offline`)" if self._unasked(file) else ""),
        )

    def of(self, recipe: Recipe, file: WantedFile) -> Iterator[Source]:
        """The sources of a file in the order they are asked."""
        for key in (f"{recipe.name}/{file.name}", recipe.name):
            if key in self._supplied:
                yield self._supply(Path(self._supplied[key]).expanduser(), file)
        for mirror in self._mirrors:
            yield Source(f"mirror {download.shown(mirror)}", self._mirror(mirror, file))
        if not file.embedded:
            for path in self._elsewhere.candidates(file):
                yield Source(f"found {path}", functools.partial(_copy, path))
        for source in file.sources:
            yield self._declared(source, recipe.embedded)

    def _unasked(self, file: WantedFile) -> bool:
        """Whether a source was not asked since it needs the network."""
        asks = any(source["type"] not in {"embedded", "operator"} for source in file.sources)
        return self._offline and asks

    def _supply(self, path: Path, file: WantedFile) -> Source:
        label = f"supplied {path}"
        return Source(label, self._mirror(str(path), file) if path.is_dir() else lambda part: _copy(path, part))

    def _declared(self, source: Mapping[str, Any], embedded: Path) -> Source:
        if source["type"] == "url":
            label = f"url {download.shown(source['url'])}"
            if "member" in source:
                return Source(label, lambda part: self._package(source, part))
            return Source(label, lambda part: self._location(source["url"], part))
        if "package" in source:
            label = f"{_REGISTRIES[source['type']]} {source['package']} {source['version']}"
            return Source(label, lambda part: self._package(source, part))
        if source["type"] == "operator":
            return Source("the operator", lambda _: _nothing_supplied(source["hint"]))
        return Source(f"embedded {source['path']}", lambda part: _copy(embedded / source["path"], part))

    def _mirror(self, mirror: str, file: WantedFile) -> Callable[[Part], None]:
        def fetch(part: Part) -> None:
            answers = []
            for name in (file.checksum[1], file.name):
                try:
                    self._location(f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}", part)
                except SourceError as error:
                    if error.unreachable:
                        raise
                    answers.append(f"{name}: {error}")
                else:
                    return
            raise SourceError("; ".join(answers))

        return fetch

    def _location(self, location: str, part: Part) -> None:
        """A file at a URL or a plain path."""
        parts = urllib.parse.urlsplit(location)
        if parts.scheme in {"http", "https"}:
            if self._offline:
                raise SourceError(_OFFLINE, unreachable=True)
            download.fetch(location, part, self._report)
        else:
            path = urllib.request.url2pathname(parts.path) if parts.scheme == "file" else location
            _copy(Path(path).expanduser(), part)

    def _package(self, source: Mapping[str, Any], part: Part) -> None:
        if self._offline:
            raise SourceError(_OFFLINE, unreachable=True)
        self._packages.fetch(source, part)


def _nothing_supplied(hint: str) -> None:
    raise SourceError(f"you have to supply it: {hint}")


def _fix(recipe: Recipe, file: WantedFile) -> str:
    """How somebody who has the file gives it to the store."""
    if any(source["type"] == "operator" for source in file.sources):
        key = recipe.name if len(recipe.files) == 1 else f"{recipe.name}/{file.name}"
        return (
            f"get {file.name}, then name it: `--supplied {key}=/path/of/{file.name}`, in a playbook "
            f"artifact_supplied: {{{key}: /path/of/{file.name}}}; or put it into a folder of artifact_mirrors"
        )
    return (
        f"put the file, named {file.name} or by its checksum, into a folder or on a web server, "
        "and name that in artifact_mirrors (`--mirror`)"
    )


def _copy(path: Path, part: Part) -> None:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise SourceError("not there") from None
    except OSError as error:
        raise SourceError(str(error.strerror)) from error
    with stream:
        part.write(stream, total=path.stat().st_size)
