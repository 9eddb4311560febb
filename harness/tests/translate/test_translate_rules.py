"""The YAML files behind `loadfleet translate` keep their schema and name only what exists."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from typing import Any

import pytest
import yaml
from click import Command, Context, Group
from jsonschema import Draft202012Validator

from loadfleet import catalogue
from loadfleet.cli import cli
from loadfleet.translate import rules
from loadfleet.translate.conversions import CONVERSIONS

FILES = sorted(rules.DATA.glob("*.yml"))
SPECIAL = {"switch", "model", "all_scenarios", "environment"}


def _read(name: str) -> Any:
    return yaml.safe_load((rules.DATA / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_keeps_its_schema(path: Any) -> None:
    schema = json.loads(rules.SCHEMA.read_text(encoding="utf-8"))
    validator = Draft202012Validator({**schema, "$ref": f"#/$defs/{path.stem}"})
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)] == []


def test_the_schema_refuses_a_wrong_rule() -> None:
    schema = json.loads(rules.SCHEMA.read_text(encoding="utf-8"))
    validator = Draft202012Validator({**schema, "$ref": "#/$defs/flags"})
    for wrong in (
        {"names": ["x"]},
        {"names": ["x"], "not_yet": "no", "wording": "y"},
        {"names": ["x"], "value": "switch"},
    ):
        data = {"flags": {"common": [wrong], "benchmark": []}}
        assert list(validator.iter_errors(data)), wrong


def test_values_sections_and_words_exist() -> None:
    known = rules.load()
    outcomes = [*known.variations, *(rule for section in known.sections.values() for rule in section)]
    for rule in outcomes:
        if "value" in rule:
            assert rule["value"] in SPECIAL or rule["value"] in CONVERSIONS or rule["value"] in known.words, rule
        assert rule.get("nested", "common") in known.sections, rule
    for recipe in known.recipes:
        assert set(recipe["flags"]) <= set(known.sections), recipe["id"]
    assert known.flag("model", ["benchmark"])
    for flag in known.spelled_as_variations:
        assert known.flag(flag, ["benchmark"]), flag


def test_no_name_has_two_rules_in_a_section() -> None:
    known = rules.load()
    for section, entries in known.sections.items():
        counted = Counter(name for rule in entries for name in rule["names"])
        assert [name for name, count in counted.items() if count > 1] == [], section
    assert [name for name, count in Counter(recipe["id"] for recipe in known.recipes).items() if count > 1] == []


def test_words_are_values_of_ours() -> None:
    words = rules.load().words

    def values(table: str) -> set[str]:
        found: set[str] = set()
        for entry in words[table].values():
            value = entry.get("is") if isinstance(entry, dict) else entry
            found |= set(value if isinstance(value, list) else [value] if value else [])
        return found

    assert values("backend") <= {entry.name for entry in catalogue.entries("backend")}
    assert values("implementation") <= {entry.name for entry in catalogue.entries("implementation")}
    devices = {device for entry in catalogue.entries("backend") for device in entry.data["devices"]}
    assert values("device") <= devices
    assert values("execution") <= {"test", "valid"}
    assert values("mode") <= {"accuracy", "performance", "compliance"}


def _named_commands() -> list[str]:
    texts = [recipe["command"] for recipe in rules.load().recipes if "command" in recipe]
    for path in FILES:
        texts += re.findall(r"`(loadfleet [^`]+)`", path.read_text(encoding="utf-8"))
    return sorted(set(texts))


@pytest.mark.parametrize("text", _named_commands())
def test_a_command_that_is_named_exists(text: str) -> None:
    words = [word for word in shlex.split(text)[1:] if not word.startswith("{")]
    command: Command = cli
    while isinstance(command, Group) and words and not words[0].startswith("-"):
        found = command.get_command(Context(command), words.pop(0))
        assert found is not None, text
        command = found
    options = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
    assert [word for word in words if word.startswith("-") and word not in options] == []


def test_options_that_commands_get_exist() -> None:
    for recipe in rules.load().recipes:
        if "options" in recipe:
            group, name = recipe["command"].split()[1:3]
            found = cli.get_command(Context(cli), group)
            assert isinstance(found, Group)
            command = found.get_command(Context(found), name)
            assert command is not None
            known = {option for parameter in command.params for option in parameter.opts}
            assert {option.partition("=")[0] for option in recipe["options"].values()} <= known, recipe["id"]
