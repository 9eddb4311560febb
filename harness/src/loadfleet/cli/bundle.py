"""`loadfleet bundle`: everything a site without a network needs, in one archive."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import DEFAULT_STORE, JSON, STORE
from loadfleet.cli.table import size
from loadfleet.store import Store

if TYPE_CHECKING:
    from loadfleet.airgap import Applied

_HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@click.group()
def command() -> None:
    """One archive with wheels, models, data sets, playbooks and harness, for sites without a network."""


@command.command()
@click.option("--workload", default="bert", show_default=True, help="Whose models and data sets to take.")
@click.option("--model", "models", multiple=True, help="A model of the catalogue instead of the default; repeatable.")
@click.option("--dataset", "datasets", multiple=True, help="A data set instead of the default; repeatable.")
@click.option("--backend", default="onnxruntime", show_default=True, help="Whose wheels to take.")
@click.option("--backend-version", default="", help="Another version of it as well, as backend_version takes it.")
@click.option("--loadgen-version", default="", help="Another version of LoadGen as well.")
@click.option("--python", "pythons", multiple=True, default=[_HERE], show_default=True, help="Python; repeatable.")
@click.option("--platform", "platforms", multiple=True, help="Tag such as manylinux_2_28_x86_64; repeatable.")
@click.option("--project", type=click.Path(path_type=Path), help="The clone to take; else the current one.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="The archive to write.")
@STORE
@JSON
def create(
    workload: str,
    models: tuple[str, ...],
    datasets: tuple[str, ...],
    backend: str,
    backend_version: str,
    loadgen_version: str,
    pythons: tuple[str, ...],
    platforms: tuple[str, ...],
    project: Path | None,
    output: Path,
    store_path: str,
    *,
    as_json: bool,
) -> None:
    """Make a bundle, where there is a network. pip's own configuration decides where wheels come from."""
    from loadfleet.airgap import create as creating  # noqa: PLC0415  applying needs none of this
    from loadfleet.airgap.wheels import Target  # noqa: PLC0415
    from loadfleet.fleet.project import find_project  # noqa: PLC0415

    targets = tuple(Target(each, platforms) for each in pythons)
    wanted = creating.Wanted(workload, models, datasets, backend, targets, backend_version, loadgen_version)
    made = creating.create(wanted, (project or find_project()).absolute(), Store(store_path), output, _say)
    facts = {"path": str(made.path), "size": made.path.stat().st_size, "sha256": made.sha256, "seal": made.seal}
    if as_json:
        artifacts = [f"{item.kind} {item.name}" for item in made.manifest.artifacts]
        echo_json({**facts, "files": len(made.manifest.files), "artifacts": artifacts})
        return
    click.echo(f"{made.path}: {size(made.path.stat().st_size)}, {len(made.manifest.files)} files")
    click.echo(f"sha256 {made.sha256}")
    name = shlex.quote(made.path.name)
    click.echo(f"There, without a network: tar -xf {name} apply.py && python3 apply.py {name}")


@command.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--target",
    default="loadfleet-offline",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for wheels, settings and clone.",
)
@click.option("--clone", type=click.Path(path_type=Path), help="Folder for the clone instead of TARGET/loadfleet.")
@STORE
@JSON
def apply(bundle: Path, target: Path, clone: Path | None, store_path: str, *, as_json: bool) -> None:
    """Verify a bundle to the last byte, unpack it and say what to do next. Needs no network."""
    from loadfleet.airgap import apply as applying  # noqa: PLC0415

    done = applying(bundle, target, Store(store_path, offline=True), clone=clone, report=_say)
    if as_json:
        echo_json(
            {
                "wheelhouse": str(done.wheelhouse),
                "clone": str(done.clone),
                "settings": str(done.settings),
                "seal": done.seal,
                "entries": [
                    {"kind": each.kind, "name": each.name, "path": str(each.path), "changed": each.changed}
                    for each in done.entries
                ],
            }
        )
        return
    for each in done.entries:
        click.echo(f"{each.kind} {each.name}: {'new' if each.changed else 'was there'}, {each.path}")
    click.echo(f"{len(list(done.wheelhouse.iterdir()))} wheels: {done.wheelhouse}")
    click.echo("Next:")
    for line in commands(done):
        click.echo(f"  {line}")


def commands(done: Applied) -> list[str]:
    """What to type after a bundle was applied."""
    wheelhouse, words = shlex.quote(str(done.wheelhouse)), f"-e {shlex.quote(f'@{done.settings}')}"
    if done.store != Path(DEFAULT_STORE).expanduser():
        words += f" -e {shlex.quote(f'store_path={done.store}')}"
    return [
        f"cd {shlex.quote(str(done.clone))}",
        f"export PIP_NO_INDEX=1 PIP_FIND_LINKS={wheelhouse}",
        "make setup",
        f'make {done.manifest.workload} ARGS="{words}"',
    ]


def _say(line: str) -> None:
    click.echo(line, err=True)
