"""Takes a command of theirs apart, before anything of ours is thought of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loadfleet import hidden
from loadfleet.translate.request import Flag, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.translate.rules import Rules

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def normal(name: str) -> str:
    """The one spelling of a flag's name that is compared."""
    return name.strip("-").replace("-", "_")


def exported(words: Sequence[str]) -> dict[str, str] | None:
    """The variables that a command sets for those after it; None when it is not such a command."""
    rest = list(words[1:] if words[0] in {"export", "set"} else words)
    found = {match[1]: match[2] for word in rest if (match := _ASSIGNMENT.fullmatch(word))}
    return found if found and len(found) == len(rest) else None


def read(words: Sequence[str], rules: Rules, environment: Mapping[str, str]) -> Request | None:
    """A command of theirs taken apart; None when it is not one of theirs."""
    rest = list(words)
    prefixes: list[str] = []
    assigned = dict(environment)
    while rest and rest[0] not in rules.programs:
        match = _ASSIGNMENT.fullmatch(rest[0])
        if match:
            assigned[match[1]] = match[2]
        elif rest[0] in rules.prefixes:
            prefixes.append(rest[0])
        else:
            return None
        del rest[0]
    if not rest:
        return None
    request = Request(words=tuple(masked(word, rules) for word in rest), program=rest[0], prefixes=prefixes)
    request.flags = [Flag(f"env.{name}", value, masked(f"{name}={value}", rules)) for name, value in assigned.items()]
    plain = _flags_apart(rest[1:], request, rules)
    _action(plain, request, rules)
    return request


def options(text: str) -> list[Flag]:
    """Flags of a program inside a value (`--qps 400 --time=610`): a word without dashes is the value before it."""
    found: list[Flag] = []
    for word in text.split():
        if word.startswith("-") and not re.fullmatch(r"-[0-9.]+", word):
            name, equals, value = word.partition("=")
            found.append(Flag(normal(name), value if equals else None, word))
        elif found and found[-1].value is None:
            found[-1] = Flag(found[-1].name, word, f"{found[-1].text} {word}")
        else:
            found.append(Flag(word, None, word))
    return found


def masked(word: str, rules: Rules) -> str:
    """A word as it may be shown and written down: without the value where its name is that of a secret."""
    name, equals, value = word.partition("=")
    named = name.strip("-").rpartition(".")[2]
    if equals and value and not value.startswith("<") and named not in rules.no_secrets and hidden.is_secret(named):
        return f"{name}={hidden.BLOT}"
    return word


def _flags_apart(words: Sequence[str], request: Request, rules: Rules) -> list[str]:
    """Puts flags into the request; the other words."""
    plain: list[str] = []
    for at, given in enumerate(words):
        if given == "--":
            request.tail = list(words[at + 1 :])
            break
        # documentation has optional flags in brackets
        word = given.strip("()") if given.startswith("(") else given
        if word.startswith("-") and len(word) > 1:
            name, equals, value = word.partition("=")
            if name.endswith("-") and not equals:
                name, equals, value = name[:-1], "=", "no"
            if normal(name) == "tags":
                _tags(value, request)
            else:
                request.flags.append(Flag(normal(name), value if equals else None, masked(word, rules)))
        elif word.startswith("@"):
            request.flags.append(Flag("@", word[1:], word))
        else:
            plain.append(word)
    return plain


def _tags(text: str, request: Request) -> None:
    for tag in re.split(r"[,\s]+", text.strip("=")):
        if tag.startswith("_"):
            request.variations.append(tag[1:])
        elif tag:
            request.tags.append(tag)


def _action(plain: list[str], request: Request, rules: Rules) -> None:
    stands_for = rules.programs[request.program]
    words = [*stands_for.get("words", []), *plain]
    request.action = words[0] if words else ""
    request.kind = words[1] if len(words) > 1 else ""
    names = words[2:]
    # CK writes repository:kind:name and kind:name
    if request.program == "ck" and ":" in request.kind:
        before, _, name = request.kind.rpartition(":")
        request.kind = before.rpartition(":")[2]
        names.insert(0, name)
    alias = rules.actions.get(request.action, {})
    request.implied = [*stands_for.get("flags", []), *alias.get("flags", [])]
    request.action = alias.get("as", request.action)
    request.kind = rules.kinds.get(request.kind, request.kind)
    if request.kind in rules.tagged_kinds:
        _tags(",".join(names), request)
    else:
        request.names = names
