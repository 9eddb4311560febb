"""The option `-e`: variables of playbooks on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loadfleet.errors import InputError

EXTRA_VARS = click.option(
    "-e",
    "--extra-vars",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable; the value is read as YAML. Also @FILE and '{...}', as ansible-playbook takes them.",
)


def parsed(given: tuple[str, ...]) -> dict[str, Any]:
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
