"""`loadfleet cache`: the store of verified models and data sets on this host."""

from __future__ import annotations

import datetime
import functools
from typing import TYPE_CHECKING, Any

import click

from loadfleet import catalogue
from loadfleet.cli import echo_json
from loadfleet.cli.table import age, aligned, size
from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import StoreEntry

DEFAULT_STORE = "~/.cache/loadfleet"
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _store_option(function: Callable[..., None]) -> Callable[..., None]:
    @click.option(
        "--store",
        "store_path",
        envvar="LOADFLEET_STORE",
        default=DEFAULT_STORE,
        show_default=True,
        show_envvar=True,
        help="Folder of the store.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> None:
        function(*args, **options)

    return wrapper


@click.group()
def command() -> None:
    """Verified models and data sets on this host."""


@command.command()
@click.argument("kind")
@click.argument("name")
@click.option("--mirror", "mirrors", multiple=True, help="Folder or URL that is asked first; may be repeated.")
@click.option(
    "--supplied",
    "supplied",
    multiple=True,
    metavar="NAME=PATH",
    help="File or folder that holds what you supply for the entry NAME (or NAME/FILE); may be repeated.",
)
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@_store_option
@_JSON
def ensure(
    kind: str,
    name: str,
    mirrors: tuple[str, ...],
    supplied: tuple[str, ...],
    store_path: str,
    *,
    offline: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Have an entry: fetch or build it unless it is here, and verify it."""
    store = Store(store_path, mirrors=mirrors, supplied=_pairs(supplied), offline=offline)
    entry = store.ensure(kind, name, dry_run=dry_run, report=lambda line: click.echo(line, err=True))
    if as_json:
        lacks = {"lacks": _lacking(store, kind, name)} if dry_run else {}
        echo_json({**_facts(entry), "changed": entry.changed, "dry_run": dry_run, **lacks})
    else:
        click.echo(entry.path)


@command.command()
@click.argument("tags", nargs=-1)
@_store_option
@_JSON
def show(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """List what the store holds, or what of it all TAGS fit."""
    store = Store(store_path)
    found = _select(store, tags)
    if as_json:
        rows = [{**_facts(entry), "created": entry.created, "state": _state(entry)} for entry in found]
        echo_json({"store": str(store.path), "entries": rows, "size": sum(entry.size for entry in found)})
        return
    if not found:
        click.echo(f"nothing in {store.path}" + (f" fits {' '.join(tags)}" if tags else ""), err=True)
        return
    click.echo(aligned(("KIND", "NAME", "SIZE", "AGE", "STATE", "DIGEST", "SOURCE"), [_line(each) for each in found]))
    click.echo(f"{size(sum(entry.size for entry in found))} in {store.path}", err=True)


@command.command()
@click.argument("tags", nargs=-1, required=True)
@_store_option
@_JSON
def find(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Print the folder of the one entry that is here, in use by the catalogue, and that all TAGS fit."""
    store = Store(store_path)
    found = [entry for entry in _select(store, tags) if _state(entry) in {"current", "unlisted"}]
    exact = [entry for entry in found if set(tags) <= {entry.kind, entry.name} and entry.name in tags]
    entries = exact or found
    if not entries:
        raise NotReadyError(
            f"nothing usable in {store.path} fits {' '.join(tags)}", fix="`loadfleet cache ensure KIND NAME` brings it"
        )
    if len(entries) > 1:
        names = ", ".join(f"{entry.kind} {entry.name}" for entry in entries)
        raise InputError(
            f"{' '.join(tags)} fits {len(entries)} entries: {names}", fix="name more tags, or kind and name"
        )
    if as_json:
        echo_json(_facts(entries[0]))
    else:
        click.echo(entries[0].path)


@command.command()
@click.argument("tags", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Needed to remove everything, when no TAGS are given.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@_store_option
@_JSON
def rm(tags: tuple[str, ...], store_path: str, *, everything: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove the entries that all TAGS fit."""
    if not tags and not everything:
        raise InputError("nothing named to remove", fix="name tags (see `loadfleet cache show`), or give --all")
    store = Store(store_path)
    found = _select(store, tags)
    if not as_json:
        for entry in found:
            verb = "would remove" if dry_run else "remove"
            click.echo(f"{verb} {entry.kind} {entry.name}, {size(entry.size)}, {entry.path}")
    if found and not dry_run and not yes:
        if as_json:
            raise InputError("--json cannot ask", fix="give --yes")
        if not _confirmed(f"Remove {len(found)} of {len(store.entries())} entries?"):
            click.echo("nothing removed")
            return
    if not dry_run:
        for entry in found:
            store.remove(entry)
    if as_json:
        echo_json({"removed": [_facts(entry) for entry in found], "dry_run": dry_run})
    elif not found:
        click.echo(f"nothing in {store.path}" + (f" fits {' '.join(tags)}" if tags else ""), err=True)


@command.command()
@click.argument("tags", nargs=-1)
@_store_option
@_JSON
def verify(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Hash the files of all entries, or of those that all TAGS fit; exit status 1 when one is wrong."""
    store = Store(store_path)
    checked = [(entry, store.verify(entry)) for entry in _select(store, tags)]
    bad = [f"{entry.kind} {entry.name}" for entry, found in checked if found]
    if as_json:
        echo_json({"entries": [{**_facts(entry), "problems": found} for entry, found in checked], "good": not bad})
        click.get_current_context().exit(1 if bad else 0)
    for entry, found in checked:
        click.echo(f"{entry.kind} {entry.name}: {'; '.join(found) or 'good'}")
    if bad:
        raise BadResultError(
            f"{len(bad)} of {len(checked)} entries are damaged: {', '.join(bad)}",
            fix="`loadfleet cache ensure KIND NAME` makes an entry again",
        )


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """The paths of `NAME=PATH`, by name; every name has to be one of the catalogue."""
    pairs = {}
    for text in texts:
        key, _, path = text.partition("=")
        if not key or not path:
            raise InputError(f"--supplied {text} is not NAME=PATH", fix="name the entry and the file, as in name=/path")
        if not _has_files(key.partition("/")[0]):
            raise InputError(
                f"--supplied {text}: {key} is no model or data set", fix="`loadfleet catalogue list` lists them"
            )
        pairs[key] = path
    return pairs


def _has_files(name: str) -> bool:
    """Whether a model or a data set has that name.

    Raises:
        InputError: The catalogue has nothing of that name at all; with the closest ones.
    """
    for kind in ("dataset", "model"):
        try:
            catalogue.get(kind, name)
        except InputError:
            continue
        return True
    catalogue.lookup(name)
    return False


def _select(store: Store, tags: tuple[str, ...]) -> list[StoreEntry]:
    """Entries that every tag fits, by what the catalogue says of them, or by kind and name alone."""
    return [entry for entry in store.entries() if catalogue.matches(_listed(entry) or _bare(entry), tags)]


def _listed(entry: StoreEntry) -> catalogue.Entry | None:
    try:
        return catalogue.get(entry.kind, entry.name, _imported(entry))
    except InputError:  # removed from the catalogue since, or of an overlay that is not set now
        return None


def _imported(entry: StoreEntry) -> Path:
    """Where the entry's store keeps what was imported into it."""
    return Store(entry.path.parents[2]).catalogue


def _bare(entry: StoreEntry) -> catalogue.Entry:
    return catalogue.Entry(entry.kind, entry.name, {}, entry.path)


def _state(entry: StoreEntry) -> str:
    """`current`; `old` when the catalogue now wants another digest; `unlisted` without it; `touched` to be verified."""
    if not entry.untouched():
        return "touched"
    if _listed(entry) is None:
        return "unlisted"
    from loadfleet.store.recipe import resolve  # noqa: PLC0415

    return "current" if f"sha256:{resolve(entry.kind, entry.name, _imported(entry)).digest}" == entry.digest else "old"


def _facts(entry: StoreEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "path": str(entry.path),
        "digest": entry.digest,
        "size": entry.size,
        "source": entry.source,
        "files": [record.name for record in entry.files],
    }


def _lacking(store: Store, kind: str, name: str) -> list[dict[str, Any]]:
    """What whoever wants to supply an entry has to bring, under the name of its checksum or its own."""
    return [
        {"kind": each.kind, "name": each.name, "file": file.name, "checksum": file.checksum[1], "size": file.size}
        for each, file in store.lacking(kind, name)
    ]


def _line(entry: StoreEntry) -> tuple[str, ...]:
    created = datetime.datetime.fromisoformat(entry.created)
    old = (datetime.datetime.now(datetime.UTC) - created).total_seconds()
    digest = entry.digest.removeprefix("sha256:")[:12]
    return entry.kind, entry.name, size(entry.size), age(old), _state(entry), digest, entry.source


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.Abort:
        raise InputError("nobody answered whether to remove", fix="give --yes where nobody can be asked") from None
