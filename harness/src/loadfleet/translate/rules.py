"""The rules: what each program, command, flag, variation and word of theirs becomes. All of it is YAML in `data/`."""

from __future__ import annotations

import fnmatch
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadfleet.translate.request import Request

DATA = Path(__file__).parent / "data"
SCHEMA = Path(__file__).parent / "rules.json"


@dataclass(frozen=True)
class Rules:
    """What is in `data/`; the keys are described in `rules.json`."""

    programs: Mapping[str, dict[str, Any]]
    prefixes: frozenset[str]
    actions: Mapping[str, dict[str, Any]]
    kinds: Mapping[str, str]
    tagged_kinds: frozenset[str]
    environment_prefixes: tuple[str, ...]
    filler_tags: frozenset[str]
    search_words: Mapping[str, str]
    no_secrets: frozenset[str]
    recipes: tuple[dict[str, Any], ...]
    sections: Mapping[str, list[dict[str, Any]]]
    variations: tuple[dict[str, Any], ...]
    spelled_as_variations: tuple[str, ...]
    words: Mapping[str, dict[str, Any]]
    models: Mapping[str, dict[str, Any]]
    _exact: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def recipe(self, request: Request) -> dict[str, Any] | None:
        """What the command is for: of the entries that fit it the one that says most about it, then the first."""
        best: tuple[int, dict[str, Any]] | None = None
        for recipe in self.recipes:
            for condition in recipe["when"]:
                score = _fit(condition, request)
                if score is not None and (best is None or score > best[0]):
                    best = (score, recipe)
        return best[1] if best else None

    def flag(self, name: str, sections: Iterable[str]) -> dict[str, Any] | None:
        """The rule of a flag, of the first section that has one; names that are spelled out go before patterns."""
        wanted = list(dict.fromkeys([*sections, "common"]))
        for section in wanted:
            if not any(key[0] == section for key in self._exact):
                self._exact.update(
                    {(section, each): rule for rule in reversed(self.sections[section]) for each in rule["names"]}
                )
            if rule := self._exact.get((section, name)):
                return rule
        for section in wanted:
            for rule in self.sections[section]:
                if any("*" in pattern and fnmatch.fnmatchcase(name, pattern) for pattern in rule["names"]):
                    return rule
        return None

    def known_flags(self, sections: Iterable[str]) -> list[str]:
        """Names without patterns, to name the closest one to an unknown flag."""
        found = {name for section in [*sections, "common"] for rule in self.sections[section] for name in rule["names"]}
        return sorted(name for name in found if "*" not in name)


@functools.cache
def load() -> Rules:
    """The rules of the distribution."""
    parts = {path.stem: _read(path) for path in DATA.glob("*.yml")}
    grammar = parts["grammar"]
    return Rules(
        programs=grammar["programs"],
        prefixes=frozenset(grammar["prefixes"]),
        actions=grammar["actions"],
        kinds=grammar["kinds"],
        tagged_kinds=frozenset(grammar["tagged_kinds"]),
        environment_prefixes=tuple(grammar["environment_prefixes"]),
        filler_tags=frozenset(grammar["filler_tags"]),
        search_words=grammar["search_words"],
        no_secrets=frozenset(grammar["no_secrets"]),
        recipes=tuple(parts["commands"]["commands"]),
        sections=parts["flags"]["flags"],
        variations=tuple(parts["variations"]["variations"]),
        spelled_as_variations=tuple(parts["variations"]["words_of_flags"]),
        words=parts["words"]["words"],
        models=parts["models"]["models"],
    )


def _read(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data: dict[str, Any] = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506  a safe loader
    return data


def _fit(condition: Mapping[str, Any], request: Request) -> int | None:
    """How many things of the request a condition names; None when one of them is not so."""
    tags = condition.get("tags", [])
    given = {*request.tags, *(f"_{each}" for each in request.variations)}
    name = request.names[0] if request.names else ""
    fits = (
        request.program in condition.get("program", [request.program])
        and request.action in condition.get("action", [request.action])
        and request.kind in condition.get("kind", [request.kind])
        and fnmatch.fnmatchcase(name, condition.get("name", "*"))
        and given.issuperset(tags)
        and _has_flag(condition.get("flag", ""), request)
    )
    return len(condition) + 2 * len(tags) if fits else None


def _has_flag(wanted: str, request: Request) -> bool:
    """Whether a flag was given as `name=pattern of its value`; "" wants none."""
    name, _, pattern = wanted.partition("=")
    return not wanted or any(
        flag.name == name and fnmatch.fnmatchcase(flag.value or "", pattern) for flag in request.flags
    )
