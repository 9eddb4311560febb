"""`loadfleet compliance`: audit files for LoadGen, and the verification of logs that any harness left."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON
from loadfleet.errors import InputError

_ROUND = click.option("--round", "round_name", help="The round's name; the newest by default.")
_MODEL = click.option("--model", required=True, help="Official name of the model: bert-99, llama2-70b-99.9, ...")
_SCENARIO = click.option("--scenario", required=True, help="Offline, Server, SingleStream, MultiStream, Interactive.")
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group("compliance")
def command() -> None:
    """TEST01 and its like: what LoadGen must be told, and whether the logs pass.

    Runs of Loadfleet do both by themselves: benchmark_modes [performance, accuracy, compliance]. These commands are for
    logs of other harnesses. `loadfleet catalogue list compliance` lists the tests.
    """


@command.command("audit")
@click.argument("test")
@_MODEL
@_SCENARIO
@_ROUND
@JSON
def audit(test: str, model: str, scenario: str, round_name: str | None, *, as_json: bool) -> None:
    """Print the audit.config of TEST, to be found by LoadGen in its working folder or by its explicit path."""
    from loadfleet.catalogue import rounds  # noqa: PLC0415
    from loadfleet.compliance import tests  # noqa: PLC0415
    from loadfleet.loadgen.settings import Settings  # noqa: PLC0415

    rules = rounds.load(round_name or rounds.newest())
    scenario = _scenario(rules.scenario(scenario), scenario, list(rules.scenarios))
    described = tests.describe(test, rules, rules.model(model).name, scenario)
    if as_json:
        echo_json({key: described[key] for key in ("test", "title", "needs", "audit", "seeds")})
        return
    click.echo(Settings("*", scenario, test, audit=described["audit"]).audit_config(), nl=False)
    for name, seed in described["seeds"].items():
        click.echo(f"*.*.{name} = {seed}")


@command.command("verify")
@click.argument("test")
@click.option("--test", "logs", required=True, type=_FOLDER, help="Folder of LoadGen's logs of the test.")
@click.option("--results", type=_FOLDER, help="The scenario's folder: accuracy/ and performance/run_1/.")
@click.option(
    "--scored",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="What the accuracy script printed about the test's answers; becomes accuracy.txt.",
)
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="TEST0x is made in this folder.")
@_MODEL
@_SCENARIO
@_ROUND
@JSON
def verify(
    test: str,
    logs: Path,
    results: Path | None,
    scored: Path | None,
    output: Path,
    model: str,
    scenario: str,
    round_name: str | None,
    *,
    as_json: bool,
) -> None:
    """Verify the logs of TEST and make its folder for a submission. Exit status: 0 passed, 1 failed."""
    from loadfleet.catalogue import rounds  # noqa: PLC0415
    from loadfleet.compliance import folder  # noqa: PLC0415

    rules = rounds.load(round_name or rounds.newest())
    scenario = _scenario(rules.scenario(scenario), scenario, list(rules.scenarios))
    outcome = folder.make(test, rules, model, scenario, logs, results, scored, output)
    if as_json:
        echo_json({**outcome.as_json(), "folder": str(output / test)})
    else:
        for check in outcome.checks:
            click.echo(f"{check.about}: {'passed' if check.passed else 'failed'}: {check.words}")
        click.echo(f"{test} {'passed' if outcome.passed else 'failed'}: {output / test}")
    sys.exit(0 if outcome.passed else 1)


def _scenario(found: str | None, given: str, known: list[str]) -> str:
    if found is None:
        raise InputError(f"--scenario: {given!r} is not known", fix=f"use one of: {', '.join(known)}")
    return found
