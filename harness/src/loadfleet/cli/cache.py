"""`loadfleet cache`: the store of verified models and data sets on this host."""

from __future__ import annotations

import datetime
import functools
from typing import TYPE_CHECKING, Any

import click

from loadfleet import catalogue
from loadfleet.cli import _import, echo_json
from loadfleet.cli.table import age, aligned, size
from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.store import Store, removal, room

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import StoreEntry
    from loadfleet.store.usage import Use

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


command.add_command(_import.command)


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
@click.option(
    "--shared-store",
    "shared",
    multiple=True,
    type=click.Path(),
    envvar="LOADFLEET_SHARED_STORE",
    show_envvar=True,
    help="Store that is only read, such as one that hosts share: its entries are used in place; may be repeated.",
)
@click.option(
    "--quota",
    default="",
    envvar="LOADFLEET_STORE_QUOTA",
    show_envvar=True,
    metavar="SIZE",
    help="Most that models, data sets and downloads may take, as in 200GB.",
)
@click.option("--pin", "pinned", is_flag=True, help="Pin the entry, so that nobody removes it by accident.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--for-model", help="Of a raw data set: have the form that is prepared for this model.")
@_store_option
@_JSON
def ensure(
    kind: str,
    name: str,
    for_model: str | None,
    mirrors: tuple[str, ...],
    supplied: tuple[str, ...],
    shared: tuple[str, ...],
    quota: str,
    store_path: str,
    *,
    pinned: bool,
    offline: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Have an entry: fetch or build it unless it is here, and verify it."""
    store = Store(
        store_path,
        mirrors=mirrors,
        supplied=_pairs(supplied),
        shared=shared,
        offline=offline,
        quota=room.parse(quota),
    )
    if for_model and catalogue.kind_of(kind) == "dataset":
        model = catalogue.get("model", for_model, store.catalogue)
        workload = catalogue.get("workload", model.data["workload"])
        name = catalogue.dataset_of(workload, model, name, store.catalogue).name
    entry = store.ensure(kind, name, dry_run=dry_run, report=_say)
    changed = entry.changed
    if pinned and not store.pinned(entry):
        changed = True
        if not dry_run:
            store.pin(entry)
    if as_json:
        lacks = {"lacks": _lacking(store, kind, name)} if dry_run else {}
        echo_json({**_facts(entry), "changed": changed, "dry_run": dry_run, **lacks})
    else:
        click.echo(entry.path)


@command.command()
@click.argument("tags", nargs=-1)
@_store_option
@_JSON
def show(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """List what the store holds, or what of it all TAGS fit, and who uses it."""
    store = Store(store_path)
    use = store.use()
    found = [entry for entry in _select(store, tags) if entry.path in use]
    left = sum(count for _, count in store.partial())
    takes = sum(entry.takes for entry in found)
    if as_json:
        rows = [{**_facts(entry), **_story(store, entry, use[entry.path])} for entry in found]
        sums = {"size": sum(entry.size for entry in found), "takes": takes, "partial": left, "free": store.free()}
        echo_json({"store": str(store.path), "entries": rows, **sums})
        return
    if not found:
        click.echo(f"nothing in {store.path}" + (f" fits {' '.join(tags)}" if tags else ""), err=True)
    else:
        header = ("KIND", "NAME", "SIZE", "AGE", "LAST USED", "STATE", "USED BY", "DIGEST", "SOURCE")
        click.echo(aligned(header, [_line(store, each, use[each.path]) for each in found]))
        click.echo(f"{size(takes)} in {store.path}, {size(store.free())} free", err=True)
    if left:
        click.echo(f"{size(left)} of interrupted downloads: `loadfleet cache rm --downloads` removes them", err=True)


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
@click.option("--older-than", metavar="AGE", help="Only what nobody has used for so long: 30d, 12h or 2w.")
@click.option("--all", "everything", is_flag=True, help="Needed to remove everything, when no TAGS are given.")
@click.option("--even-pinned", is_flag=True, help="Also entries that are pinned.")
@click.option("--downloads", is_flag=True, help="Also what interrupted downloads left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@_store_option
@_JSON
def rm(
    tags: tuple[str, ...],
    older_than: str | None,
    store_path: str,
    *,
    everything: bool,
    even_pinned: bool,
    downloads: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove the entries that all TAGS fit; pinned ones and those that a run is using are kept."""
    if not tags and not everything and not downloads and older_than is None:
        raise InputError(
            "nothing named to remove",
            fix="name tags (see `loadfleet cache show`), or give --older-than, --downloads or --all",
        )
    store, use = Store(store_path), {}
    oldest = removal.before(older_than)
    if tags or everything or older_than is not None:
        use = store.use()
    chosen = [each for each in _select(store, tags) if each.path in use and use[each.path].last < oldest]
    going, kept = removal.split(store, chosen, use, even_pinned=even_pinned)
    partial = store.partial() if downloads else []
    if not as_json:
        _tell(going, kept, partial, "would remove" if dry_run else "remove")
    if kept and not going and not partial:
        raise InputError(
            f"nothing to remove: {'; '.join(f'{each.kind} {each.name} is {why}' for each, why in kept)}",
            fix="give --even-pinned, or `loadfleet cache unpin` first"
            if any(why == removal.PINNED for _, why in kept)
            else "wait for the run, or stop it",
        )
    if (going or partial) and not dry_run and not yes:
        if as_json:
            raise InputError("--json cannot ask", fix="give --yes")
        if not _confirmed(f"Remove {len(going)} of {len(store.entries())} entries?"):
            click.echo("nothing removed")
            return
    if not dry_run:
        for entry in going:
            store.remove(entry)
        partial = store.drop_partial() if downloads else []
    if as_json:
        echo_json(
            {
                "removed": [_facts(entry) for entry in going],
                "kept": [{**_facts(entry), "reason": why} for entry, why in kept],
                "freed": sum(entry.takes for entry in going) + sum(count for _, count in partial),
                "dry_run": dry_run,
            }
        )
    elif not going and not partial:
        click.echo(f"nothing in {store.path}" + (f" fits {' '.join(tags)}" if tags else " is to be removed"), err=True)


def _tell(
    going: list[StoreEntry], kept: list[tuple[StoreEntry, str]], partial: list[tuple[Path, int]], verb: str
) -> None:
    for entry in going:
        click.echo(f"{verb} {entry.kind} {entry.name}, {size(entry.takes)}, {entry.path}")
    for path, count in partial:
        click.echo(f"{verb} what is there of a download, {size(count)}, {path}")
    for entry, why in kept:
        click.echo(f"keep {entry.kind} {entry.name}: {why}")


@command.command()
@click.argument("tags", nargs=-1, required=True)
@_store_option
@_JSON
def pin(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Keep the entries that all TAGS fit from being removed by accident."""
    store = Store(store_path)
    _pinning(store, tags, store.pin, "pinned", as_json=as_json)


@command.command()
@click.argument("tags", nargs=-1, required=True)
@_store_option
@_JSON
def unpin(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Let the entries that all TAGS fit be removed again."""
    store = Store(store_path)
    _pinning(store, tags, store.unpin, "unpinned", as_json=as_json)


def _pinning(
    store: Store, tags: tuple[str, ...], act: Callable[[StoreEntry], bool], word: str, *, as_json: bool
) -> None:
    found = _select(store, tags)
    if not found:
        raise InputError(
            f"nothing in {store.path} fits {' '.join(tags)}", fix="`loadfleet cache show` lists what there is"
        )
    done = [(entry, act(entry)) for entry in found]
    if as_json:
        echo_json({"entries": [{**_facts(entry), "changed": changed} for entry, changed in done]})
        return
    for entry, changed in done:
        click.echo(f"{entry.kind} {entry.name}: {'' if changed else 'already '}{word}")


@command.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Only list files that may be wanted ones, by size and name.")
@_store_option
@_JSON
def adopt(paths: tuple[str, ...], store_path: str, *, dry_run: bool, as_json: bool) -> None:
    """Take from PATHS, or from the caches of CM, MLC and CK, what the catalogue declares, told by checksum."""
    from loadfleet.store.adoption import adopt as taking  # noqa: PLC0415

    done = taking(Store(store_path), paths, dry_run=dry_run, report=_say)
    if as_json:
        echo_json({"entries": [{**each.facts(), "dry_run": dry_run} for each in done]})
        return
    for each in done:
        click.echo(f"{each.kind} {each.name}: {each.words}")
    if not done:
        click.echo("nothing that the catalogue declares was found, or all of it is here already", err=True)


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


def _story(store: Store, entry: StoreEntry, use: Use) -> dict[str, Any]:
    """What is known of an entry beside what it is."""
    return {
        "created": entry.created,
        "state": _state(entry),
        "takes": entry.takes,
        "pinned": store.pinned(entry),
        "shared": entry.shared,
        "recipe": entry.recipe,
        "requires": [dict(each) for each in entry.requires],
        "last_used": use.last.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "used_by": {"runs": use.runs, "entries": use.entries},
    }


def _line(store: Store, entry: StoreEntry, use: Use) -> tuple[str, ...]:
    now, created = datetime.datetime.now(datetime.UTC), datetime.datetime.fromisoformat(entry.created)
    runs = [f"{len(use.runs)} run{'s' if len(use.runs) > 1 else ''}"] if use.runs else []
    return (
        entry.kind,
        entry.name,
        size(entry.size),
        age((now - created).total_seconds()),
        age((now - use.last).total_seconds()),
        ", ".join([_state(entry), *["pinned"] * store.pinned(entry), *["shared"] * bool(entry.shared)]),
        ", ".join([*runs, *use.entries]) or "-",
        entry.digest.removeprefix("sha256:")[:12],
        entry.source,
    )


def _say(line: str) -> None:
    click.echo(line, err=True)


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.Abort:
        raise InputError("nobody answered whether to remove", fix="give --yes where nobody can be asked") from None
