from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from loadfleet import catalogue
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """\
name: {name}
title: A model of my own
licence: MIT
workload: bert
format: onnx
precision: fp32
inputs: {{input_ids: input_ids}}
outputs: {{}}
accuracy: {{f1: 80.5, samples: 10833}}
tags: [mine, onnx]
artifact:
  files:
    - name: model.onnx
      sha256: "{sha256}"
      sources: [{{type: embedded, path: model.onnx}}]
"""


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(tmp_path))
    return tmp_path


def add_model(overlay: Path, name: str = "my-bert", text: str = MODEL) -> Path:
    path = overlay / "models" / f"{name}.yml"
    path.write_text(text.format(name=name, sha256="0" * 64))
    return path


def test_get_reads_a_shipped_entry() -> None:
    entry = catalogue.get("backend", "onnxruntime")
    assert (entry.kind, entry.name, entry.shipped) == ("backend", "onnxruntime", True)
    assert entry.data["devices"]["cpu"] == ["CPUExecutionProvider"]
    assert entry.path.name == "onnxruntime.yml"


def test_the_plural_of_a_kind_is_accepted() -> None:
    assert catalogue.get("backends", "null") == catalogue.get("backend", "null")


def test_a_round_is_merged_by_yaml_keys_without_being_called_duplicate() -> None:
    models = catalogue.get("round", "v6.1").data["models"]
    assert models["bert-99.9"]["dataset_samples"] == models["bert-99"]["dataset_samples"] == 10833


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("backend", "onxruntime", "did you mean onnxruntime"),
        ("backend", "onnx", "did you mean onnxruntime"),
        ("backend", "zzzzzz", "`loadfleet catalogue list backend` lists all"),
        ("backend", "../backends/null", "lists all"),
        ("backend", "", "lists all"),
        ("bakend", "null", "workload, model, dataset"),
    ],
)
def test_an_unknown_name_is_refused_with_advice(kind: str, name: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        catalogue.get(kind, name)
    assert expected in caught.value.fix
    assert caught.value.exit_code == 2


def test_lookup_needs_no_kind_when_the_name_is_unambiguous(overlay: Path) -> None:
    assert catalogue.lookup("onnxruntime").kind == "backend"
    add_model(overlay, "onnxruntime")
    with pytest.raises(InputError, match="a model and of a backend"):
        catalogue.lookup("onnxruntime")
    with pytest.raises(InputError, match="nothing in the catalogue is named 'nonsense'"):
        catalogue.lookup("nonsense")


def test_one_file_in_an_overlay_adds_an_entry(overlay: Path) -> None:
    add_model(overlay)
    entry = catalogue.get("model", "my-bert")
    assert entry.shipped is False
    assert entry.title == "A model of my own"
    assert "my-bert" in [each.name for each in catalogue.entries("model")]


def test_the_first_overlay_wins_over_the_next_and_over_the_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder / "backends").mkdir(parents=True)
        text = catalogue.get("backend", "null").path.read_text().replace("title: ", f"title: {folder} ", 1)
        (tmp_path / folder / "backends" / "null.yml").write_text(text)
    monkeypatch.setenv("LOADFLEET_CATALOGUE", f"{tmp_path}/first{os.pathsep}{tmp_path}/second")
    assert catalogue.get("backend", "null").title.startswith("first ")
    assert [each.title.split()[0] for each in catalogue.entries("backend") if each.name == "null"] == ["first"]


def test_a_missing_overlay_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADFLEET_CATALOGUE", "/nonexistent/overlay")
    with pytest.raises(InputError, match="LOADFLEET_CATALOGUE names '/nonexistent/overlay'"):
        catalogue.entries("backend")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("precision: fp32", "precision: [fp32]", "precision: ['fp32'] is not of type 'string' (value: [\"fp32\"])"),
        ("format: onnx\n", "", "'format' is a required property"),
        ("type: embedded", "type: torrent", "artifact.files[0].sources[0].type: 'torrent' is not one of"),
        ("path: model.onnx", "path: ../model.onnx", "artifact.files[0].sources[0].path"),
        ('"{sha256}"', "abc", "artifact.files[0].sha256: 'abc' does not match"),
        ("title: A", "titel: A\ntitle: A", "'titel' was unexpected"),
        ("name: {name}", "name: other", "name: 'other' is not the file's name"),
        ("name: model.onnx", "name: a/b", "artifact.files[0].name: 'a/b' does not match"),
    ],
)
def test_an_invalid_overlay_file_names_file_key_and_value(overlay: Path, old: str, new: str, expected: str) -> None:
    assert old in MODEL
    path = add_model(overlay, text=MODEL.replace(old, new))
    with pytest.raises(InputError) as caught:
        catalogue.get("model", "my-bert")
    assert str(path) in caught.value.message
    assert expected in caught.value.message


def test_a_list_instead_of_a_mapping_is_refused(overlay: Path) -> None:
    (overlay / "models" / "list.yml").write_text("- a\n")
    with pytest.raises(InputError, match="top level"):
        catalogue.get("model", "list")


def test_broken_yaml_names_the_line(overlay: Path) -> None:
    (overlay / "models" / "broken.yml").write_text("name: broken\ntags: [a, b\n")
    with pytest.raises(InputError, match=r"broken\.yml: not valid YAML: line 3"):
        catalogue.get("model", "broken")


def test_a_key_given_twice_is_refused(overlay: Path) -> None:
    (overlay / "models" / "twice.yml").write_text("name: twice\nname: twice\n")
    with pytest.raises(InputError, match="line 2: key 'name' is given twice"):
        catalogue.get("model", "twice")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["mine"], True),
        (["model", "ONNX"], True),
        (["bert,fp32"], True),
        (["my-b"], True),
        (["own"], True),
        (["models", "MIT"], True),
        (["mine", "int8"], False),
        (["dataset"], False),
    ],
)
def test_find_wants_every_word_to_fit(overlay: Path, words: list[str], *, found: bool) -> None:
    add_model(overlay)
    assert ("my-bert" in [entry.name for entry in catalogue.find(words)]) is found
