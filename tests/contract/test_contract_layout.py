"""The repository's root is the collection: bridge, playbooks, tarball."""

from __future__ import annotations

import ast
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ROOT / "collections/ansible_collections/loadfleet/mlperf"
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_bridge_is_five_relative_links() -> None:
    assert sorted(path.name for path in BRIDGE.iterdir()) == ["galaxy.yml", "meta", "playbooks", "plugins", "roles"]
    for path in BRIDGE.iterdir():
        assert path.is_symlink()
        assert path.readlink() == Path("../../../..") / path.name
        assert path.resolve() == ROOT / path.name


def test_names_match_the_bridge() -> None:
    galaxy = read(ROOT / "galaxy.yml")
    assert (galaxy["namespace"], galaxy["name"]) == (BRIDGE.parent.name, BRIDGE.name)
    assert galaxy["dependencies"] == {}
    assert read(ROOT / "collections/requirements.yml") == {"collections": []}


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_playbooks_are_thin(playbook: Path) -> None:
    plays = read(playbook)
    assert len(playbook.read_text(encoding="utf-8").splitlines()) <= 20
    for play in plays:
        if "ansible.builtin.import_playbook" in play:
            assert (ROOT / "playbooks" / play["ansible.builtin.import_playbook"]).is_file()
            continue
        assert play["gather_facts"] is False
        assert ("roles" in play) != ("tasks" in play)
        for role in play.get("roles", []):
            assert role["role"].startswith("loadfleet.mlperf."), "a role is named in full"
            assert (ROOT / "roles" / role["role"].rpartition(".")[2]).is_dir()


def test_every_play_takes_the_same_hosts() -> None:
    hosts = {play["hosts"] for path in PLAYBOOKS for play in read(path) if "hosts" in play}
    assert len(hosts) == 1


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_documentation_matches_the_argument_spec(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    assert "SPDX-License-Identifier: Apache-2.0" in source
    tree = ast.parse(source, feature_version=(3, 8))
    documents = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()
        and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) and "\n" in node.value.value
    }  # fmt: skip
    documentation = yaml.safe_load(documents["DOCUMENTATION"])
    assert documentation["module"] == module.stem
    for name in ("EXAMPLES", "RETURN"):
        assert yaml.safe_load(documents[name]), name
    assert {"check_mode", "diff_mode", "idempotent"} <= set(documentation["attributes"])
    spec = next(
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "AnsibleModule"
        for keyword in call.keywords
        if keyword.arg == "argument_spec"
    )
    assert isinstance(spec, ast.Dict)
    accepted = {ast.literal_eval(key) for key in spec.keys if key}
    fragments = "".join(documentation["extends_documentation_fragment"])
    shared = ({"store_path"} if "mlperf.store" in fragments else set()) | (
        {"executable"} if "store.command" in fragments else set()
    )
    assert set(documentation["options"]) | shared == accepted


def test_the_action_group_shares_its_options() -> None:
    for name in read(ROOT / "meta/runtime.yml")["action_groups"]["store"]:
        text = (ROOT / f"plugins/modules/{name}.py").read_text(encoding="utf-8")
        assert "loadfleet.mlperf.attributes.group" in text
        assert '"store_path": {"type": "str"' in text


