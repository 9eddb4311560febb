"""`loadfleet doctor`: what keeps hosts from measuring."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON
from loadfleet.errors import NotReadyError


@click.command("doctor")
@click.option("-i", "--inventory", help="Hosts to look at; this machine without it.")
@click.option("-l", "--limit", help="Only these hosts of the inventory.")
@click.option(
    "-e", "--extra-vars", multiple=True, metavar="NAME=VALUE", help="A variable, as `loadfleet run` takes it."
)
@click.option("--harness", is_flag=True, help="Only this environment and its store, without Ansible.")
@click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), envvar="LOADFLEET_STORE",
    default=Path("~/.cache/loadfleet"), show_default=True, help="Store on this machine.",
)  # fmt: skip
@click.option("--workload", default="bert", show_default=True, help="What will be measured.")
@click.option("--model", default="", help="Its model; the workload's default without it.")
@click.option("--dataset", default="", help="Its data set; the workload's default without it.")
@click.option("--backend", default="onnxruntime", show_default=True, help="What executes the model.")
@click.option("--device", default="cpu", show_default=True, help="The backend's device.")
@JSON
def command(
    inventory: str | None,
    limit: str | None,
    extra_vars: tuple[str, ...],
    harness: bool,
    store: Path,
    workload: str,
    model: str,
    dataset: str,
    backend: str,
    device: str,
    as_json: bool,
) -> None:
    """Say what keeps hosts from measuring, or from measuring well; nothing is changed.

    One line a check: ok; warn, a benchmark runs, or will after the host was prepared; fail, mend this first. Settings
    of an inventory's hosts come from the inventory (benchmark_device, store_path), of this machine from the options.

    Exit status: 0 nothing fails, 2 wrong input, 3 something fails.
    """
    from loadfleet import doctor  # noqa: PLC0415

    names = {"workload": workload, "model": model, "dataset": dataset, "backend": backend, "device": device}
    wish = doctor.asked(store.expanduser().absolute(), **names) if not inventory else None
    if wish is not None and (harness or not _playbooks()):
        checks = doctor.as_dicts(doctor.examine(wish))
        status = doctor.worst(check["status"] for check in checks)
        if as_json:
            echo_json({"status": status, "checks": checks})
        else:
            click.echo(doctor.text("this environment", checks))
            if not harness:
                click.echo("The machine itself is looked at where the playbooks are: in a clone, or by -i.")
        sys.exit(3 if status == doctor.FAIL else 0)
    from loadfleet.cli._variables import parsed  # noqa: PLC0415
    from loadfleet.fleet.doctor import THIS_MACHINE, diagnose  # noqa: PLC0415

    variables = parsed(extra_vars)
    if wish is not None:
        own = {"store_path": str(wish.store)} | {f"benchmark_{name}": value for name, value in names.items() if value}
        variables = own | variables
    _show(diagnose(inventory or THIS_MACHINE, extra_vars=variables, limit=limit), as_json=as_json)


def _playbooks() -> bool:
    """Whether this machine has what looks at machines."""
    from loadfleet.fleet.project import find_project  # noqa: PLC0415

    try:
        find_project()
    except NotReadyError:
        return False
    return importlib.util.find_spec("ansible_runner") is not None


def _show(found: Any, *, as_json: bool) -> None:
    from loadfleet import doctor  # noqa: PLC0415

    everything = [check for checks in [*found.hosts.values(), found.controller] for check in checks]
    status = doctor.FAIL if found.failures else doctor.worst(check["status"] for check in everything)
    if as_json:
        failures = [{"host": one.host, "task": one.task, "message": one.message} for one in found.failures]
        echo_json({"status": status, "hosts": found.hosts, "controller": found.controller, "failures": failures})
    else:
        for title, checks in {"controller": found.controller, **found.hosts}.items():
            if checks:
                click.echo(doctor.text(title, checks))
        for one in found.failures:
            click.secho(f"failed: {one.host + ': ' if one.host else ''}{one.message}", fg="red")
        counts = ", ".join(
            f"{sum(check['status'] == word for check in everything)} {word}"
            for word in (doctor.OK, doctor.WARN, doctor.FAIL)
        )
        click.echo(f"{len(found.hosts)} host{'s' if len(found.hosts) != 1 else ''}: {counts}")
    sys.exit(found.exit_code)
