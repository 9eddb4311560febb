"""Catalogue files against their JSON schemas (Draft 2020-12, `schemas/<kind>.json`)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMAS = Path(__file__).parent / "schemas"


def validate(kind: str, data: Any, path: Path, name: str = "") -> None:
    """Check one parsed file, or the member `name` of a family in it.

    Raises:
        InputError: It breaks its schema, or its name is not its file's; names the file, the key path and the value.
    """
    error = best_match(_validator(kind).iter_errors(data))
    if error is not None:
        raise InputError(f"{path}: {describe(error)}", fix=f"correct the file; its keys are described in {kind}.json")
    if data["name"] != (name or path.stem):
        raise InputError(f"{path}: name: {data['name']!r} is not the file's name", fix=f"set name: {name or path.stem}")


def problems(kind: str, data: Any) -> list[str]:
    """Every way in which parsed data breaks the schema of its kind, in words; empty when it does not."""
    return [describe(best_match([error]) or error) for error in _validator(kind).iter_errors(data)]


def describe(error: ValidationError) -> str:
    """Key path, what is wrong, and the value, on one line."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    value = json.dumps(error.instance, default=str)
    shown = value if len(value) <= 80 else f"{value[:77]}..."
    message = error.message if len(error.message) <= 200 else f"{error.message[:197]}..."
    return f"{where or 'top level'}: {message} (value: {shown})"


@functools.cache
def _validator(kind: str) -> Draft202012Validator:
    """The schema of a kind, with the files it refers to."""
    schemas = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.json")}
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    return Draft202012Validator(schemas[f"{kind}.json"], registry=registry)
