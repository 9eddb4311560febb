"""The command `loadfleet`: arguments only, one file per command group, each imported when it is used."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import click

from loadfleet import __version__
from loadfleet.errors import LoadfleetError

# command -> (module below loadfleet.cli, its line in `loadfleet --help`)
COMMANDS: dict[str, tuple[str, str]] = {
    "agent": ("agent", "Run the cells of one run on this host, detached."),
    "bundle": ("bundle", "One archive with everything a site without a network needs."),
    "cache": ("cache", "The store of verified models and data sets on this host."),
    "catalogue": ("catalogue", "What can be run: workloads, models, data sets, backends, rounds."),
    "cell": ("cell", "One LoadGen run."),
    "compliance": ("compliance", "Audit files and verification of compliance tests."),
    "doctor": ("doctor", "What keeps hosts from measuring, or from measuring well."),
    "plan": ("plan", "The cells a run file stands for."),
    "results": ("results", "Read results: table, report, comparison."),
    "resume": ("resume", "Continue a run: only what is missing runs."),
    "run": ("run", "Run a playbook through the Python API, from a shell or CI."),
    "stop": ("stop", "End a run on its hosts; it can be continued."),
    "submission": ("submission", "Generate, truncate, check and pack a submission."),
    "translate": ("translate", "A command line of CM, CK or MLC in our words."),
    "tune": ("tune", "Settings that were found, and what a run at some settings will take."),
    "watch": ("watch", "Look on at a run that goes on."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use: `--help` and `catalogue list` stay fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"loadfleet.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loadfleet")
def cli() -> None:
    """Run MLPerf Inference benchmarks, from one cell to a checked submission.

    Exit status: 0 good, 1 ran and the result is bad, 2 wrong input, 3 not ready, 4 interrupted.
    """


def main() -> None:
    """Entry point: every `LoadfleetError` becomes one message on stderr and its exit status.

    With `--json` among the arguments the error is one JSON object on stdout.
    """
    try:
        cli(prog_name="loadfleet")
    except LoadfleetError as error:
        if "--json" in sys.argv:
            click.echo(json.dumps({"schema_version": 1, "error": error.message, "fix": error.fix}))
        click.echo(f"loadfleet: {error}", err=True)
        sys.exit(error.exit_code)


def echo_json(value: dict[str, Any]) -> None:
    """Print one JSON object with `schema_version`, the shape of every `--json` answer."""
    click.echo(json.dumps({"schema_version": 1, **value}, indent=2))
