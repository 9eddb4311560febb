"""`loadfleet cache rm`, `pin` and `unpin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from loadfleet.cli import echo_json
from loadfleet.cli._entries import facts, select
from loadfleet.cli._options import JSON, STORE
from loadfleet.cli.table import size
from loadfleet.errors import InputError
from loadfleet.store import Store, removal

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadfleet.store import StoreEntry
    from loadfleet.store.leftovers import Leftover
    from loadfleet.store.made import Made


@click.command()
@click.argument("tags", nargs=-1)
@click.option("--older-than", metavar="AGE", help="Only what nobody has used for so long: 30d, 12h or 2w.")
@click.option("--all", "everything", is_flag=True, help="Needed to remove everything, when no TAGS are given.")
@click.option("--even-pinned", is_flag=True, help="Also entries that are pinned.")
@click.option("--leftovers", is_flag=True, help="Also what interrupted downloads and killed processes left.")
@click.option("--made", is_flag=True, help="Also compiled models and choices of a backend, which runs make again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@STORE
@JSON
def rm(
    tags: tuple[str, ...],
    older_than: str | None,
    store_path: str,
    *,
    everything: bool,
    even_pinned: bool,
    leftovers: bool,
    made: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove the entries that all TAGS fit; pinned ones and those that a run is using are kept."""
    if not (tags or everything or leftovers or made) and older_than is None:
        raise InputError(
            "nothing named to remove",
            fix="name tags (see `loadfleet cache show`), or give --older-than, --leftovers, --made or --all",
        )
    store, use = Store(store_path), {}
    oldest = removal.before(older_than)
    if tags or everything or older_than is not None:
        use = store.use()
    chosen = [each for each in select(store, tags) if each.path in use and use[each.path].last < oldest]
    going, kept = removal.split(store, chosen, use, even_pinned=even_pinned)
    left: list[Leftover | Made] = [*(store.leftovers() if leftovers else []), *(store.made() if made else [])]
    if not as_json:
        _tell(going, kept, left, "would remove" if dry_run else "remove")
    if kept and not going and not left:
        raise InputError(
            f"nothing to remove: {'; '.join(f'{each.kind} {each.name} is {why}' for each, why in kept)}",
            fix="give --even-pinned, or `loadfleet cache unpin` first"
            if any(why == removal.PINNED for _, why in kept)
            else "wait for the run, or stop it",
        )
    if (going or left) and not dry_run and not yes:
        if as_json:
            raise InputError("--json cannot ask", fix="give --yes")
        more = f" and {len(left)} other files and folders" if left else ""
        if not _confirmed(f"Remove {len(going)} of {len(store.entries())} entries{more}?"):
            click.echo("nothing removed")
            return
    if not dry_run:
        for entry in going:
            store.remove(entry)
        left = [*(store.drop_leftovers() if leftovers else []), *(store.drop_made() if made else [])]
    if as_json:
        echo_json(
            {
                "removed": [facts(entry) for entry in going],
                "kept": [{**facts(entry), "reason": why} for entry, why in kept],
                "dropped": [{"path": str(each.path), "what": each.what, "size": each.size} for each in left],
                "freed": sum(entry.takes for entry in going) + sum(each.size for each in left),
                "dry_run": dry_run,
            }
        )
    elif not going and not left:
        click.echo(f"nothing in {store.path}" + (f" fits {' '.join(tags)}" if tags else " is to be removed"), err=True)


def _tell(going: list[StoreEntry], kept: list[tuple[StoreEntry, str]], left: list[Leftover | Made], verb: str) -> None:
    for entry in going:
        click.echo(f"{verb} {entry.kind} {entry.name}, {size(entry.takes)}, {entry.path}")
    for each in left:
        click.echo(f"{verb} {each.what}, {size(each.size)}, {each.path}")
    for entry, why in kept:
        click.echo(f"keep {entry.kind} {entry.name}: {why}")


@click.command()
@click.argument("tags", nargs=-1, required=True)
@STORE
@JSON
def pin(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Keep the entries that all TAGS fit from being removed by accident."""
    store = Store(store_path)
    _pinning(store, tags, store.pin, "pinned", as_json=as_json)


@click.command()
@click.argument("tags", nargs=-1, required=True)
@STORE
@JSON
def unpin(tags: tuple[str, ...], store_path: str, *, as_json: bool) -> None:
    """Let the entries that all TAGS fit be removed again."""
    store = Store(store_path)
    _pinning(store, tags, store.unpin, "unpinned", as_json=as_json)


def _pinning(
    store: Store, tags: tuple[str, ...], act: Callable[[StoreEntry], bool], word: str, *, as_json: bool
) -> None:
    found = select(store, tags)
    if not found:
        raise InputError(
            f"nothing in {store.path} fits {' '.join(tags)}", fix="`loadfleet cache show` lists what there is"
        )
    done = [(entry, act(entry)) for entry in found]
    if as_json:
        echo_json({"entries": [{**facts(entry), "changed": changed} for entry, changed in done]})
        return
    for entry, changed in done:
        click.echo(f"{entry.kind} {entry.name}: {'' if changed else 'already '}{word}")


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.Abort:
        raise InputError("nobody answered whether to remove", fix="give --yes where nobody can be asked") from None