def test_plugins_run_on_old_pythons() -> None:
    """Modules and what they import run on the host's Python, 3.8 at the oldest."""
    for path in [*MODULES, *(ROOT / "plugins/module_utils").glob("*.py")]:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_collection_does_not_import_the_harness() -> None:
    for path in (ROOT / "plugins").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) loadfleet\b", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_inventory_settings_are_known() -> None:
    options = {
        name
        for role in (ROOT / "roles").iterdir()
        for name in read(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    }
    for path in (ROOT / "inventory").rglob("group_vars/**/*.yml"):
        assert set(read(path) or {}) <= options | {"store_path", "wheelhouse_path", "artifact_mirrors"}, path


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `ansible-galaxy collection build` puts into the tarball, from a copy with droppings of tools in it."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        if name.endswith((".safetensors", ".onnx")) or (ROOT / name).is_symlink() or not (ROOT / name).is_file():
            continue
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    for name in ("README.md", "LICENSE", "NOTICE", "CHANGELOG.md"):
        (copy / name).touch()
    for dropping in (
        ".venv/x.py", "results/latest/x.json", "plugins/modules/__pycache__/probe.cpython-311.pyc", ".ruff_cache/x",
        "harness/src/loadfleet/__pycache__/x.pyc", "harness/src/loadfleet.egg-info/PKG-INFO",
        "roles/model/.ansible/x.yml", "harness/src/loadfleet/cli/.mypy_cache/3.11/x.json",
    ):  # fmt: skip
        (copy / dropping).parent.mkdir(parents=True, exist_ok=True)
        (copy / dropping).write_text("x")
    galaxy = Path(sys.executable).parent / "ansible-galaxy"
    subprocess.run(
        [galaxy, "collection", "build", "--output-path", out], cwd=copy, check=True, capture_output=True,
        env=dict(os.environ, ANSIBLE_HOME=str(out / "home")),
    )  # fmt: skip
    (archive,) = out.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        return [member.name for member in tar if member.isfile()]


def test_the_tarball_has_what_a_user_needs(tarball: list[str]) -> None:
    for name in (
        "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "meta/runtime.yml", "playbooks/bert.yml",
        "plugins/modules/cell.py", "plugins/action/cell.py", "plugins/module_utils/_tree.py",
        "plugins/doc_fragments/store.py", "roles/harness/files/requirements.lock",
        "roles/backend/files/onnxruntime.lock", "roles/benchmark/vars/main.yml",
        "roles/results/README.md", "harness/pyproject.toml", "harness/README.md", "harness/src/loadfleet/__init__.py",
        "harness/src/loadfleet/catalogue/data/workloads/bert.yml", "harness/src/loadfleet/py.typed",
    ):  # fmt: skip
        assert name in tarball, name


def test_the_tarball_has_every_source_of_the_harness(tarball: list[str]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "harness/src"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    present = [name for name in tracked if (ROOT / name).is_file() and not name.endswith((".safetensors", ".onnx"))]
    assert not [name for name in present if name not in tarball and not Path(name).name.startswith(".")]


def test_the_tarball_has_nothing_else(tarball: list[str]) -> None:
    wanted = (
        "MANIFEST.json", "FILES.json", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "meta/*.yml",
        "changelogs/*.yaml", "plugins/*.py", "roles/*/*.yml", "roles/*/*.md", "roles/*/*.lock", "roles/*/*.j2",
        "playbooks/*.yml",
        "harness/pyproject.toml", "harness/README.md", "harness/src/loadfleet/*",
    )  # fmt: skip
    assert not [name for name in tarball if not any(fnmatch.fnmatch(name, pattern) for pattern in wanted)]
    for name in tarball:
        assert "__pycache__" not in name
        assert not re.search(r"(^|/)\.", name), name
        assert not name.endswith((".pyc", "PKG-INFO")), name


def test_sanity_ignores_the_licence_header_only() -> None:
    lines = (ROOT / "tests/sanity/ignore-2.19.txt").read_text(encoding="utf-8").splitlines()
    plugins = [*sorted((ROOT / "plugins/callback").glob("*.py")), *MODULES]
    assert lines == [f"{path.relative_to(ROOT)} validate-modules:missing-gplv3-license" for path in plugins]


def test_run_settings_match_the_harness_s_schema() -> None:
    """run.json is where collection and harness meet: each writes or reads every key that the other knows."""
    schema = json.loads((ROOT / "harness/src/loadfleet/cell/schemas/run.json").read_text(encoding="utf-8"))
    settings = set(read(ROOT / "roles/benchmark/vars/main.yml")["_benchmark_settings"])
    by_module = {"schema_version", "run_id", "host", "store_path", "system"}
    assert settings | by_module == set(schema["properties"])
