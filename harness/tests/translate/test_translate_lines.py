"""Every command line that the documents of CK, CM and MLC on MLPerf Inference show translates."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Context, Group

from loadfleet import catalogue
from loadfleet.cli import cli
from loadfleet.cli._variables import parsed
from loadfleet.translate import translate

DOCUMENTS: dict[str, list[list[str]]] = yaml.safe_load(
    (Path(__file__).parent / "lines.yml").read_text(encoding="utf-8")
)
LINES = [(line, ours) for lines in DOCUMENTS.values() for line, ours in lines]


def _variables(command: str) -> dict[str, Any]:
    """What the command line of ours says, read as `loadfleet run` and Ansible read it."""
    words = shlex.split(command)
    return parsed(tuple(word for before, word in pairwise(words) if before == "-e"))


def _accepts(words: list[str]) -> Context:
    """Our command with its arguments parsed; wrong ones raise."""
    command, name = cli, words[0]
    rest = words[1:]
    while isinstance(command, Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        found = command.get_command(Context(command), name)
        assert found is not None, words
        command = found
    return command.make_context(name, rest, resilient_parsing="--help" in rest or "--version" in rest)


def test_the_table_is_worth_its_name() -> None:
    assert len(LINES) >= 150
    assert {line.split()[0] for line, _ in LINES} >= {"cm", "cmr", "ck", "mlcr", "mlc"}


@pytest.mark.parametrize(("line", "ours"), LINES, ids=[line[:90] for line, _ in LINES])
def test_a_documented_line_translates(line: str, ours: str) -> None:
    (found,) = translate(line)
    command = found.command()
    assert found.unknown == []
    assert found.about
    assert (found.playbook or command or "-").startswith(ours), command
    if found.playbook:
        assert command.startswith(f"ansible-playbook playbooks/{found.playbook} -i inventory")
        assert _variables(command) == found.variables
        assert found.command(program="loadfleet").startswith(f"loadfleet run {found.playbook} -i inventory")
    elif command:
        assert _accepts(shlex.split(command))
    else:
        assert found.says or found.missing or found.parts
    for part in found.parts:
        assert part.ours if part.status == "set" else part.why, part


def test_a_workload_that_is_not_there_is_named() -> None:
    known = {entry.name for entry in catalogue.entries("workload")}
    for line, ours in LINES:
        (found,) = translate(line)
        workload = ours.removesuffix(".yml")
        if ours.endswith(".yml") and workload not in {*known, "prepare", "submit", "run", "mobilenets"}:
            assert any(f"the workload {workload} is not there yet" in reason for reason in found.missing), line
        if workload in known and found.playbook == ours:
            assert found.missing == [], line
