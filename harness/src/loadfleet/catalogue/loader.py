"""Finding and parsing catalogue files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from loadfleet.catalogue import families
from loadfleet.catalogue.entry import KINDS, Entry, folder_of, kind_of
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATA = Path(__file__).parent / "data"
OVERLAYS = "LOADFLEET_CATALOGUE"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# keys whose value a user may type as a search word, beside name, title and tags
_SEARCHED = ("workload", "format", "precision", "licence")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The C parser where PyYAML has it (ten times faster); refuses keys given twice, which PyYAML would take."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # called first for each mapping, and again where `<<` merges it, then with the merged keys already among its own
        if not getattr(node, "checked", False):
            node.checked = True  # type: ignore[attr-defined]
            _refuse_duplicates(node)
        super().flatten_mapping(node)


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)


def get(kind: str, name: str, overlay: Path | None = None) -> Entry:
    """The entry of that kind and name; only its own file is parsed, or the families where it has none.

    Args:
        kind: One of `KINDS`, singular or plural.
        name: The file's name without .yml.
        overlay: A folder of the same layout that is looked into last, such as that of a store.

    Raises:
        InputError: No such kind or entry (with the closest names), or its file is not valid.
    """
    kind = kind_of(kind)
    if _NAME.fullmatch(name):
        for folder, shipped in _folders(kind, overlay):
            path = folder / f"{name}.yml"
            if path.is_file():
                return _read(kind, path, shipped=shipped)
            if name in (related := _related(kind, folder, shipped=shipped)):
                return related[name]
    known = [place.name for place in _files(kind, overlay)]
    raise InputError(f"no {kind} named {name!r} in the catalogue", fix=_advice(name, known, kind))


def lookup(name: str) -> Entry:
    """The entry of that name, whatever its kind.

    Raises:
        InputError: No entry has the name, or several kinds have one.
    """
    found = [kind for kind in KINDS for place in _files(kind) if place.name == name]
    if len(found) == 1:
        return get(found[0], name)
    if found:
        raise InputError(f"{name!r} is the name of a {' and of a '.join(found)}", fix="name the kind before it")
    known = [place.name for kind in KINDS for place in _files(kind)]
    raise InputError(f"nothing in the catalogue is named {name!r}", fix=_advice(name, known, None))


def entries(kind: str | None = None) -> list[Entry]:
    """All entries of a kind, or of every kind, ordered by kind and name.

    Raises:
        InputError: No such kind, or a file is not valid.
    """
    kinds = KINDS if kind is None else (kind_of(kind),)
    return [place.read(each) for each in kinds for place in _files(each)]


def find(words: Iterable[str], kind: str | None = None) -> list[Entry]:
    """The entries that every word fits (see `matches`).

    Raises:
        InputError: A file of the catalogue is not valid.
    """
    wanted = list(words)
    return [entry for entry in entries(kind) if matches(entry, wanted)]


def matches(entry: Entry, words: Iterable[str]) -> bool:
    """Whether each word is the entry's kind, one of its tags, or part of its name, its title or a searched key.

    Case does not matter, and one word may hold several joined by commas.
    """
    exact = {entry.kind, folder_of(entry.kind), *(tag.lower() for tag in entry.tags)}
    texts = [entry.name, entry.title, *(str(entry.data.get(key) or "") for key in _SEARCHED)]
    haystack = "\n".join(texts).lower()
    split = (part for word in words for part in word.lower().split(",") if part)
    return all(part in exact or part in haystack for part in split)


def _folders(kind: str, last: Path | None = None) -> Iterator[tuple[Path, bool]]:
    """Folders that may hold entries of a kind, most important first, each with whether it is the shipped one."""
    for text in os.environ.get(OVERLAYS, "").split(os.pathsep):
        if not text:
            continue
        overlay = Path(text).expanduser()
        if not overlay.is_dir():
            raise InputError(f"{OVERLAYS} names {text!r}, which is not a folder", fix=f"correct or unset {OVERLAYS}")
        yield overlay / folder_of(kind), False
    yield DATA / folder_of(kind), True
    if last is not None:
        yield last / folder_of(kind), False


@dataclass(frozen=True)
class _Place:
    """Where an entry is: a file of its own, or already read as a member of a family."""

    name: str
    path: Path
    shipped: bool
    member: Entry | None = None

    def read(self, kind: str) -> Entry:
        return self.member or _read(kind, self.path, shipped=self.shipped)


def _files(kind: str, last: Path | None = None) -> list[_Place]:
    """The entries of a kind by name; of several with one name the most important."""
    found: dict[str, _Place] = {}
    for folder, shipped in _folders(kind, last):
        for path in folder.glob("*.yml"):
            found.setdefault(path.stem, _Place(path.stem, path, shipped))
        for name, entry in _related(kind, folder, shipped=shipped).items():
            found.setdefault(name, _Place(name, entry.path, shipped, entry))
    return [found[name] for name in sorted(found)]


def _related(kind: str, folder: Path, *, shipped: bool) -> dict[str, Entry]:
    """The members of all families in a folder, by name."""
    found: dict[str, Entry] = {}
    for path in sorted((folder / families.FOLDER).glob("*.yml")):
        for name, data in families.members(path, _parsed(path)).items():
            if name in found:
                raise InputError(
                    f"{path}: {name} is a member of {found[name].path.stem}, too", fix="rename one of them"
                )
            found[name] = _entry(kind, name, data, path, shipped=shipped)
    return found


def _read(kind: str, path: Path, *, shipped: bool) -> Entry:
    return _entry(kind, path.stem, _parsed(path), path, shipped=shipped)


def _parsed(path: Path) -> Any:
    try:
        return yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506  a safe loader
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {_one_line(error)}") from error


def _entry(kind: str, name: str, data: Any, path: Path, *, shipped: bool) -> Entry:
    if not shipped:  # shipped entries are validated by the tests
        from loadfleet.catalogue.validation import validate  # noqa: PLC0415  jsonschema is slow to import

        validate(kind, data, path, name)
    return Entry(kind=kind, name=name, data=data, path=path, shipped=shipped)


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark else problem


def _advice(name: str, known: list[str], kind: str | None) -> str:
    import difflib  # noqa: PLC0415  needed for this message only

    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or [each for each in known if name in each][:3]
    command = f"`loadfleet catalogue list {kind}`" if kind else "`loadfleet catalogue list`"
    if close:
        return f"did you mean {' or '.join(close)}? {command} lists all"
    return f"{command} lists all"
