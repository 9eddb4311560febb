"""Every role has the same shape, and what it says of itself is true."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import option_table
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted((ROOT / "roles").iterdir())


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(params=ROLES, ids=[role.name for role in ROLES])
def role(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_the_same_files_everywhere(role: Path) -> None:
    for name in ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml"):
        assert (role / name).is_file(), name


def test_defaults_and_specification_list_the_same_options(role: Path) -> None:
    defaults, options = read(role / "defaults/main.yml") or {}, option_table.options(role)
    assert list(defaults) == list(options)
    for name, option in options.items():
        shown = option["default"]
        # The same value, however the lines are folded.
        assert str(shown).split() == str(defaults[name]).split(), name
        assert option["description"].strip().endswith("."), name


def test_every_default_says_what_it_is_for(role: Path) -> None:
    lines = (role / "defaults/main.yml").read_text(encoding="utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"\w+:", line):
            assert before.startswith("#"), line


def test_variables_are_named_after_the_role(role: Path) -> None:
    """<role>_x for users, _<role>_x derived, __<role>_x registered; the user's names of the design need no prefix."""
    for name in read(role / "defaults/main.yml"):
        assert name.startswith(f"{role.name}_"), name
    for path in (role / "vars").glob("*.yml"):
        for name in read(path):
            assert name.startswith(f"_{role.name}_"), name
    for path in (role / "tasks").glob("*.yml"):
        for task in read(path):
            assert task.get("register", f"__{role.name}_").startswith(f"__{role.name}_")
            for fact in task.get("ansible.builtin.set_fact", {}):
                assert fact.startswith(f"{role.name}_"), fact
                assert fact not in option_table.options(role), f"{fact} is an option: never overwrite one"


def test_main_directs_and_is_short(role: Path) -> None:
    text = (role / "tasks/main.yml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 25
    assert f"tags: [{role.name}" in text


def test_the_readme_is_up_to_date(role: Path) -> None:
    assert (role / "README.md").read_text(encoding="utf-8") == option_table.render(role), (
        "run python tests/contract/option_table.py"
    )


def test_no_role_knows_a_group_of_hosts(role: Path) -> None:
    for path in role.rglob("*.yml"):
        assert not re.search(r"\bgroups\[|group_names", path.read_text(encoding="utf-8")), path


def test_nothing_hides_a_failure(role: Path) -> None:
    for path in role.rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert "ignore_errors" not in text, path
        assert "failed_when: false" not in text, path


def test_the_design_s_variables_exist() -> None:
    known = {name for role in ROLES for name in option_table.options(role)}
    texts = "".join((role / "defaults/main.yml").read_text(encoding="utf-8") for role in ROLES)
    for name in (
        "scenarios", "modes", "execution", "model", "dataset", "backend", "device", "precision", "implementation",
        "target_qps", "target_latency_ms", "query_count", "batch_size", "threads", "instances",
    ):  # fmt: skip
        assert f"benchmark_{name}" in known
    for name in ("round", "division", "submitter", "system_type", "system_name"):
        assert f"submission_{name}" in known
    assert "results_path" in known
    for name in ("store_path", "wheelhouse_path", "artifact_mirrors"):
        assert re.search(rf"\b{name} \| default", texts), name
