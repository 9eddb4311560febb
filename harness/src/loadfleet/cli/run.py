"""`loadfleet run`: a playbook through the Python API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from loadfleet.cli import _runs, echo_json
from loadfleet.errors import InputError


@click.command()
@click.argument("playbook")
@click.option("-i", "--inventory", required=True, help="File, folder, or hosts with a comma such as `localhost,`.")
@click.option(
    "-e",
    "--extra-vars",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable; the value is read as YAML. Also @FILE and '{...}', as ansible-playbook takes them.",
)
@_runs.secret_option("A variable with the value of an environment variable; in no process list, log or artifact.")
@click.option("-l", "--limit", help="Hosts to run on.")
@click.option("-t", "--tags", multiple=True, help="Tags to run.")
@click.option("-C", "--check", is_flag=True, help="Change nothing, run nothing: say what would be done.")
@click.option("--run-id", help="Continue or adopt this run; a new one by default.")
@click.option("--results-path", type=click.Path(path_type=Path, file_okay=False), help="Where results are brought to.")
@click.option("--timeout", type=float, metavar="SECONDS", help="End the run after that time, on the hosts too.")
@click.option(
    "--project-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the playbooks; by default this clone or the installed collection.",
)
@click.option(
    "--keep-artifacts", is_flag=True, help="Keep ansible-runner's artifacts, without environment and secrets."
)
@_runs.JUNIT
@_runs.JSON
def command(
    playbook: str,
    inventory: str,
    extra_vars: tuple[str, ...],
    secret: tuple[str, ...],
    limit: str | None,
    tags: tuple[str, ...],
    check: bool,
    run_id: str | None,
    results_path: Path | None,
    timeout: float | None,
    project_dir: Path | None,
    keep_artifacts: bool,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Run PLAYBOOK (`bert.yml`, or a path) and print its results.

    Ctrl-C stops the hosts too; `loadfleet resume` continues.

    Exit status: 0 good, 1 a result is bad, 2 wrong input, 3 not ready, 4 interrupted.
    """
    from loadfleet.fleet import RunRequest, run_playbook  # noqa: PLC0415
    from loadfleet.fleet.display import shown_on  # noqa: PLC0415

    with shown_on(sys.stderr if as_json else sys.stdout) as show:
        result = run_playbook(
            RunRequest(
                playbook=playbook,
                inventory=inventory,
                project_dir=project_dir,
                extra_vars=_variables(extra_vars),
                secrets=_runs.secrets(secret),
                run_id=run_id,
                results_path=results_path,
                limit=limit,
                tags=tags,
                check=check,
                timeout_s=timeout,
                keep=keep_artifacts,
                on_progress=show,
            )
        )
    _runs.write_junit(result, junit)
    if as_json:
        echo_json(result.as_dict())
    else:
        _runs.print_result(result)
    sys.exit(result.exit_code)


def _variables(given: tuple[str, ...]) -> dict[str, Any]:
    """Variables of `-e`: NAME=VALUE with a YAML value, @FILE, or a YAML or JSON object; later ones win."""
    import yaml  # noqa: PLC0415

    variables: dict[str, Any] = {}
    for text in given:
        try:
            if text.startswith("@"):
                value = yaml.safe_load(Path(text[1:]).read_text(encoding="utf-8"))
            elif text.lstrip().startswith("{"):
                value = yaml.safe_load(text)
            else:
                name, equals, rest = text.partition("=")
                if not equals or not name.isidentifier():
                    raise InputError(
                        f"-e {text}: not NAME=VALUE", fix="Write -e benchmark_execution=test, for example."
                    )
                value = {name: yaml.safe_load(rest) if rest else ""}
        except OSError as error:
            raise InputError(f"-e {text}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"-e {text}: not YAML: {error}") from error
        if not isinstance(value, dict):
            raise InputError(f"-e {text}: an object of names and values is expected, found {type(value).__name__}")
        variables.update(value)
    return variables
