"""Values that must never be written down: which variables hold them, and how they are blotted out of texts.

Their names are written down, their values are not: they go from process to process on standard input and in memory.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

BLOT = "********"
# The same pattern as in the collection (plugins/module_utils/_hidden.py). `TOKENIZERS_PARALLELISM` is none.
_NAME = re.compile(
    r"passw|passphrase|secret|credential|api_?key|(^|[_.-])(pass|pwd|auth|token|key)s?([_.-]|$)|(pass|token|key)$",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(file|path|dir)$", re.IGNORECASE)
_SHORTEST = 4  # shorter ones would blot out half of every word


def is_secret(name: str) -> bool:
    """Whether a variable of that name holds a secret. The place of one (`..._FILE`, `..._PATH`) is none."""
    return bool(_NAME.search(name)) and not _PLACE.search(name)


def split(variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Variables that may be written down, and those that may not."""
    return (
        {name: value for name, value in variables.items() if not is_secret(name)},
        {name: value for name, value in variables.items() if is_secret(name)},
    )


def texts(values: object) -> list[str]:
    """Every text in nested values that is long enough to be told from ordinary words, longest first."""
    return sorted({text for text in _texts(values) if len(text) >= _SHORTEST}, key=len, reverse=True)


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        # As it is, and as it stands in JSON.
        yield from {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def merged(variables: Mapping[str, Any], secrets: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and secrets as Ansible takes them, from secrets whose names may have dots.

    `benchmark_environment.API_TOKEN` makes `benchmark_environment` a secret as a whole, with the rest of it.
    """
    public, hidden = copy.deepcopy(dict(variables)), {}
    for name, value in secrets.items():
        top, *inner = name.split(".")
        if not inner:
            hidden[top] = value
            continue
        place = hidden.setdefault(top, public.pop(top, {}))
        for part in inner[:-1]:
            place = place.setdefault(part, {})
        place[inner[-1]] = value
    return public, hidden


def blot(text: str, hidden: Iterable[str]) -> str:
    """`text` with every hidden text replaced."""
    for secret in hidden:
        text = text.replace(secret, BLOT)
    return text


def blot_value(value: Any, hidden: Iterable[str]) -> Any:
    """A JSON value with every hidden text replaced in its texts; keys stay."""
    hidden = list(hidden)
    if isinstance(value, str):
        return blot(value, hidden)
    if isinstance(value, dict):
        return {key: blot_value(part, hidden) for key, part in value.items()}
    return [blot_value(part, hidden) for part in value] if isinstance(value, list | tuple) else value


def blot_file(path: Path, hidden: Iterable[str]) -> bool:
    """Replace every hidden text in a log that nobody writes to any more; returns whether there was one.

    Read line by line: a secret with a line break in it is looked for as it stands in JSON only.
    """
    wanted = [secret.encode() for secret in hidden]
    if not wanted or not path.is_file():
        return False
    with path.open("rb") as stream:
        if not any(secret in line for line in stream for secret in wanted):
            return False
    clean = path.with_name(f".{path.name}.clean")
    with path.open("rb") as stream, clean.open("wb") as out:
        for line in stream:
            for secret in wanted:
                line = line.replace(secret, BLOT.encode())  # noqa: PLW2901 - each secret in turn
            out.write(line)
    clean.chmod(path.stat().st_mode & 0o777)
    clean.replace(path)
    return True
