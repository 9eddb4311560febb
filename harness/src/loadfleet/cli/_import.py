"""`loadfleet cache import`: a model of the user's own as an entry of the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON, STORE
from loadfleet.errors import InputError
from loadfleet.store import Store, room

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("import")
@click.argument("name")
@click.option("--workload", default="onnx", show_default=True, help="What it shall be run for.")
@click.option("--path", type=click.Path(path_type=Path), help="A file on this host.")
@click.option("--url", default="", help="Where to fetch it; needs --sha256.")
@click.option("--hf", default="", metavar="OWNER/REPO/FILE@REVISION", help="A file of a Hugging Face repository.")
@click.option("--sha256", default="", help="What the file must hash to.")
@click.option(
    "--shape", "shapes", multiple=True, metavar="INPUT=1,3,224,224", help="Whole shape of an input; repeatable."
)
@click.option("--samples", type=click.IntRange(min=1), help="How many inputs to make.  [default: 64, fewer large ones]")
@click.option("--preprocessing", default="", help="How data sets must be prepared for it, where that differs.")
@click.option("--mirror", "mirrors", multiple=True, help="Folder or URL that is asked first; may be repeated.")
@click.option(
    "--quota", default="", envvar="LOADFLEET_STORE_QUOTA", metavar="SIZE", help="Most that the store may take."
)
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option("--temporary", is_flag=True, help="The file will be gone: do not note it as a place to get it again.")
@click.option("--ask", is_flag=True, help="Name what is missing instead of failing.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@STORE
@JSON
def command(
    name: str,
    workload: str,
    path: Path | None,
    url: str,
    hf: str,
    sha256: str,
    shapes: tuple[str, ...],
    samples: int | None,
    preprocessing: str,
    mirrors: tuple[str, ...],
    quota: str,
    store_path: str,
    *,
    offline: bool,
    temporary: bool,
    ask: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Have an ONNX model of your own in the store, called NAME, with a catalogue entry beside it.

    Its signature is read and checked; with the workload onnx, inputs are described that fit it.
    """
    from loadfleet.imported import Request  # noqa: PLC0415  listing needs none of this
    from loadfleet.imported.add import add  # noqa: PLC0415

    if sum((path is not None, bool(url), bool(hf))) != 1:
        raise InputError("it is not said where the model is", fix="give one of --path, --url and --hf")
    store = Store(store_path, mirrors=mirrors, offline=offline, quota=room.parse(quota))
    place = path.expanduser() if path else None
    request = Request(
        name, workload, place, url, hf, sha256, temporary, dict(map(_shape, shapes)), samples, preprocessing
    )
    done = add(store, request, dry_run=dry_run, ask=ask, report=lambda line: click.echo(line, err=True))
    entry = done.model
    if as_json:
        facts = {"path": str(entry.path), "digest": entry.digest, "source": entry.source} if entry else {}
        echo_json(
            {
                "kind": "model",
                "name": name,
                **facts,
                "file": entry.files[0].name if entry and entry.files else None,
                "dataset": done.dataset or None,
                "changed": done.changed,
                "dry_run": dry_run,
                "lacks": list(done.lacks),
            }
        )
    elif done.lacks:
        click.echo(f"not on this host: {', '.join(done.lacks)}")
    else:
        click.echo(entry.path if entry else f"would import {name}")


def _shape(text: str) -> tuple[str, Sequence[int]]:
    name, _, sizes = text.rpartition("=")
    if not name or not all(size.strip().isdigit() for size in sizes.split(",")):
        raise InputError(f"--shape is {text!r}", fix="write INPUT=1,3,224,224")
    return name, [int(size) for size in sizes.split(",")]
