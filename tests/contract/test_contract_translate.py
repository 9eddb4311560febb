"""What `loadfleet translate` names of the collection exists: variables of roles, and playbooks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "harness/src/loadfleet/translate/data"
# arguments of commands, which are no variables of a playbook
ARGUMENTS = {"folder", "repository", "repository_branch"}


def _options() -> set[str]:
    known: set[str] = set()
    for role in (ROOT / "roles").iterdir():
        specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
        known |= set(specs["main"]["options"])
        # what several roles take their defaults from: store_path, results_path, artifact_mirrors
        known |= set(re.findall(r"\{\{ (\w+) \| default", (role / "defaults/main.yml").read_text(encoding="utf-8")))
    return known


def _named(value: Any) -> set[str]:
    """Variables that rules set."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "variable":
                found.add(each.partition(".")[0])
            elif key in {"set", "append", "unless"}:
                found |= set(each)
            else:
                found |= _named(each)
    elif isinstance(value, list):
        for each in value:
            found |= _named(each)
    return found


def test_variables_are_options_of_roles() -> None:
    named: set[str] = set()
    for path in DATA.glob("*.yml"):
        named |= _named(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert len(named) > 20
    assert named - _options() - ARGUMENTS == set()


def test_playbooks_exist() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in DATA.glob("*.yml"))
    named = set(re.findall(r"playbook: (\w+\.yml)", text)) | set(re.findall(r"playbooks/(\w+\.yml)", text))
    assert len(named) > 3
    assert {name for name in named if not (ROOT / "playbooks" / name).is_file()} == set()
