"""run.json and cell.json: read, checked against their schemas, every mistake named at once."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, kind: str) -> dict[str, Any]:
    """A checked run file (`kind` "run") or cell file ("cell").

    Raises:
        InputError: It is missing, is not JSON or breaks the schema; every place is listed.
    """
    try:
        value = files.read_json(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", fix="name an existing file") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", fix="write it anew") from error
    check(value, kind, str(path))
    checked: dict[str, Any] = value
    return checked


def check(value: object, kind: str, name: str) -> None:
    """Check a run or cell object against its schema.

    Raises:
        InputError: It breaks the schema.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (half of a short command's start-up)

    schema = json.loads(resources.files(__package__).joinpath("schemas", f"{kind}.json").read_text(encoding="utf-8"))
    problems = []
    for error in sorted(Draft202012Validator(schema).iter_errors(value), key=lambda item: list(map(str, item.path))):
        place = ".".join(map(str, error.absolute_path)) or kind
        hint = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
        problems.append(f"{place}: {error.message}" + (f" ({hint.rstrip('.')})" if hint else ""))
    if problems:
        raise InputError(f"{name}: " + "; ".join(problems), fix="correct the named variables")
