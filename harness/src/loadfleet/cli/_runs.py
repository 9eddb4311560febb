"""What `run`, `resume`, `stop` and `watch` have in common: options, secrets, the last words."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from loadfleet.cli import echo_json
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

RUN = click.argument("run", metavar="RUN")
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object at the end; progress goes to stderr."
)
INVENTORY = click.option("-i", "--inventory", help="Instead of the inventory the run was started with.")
JUNIT = click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit file: one test case for each cell."
)


def secret_option(help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`--secret NAME=ENVIRONMENT_VARIABLE`, any number of times."""
    return click.option("--secret", multiple=True, metavar="NAME=ENVIRONMENT_VARIABLE", help=help_text)


def secrets(given: tuple[str, ...]) -> dict[str, str]:
    """Values of `--secret`, from environment variables. A name may have dots: `benchmark_environment.API_TOKEN`.

    Raises:
        InputError: A word is not NAME=VARIABLE, or the variable is not set.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, source = text.partition("=")
        if not equals or not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"--secret {name}: not NAME=ENVIRONMENT_VARIABLE")
        if source not in os.environ:
            raise InputError(f"--secret {name}: the environment variable {source} is not set")
        found[name] = os.environ[source]
    return found


def end(result: Any, junit: Path | None, *, as_json: bool) -> NoReturn:
    """The last words about a `RunResult`, its JUnit file when one is wanted, and its exit status."""
    _write_junit(result, junit)
    if as_json:
        echo_json(result.as_dict())
    else:
        _print_result(result)
    sys.exit(result.exit_code)


def _print_result(result: Any) -> None:
    """Failures, table and recap of a `RunResult`."""
    from loadfleet.results.summary import write_text  # noqa: PLC0415

    print_failures(result)
    if result.results:
        click.echo()
        write_text(result.results)
    if result.exit_code == 4:
        stopped = {True: "the hosts were stopped", False: "the hosts could NOT be told to stop", None: ""}[
            result.stopped
        ]
        words = f"{result.status}{', ' if stopped else ''}{stopped}"
        click.echo(f"{words}; loadfleet resume {result.run_id} continues it")
    recap = [f"{name} ok={host.ok} changed={host.changed} failed={host.failed}" for name, host in result.hosts.items()]
    click.echo(f"{result.status} after {result.duration_s:.1f} s{': ' if recap else ''}{'; '.join(recap)}")
    if result.artifacts_path:
        click.echo(f"artifacts: {result.artifacts_path}")


def print_failures(result: Any) -> None:
    """The failed tasks of a `RunResult`."""
    for failure in result.failures:
        where = f"{failure.host}, {failure.task}: " if failure.host else ""
        click.secho(f"failed: {where}{failure.message}", fg="red")


def _write_junit(result: Any, path: Path | None) -> None:
    """The JUnit file of a `RunResult`, when one is wanted."""
    if path is None:
        return
    from loadfleet.results import junit  # noqa: PLC0415

    junit.write(path, result.results, run_id=result.run_id, seconds=result.duration_s, failures=result.failures)
