"""`loadfleet catalogue`: what can be run. Kept free of slow imports: an answer takes less than 0.3 s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from loadfleet import catalogue
from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON
from loadfleet.cli.table import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadfleet.catalogue import Entry


@click.group()
def command() -> None:
    """Workloads, models, data sets, backends, implementations, platforms and rounds that can be used."""


@command.command("list")
@click.argument("kind", required=False)
@JSON
def list_command(kind: str | None, as_json: bool) -> None:
    """List every entry, or those of KIND."""
    _echo(catalogue.entries(kind), as_json=as_json)


@command.command("find")
@click.argument("tags", nargs=-1, required=True)
@JSON
def find_command(tags: tuple[str, ...], as_json: bool) -> None:
    """List the entries that all TAGS fit: kinds, tags, or parts of a name or title."""
    _echo(catalogue.find(tags), as_json=as_json)


@command.command("show")
@click.argument("kind_or_name")
@click.argument("name", required=False)
@JSON
def show_command(kind_or_name: str, name: str | None, as_json: bool) -> None:
    """Show one entry: `show KIND NAME`, or `show NAME` when one kind only has it."""
    entry = catalogue.lookup(kind_or_name) if name is None else catalogue.get(kind_or_name, name)
    if as_json:
        echo_json({"kind": entry.kind, "name": entry.name, "path": str(entry.path), "data": dict(entry.data)})
        return
    click.echo(f"# {entry.kind} {entry.name}, from {entry.path}")
    if entry.path.stem == entry.name:
        click.echo(entry.path.read_text(encoding="utf-8"), nl=False)
    else:  # a member of a family
        import yaml  # noqa: PLC0415  only needed here

        click.echo(yaml.safe_dump(dict(entry.data), sort_keys=False, allow_unicode=True, width=120), nl=False)


def _echo(found: Iterable[Entry], *, as_json: bool) -> None:
    rows = [_row(entry) for entry in found]
    if as_json:
        echo_json({"entries": rows})
    elif rows:
        lines = [(row["kind"], row["name"], row["title"], " ".join(row["tags"])) for row in rows]
        click.echo(aligned(("KIND", "NAME", "TITLE", "TAGS"), lines))
    else:
        click.echo("no entry fits; `loadfleet catalogue list` lists all", err=True)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "title": entry.title,
        "tags": list(entry.tags),
        "shipped": entry.shipped,
    }
