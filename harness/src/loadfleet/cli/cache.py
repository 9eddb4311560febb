"""`loadfleet cache`: the store of verified models and data sets on this host."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import click

from loadfleet import catalogue
from loadfleet.cli import _import, _removing, echo_json
from loadfleet.cli._entries import facts, say, select, state_of
from loadfleet.cli._options import JSON, STORE
from loadfleet.cli.table import age, aligned, size
from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.store import Store, room

if TYPE_CHECKING:
    from loadfleet.store import StoreEntry
    from loadfleet.store.usage import Use


@click.group()
def command() -> None:
    """Verified models and data sets on this host."""


for each in (_import.command, _removing.rm, _removing.pin, _removing.unpin):
    command.add_command(each)


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
@STORE
@JSON
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
    entry = store.ensure(kind, name, dry_run=dry_run, report=say)
    changed = entry.changed
    if pinned and not store.pinned(entry):
        changed = True
        if not dry_run:
            store.pin(entry)
    if as_json:
        lacks = {"lacks": _lacking(store, kind, name)} if dry_run else {}
        echo_json({**facts(entry), "changed": changed, "dry_run": dry_run, **lacks})
    else:
        click.echo(entry.path)


@command.command()
@click.argument("tags", nargs=-1)
@STORE
@JSON
def show(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """List what the store holds, or what of it all TAGS fit, and who uses it."""
    store = Store(store_path)
    use = store.use()
    found = [entry for entry in select(store, tags) if entry.path in use]
    left, made = (sum(each.size for each in group) for group in (store.leftovers(), store.made()))
    takes = sum(entry.takes for entry in found)
    if as_json:
        rows = [{**facts(entry), **_story(store, entry, use[entry.path])} for entry in found]
        sums = {"size": sum(entry.size for entry in found), "takes": takes, "leftovers": left, "made": made}
        echo_json({"store": str(store.path), "entries": rows, **sums, "free": store.free()})
        return
    if not found:
        click.echo(f"nothing in {store.path}" + (f" fits {' '.join(tags)}" if tags else ""), err=True)
    else:
        header = ("KIND", "NAME", "SIZE", "AGE", "LAST USED", "STATE", "USED BY", "DIGEST", "SOURCE")
        click.echo(aligned(header, [_line(store, each, use[each.path]) for each in found]))
        click.echo(f"{size(takes)} in {store.path}, {size(store.free())} free", err=True)
    if made:
        click.echo(
            f"{size(made)} are compiled models and choices of a backend, which runs make again: "
            "`loadfleet cache rm --made` removes them",
            err=True,
        )
    if left:
        click.echo(
            f"{size(left)} was left by interrupted processes: `loadfleet cache rm --leftovers` removes it", err=True
        )


@command.command()
@click.argument("tags", nargs=-1, required=True)
@STORE
@JSON
def find(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Print the folder of the one entry that is here, in use by the catalogue, and that all TAGS fit."""
    store = Store(store_path)
    found = [entry for entry in select(store, tags) if state_of(entry) in {"current", "unlisted"}]
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
        echo_json(facts(entries[0]))
    else:
        click.echo(entries[0].path)


@command.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Only list files that may be wanted ones, by size and name.")
@STORE
@JSON
def adopt(paths: tuple[str, ...], store_path: str, *, dry_run: bool, as_json: bool) -> None:
    """Take from PATHS, or from the caches of CM, MLC and CK, what the catalogue declares, told by checksum."""
    from loadfleet.store.adoption import adopt as taking  # noqa: PLC0415

    done = taking(Store(store_path), paths, dry_run=dry_run, report=say)
    if as_json:
        echo_json({"entries": [{**each.facts(), "dry_run": dry_run} for each in done]})
        return
    for each in done:
        click.echo(f"{each.kind} {each.name}: {each.words}")
    if not done:
        click.echo("nothing that the catalogue declares was found, or all of it is here already", err=True)


@command.command()
@click.argument("tags", nargs=-1)
@STORE
@JSON
def verify(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Hash the files of all entries, or of those that all TAGS fit; exit status 1 when one is wrong."""
    store = Store(store_path)
    checked = [(entry, store.verify(entry)) for entry in select(store, tags)]
    bad = [f"{entry.kind} {entry.name}" for entry, found in checked if found]
    if as_json:
        echo_json({"entries": [{**facts(entry), "problems": found} for entry, found in checked], "good": not bad})
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
        "state": state_of(entry),
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
        ", ".join([state_of(entry), *["pinned"] * store.pinned(entry), *["shared"] * bool(entry.shared)]),
        ", ".join([*runs, *use.entries]) or "-",
        entry.digest.removeprefix("sha256:")[:12],
        entry.source,
    )
