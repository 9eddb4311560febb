from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import yaml
from airgap_helpers import RAW, sha256

from loadfleet.airgap import create as creating
from loadfleet.airgap import wheels
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadfleet.airgap.create import Created


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue with a data set that is built from another, and a model with no better checksum than MD5."""
    folder = tmp_path / "catalogue"
    published = tmp_path / "published"
    for each in (published, folder / "datasets", folder / "models"):
        each.mkdir(parents=True)
    (published / "raw.bin").write_bytes(RAW)
    (published / "model.onnx").write_bytes(RAW * 3)

    def add(kind: str, name: str, artifact: dict[str, object], **more: object) -> None:
        data = {"name": name, "title": name, "licence": "MIT", "tags": ["test"], "artifact": artifact, **more}
        (folder / f"{kind}s" / f"{name}.yml").write_text(yaml.safe_dump(data))

    source = [{"type": "url", "url": (published / "raw.bin").as_uri()}]
    add("dataset", "raw", {"files": [{"name": "raw.bin", "sha256": sha256(RAW), "sources": source}]})
    recipe = {
        "entry_point": "airgap_helpers:build", "version": 1, "parameters": {"words": "two"},
        "requires": [{"kind": "dataset", "name": "raw"}],
    }  # fmt: skip
    add("dataset", "prepared", {"build": recipe, "files": [{"name": "prepared.bin"}]})
    source = [{"type": "url", "url": (published / "model.onnx").as_uri()}]
    file = {
        "name": "model.onnx", "md5": hashlib.md5(RAW * 3, usedforsecurity=False).hexdigest(),
        "checksum_note": "its publisher states no other", "sources": source,
    }  # fmt: skip
    details = {"workload": "bert", "format": "onnx", "precision": "fp32", "inputs": {}, "outputs": {}}
    add("model", "tiny", {"files": [file]}, accuracy={"f1": 1.0, "samples": 1}, **details)
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(folder))
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What looks like a clone: a program, a link as those of the bridge, a lock for each layer, leftovers of tools."""
    folder = tmp_path / "clone"
    for name in (
        "galaxy.yml", "Makefile", "requirements.lock", "harness/pyproject.toml",
        "roles/harness/files/requirements.lock",
        "roles/loadgen/files/requirements.lock", "roles/backend/files/onnxruntime.lock", "tests/run.sh",
        ".venv/bin/python", "harness/src/x/__pycache__/x.pyc", "results/latest/summary.json",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}\n")
    (folder / "tests/run.sh").chmod(0o755)
    (folder / "collections/a/b").mkdir(parents=True)
    (folder / "collections/a/b/roles").symlink_to("../../../roles")
    return folder


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wheels that cost nothing."""

    def download(_locks: Sequence[Path], target: wheels.Target, folder: Path) -> None:
        (folder / f"click-8.1-py3-none-any-{target.python}.whl").write_bytes(b"click")
        (folder / "onnxruntime-1.20-cp311-cp311-manylinux_2_28_x86_64.whl").write_bytes(RAW)

    def build_harness(_project: Path, folder: Path) -> None:
        (folder / "loadfleet-0.1.0-py3-none-any.whl").write_bytes(b"loadfleet")

    monkeypatch.setattr(wheels, "download", download)
    monkeypatch.setattr(wheels, "build_harness", build_harness)


@pytest.fixture
def made(tmp_path: Path, overlay: Path, clone: Path, no_pip: None) -> Created:
    """A bundle of 70 kilobytes."""
    (tmp_path / "there").mkdir()
    wanted = creating.Wanted("bert", ("tiny",), ("prepared",), "onnxruntime", (wheels.Target("3.11"),))
    return creating.create(wanted, clone, Store(tmp_path / "source"), tmp_path / "there/site.tar", print)
