"""Entries that differ in a few values only, as one file: `<kinds>/families/<family>.yml`.

    parts: {...}                 # optional: anything that members refer to by YAML anchors
    common: {title: "Net {width}, {side} pixels", ...}
    members:
      net-1.0-224: {width: 1.0, side: 224}

Each member becomes an entry of its name: `common` with every `{key}` replaced by the member's value. A text that is
nothing but one `{key}` becomes the value itself, a number or a mapping. `{name}` is the member's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = "families"
_KEYS = {"parts", "common", "members"}
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def members(path: Path, family: object) -> dict[str, dict[str, Any]]:
    """The entries of a family by name.

    Args:
        path: Its file, for errors.
        family: What is in it.

    Raises:
        InputError: It is no family, or `common` names a value that a member lacks.
    """
    if (
        not isinstance(family, dict)
        or not set(family) <= _KEYS
        or not all(isinstance(family.get(key), dict) for key in ("common", "members"))
    ):
        raise InputError(f"{path}: a family has the keys common and members", fix="see loadfleet.catalogue.families")
    found = {}
    for name, values in family["members"].items():
        known = {**(values or {}), "name": name}
        try:
            found[str(name)] = {"name": name, **_filled(family["common"], known)}
        except KeyError as error:
            raise InputError(
                f"{path}: {name} has no value for {{{error.args[0]}}}", fix="add it to the member"
            ) from None
    return found


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        return {_filled(key, values): _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    if not isinstance(template, str):
        return template
    if whole := _PLACE.fullmatch(template):
        return values[whole[1]]
    return _PLACE.sub(lambda place: str(values[place[1]]), template)
