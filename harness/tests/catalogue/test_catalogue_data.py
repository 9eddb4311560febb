"""Every shipped entry fits its schema and names only what exists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from loadfleet import catalogue
from loadfleet.catalogue import rounds
from loadfleet.catalogue.validation import SCHEMAS, problems

if TYPE_CHECKING:
    from loadfleet.catalogue import Entry

ENTRIES = catalogue.entries()


def names(kind: str) -> set[str]:
    return {entry.name for entry in ENTRIES if entry.kind == kind}


def of(*kinds: str) -> list[Entry]:
    return [entry for entry in ENTRIES if entry.kind in kinds]


@pytest.mark.parametrize("kind", catalogue.KINDS)
def test_each_kind_has_a_schema_and_an_entry(kind: str) -> None:
    Draft202012Validator.check_schema(json.loads((SCHEMAS / f"{kind}.json").read_text()))
    assert names(kind), f"no {kind} is shipped"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_entry_fits_its_schema(entry: Entry) -> None:
    assert problems(entry.kind, entry.data) == []
    assert entry.data["name"] == entry.name
    assert entry.path.stem == entry.name or entry.path.parent.name == "families"
    assert entry.data.get("tags"), "an entry without tags is hard to find"


@pytest.mark.parametrize("entry", of("model", "dataset"), ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_artifacts_require_and_embed_only_what_exists(entry: Entry) -> None:
    artifact = entry.data.get("artifact", {"files": []})
    for required in artifact.get("build", {}).get("requires", ()):
        assert required["name"] in names(required["kind"])
    for file in artifact["files"]:
        for source in file.get("sources", ()):
            if source["type"] == "embedded":
                path = SCHEMAS.parent.parent / source["path"]
                assert path.stat().st_size == file.get("size", path.stat().st_size)


@pytest.mark.parametrize("entry", of("workload"), ids=lambda entry: entry.name)
def test_workloads_name_models_and_datasets_of_their_own(entry: Entry) -> None:
    if "dataset_suffix" not in entry.data:  # else both come with a user's model
        assert catalogue.get("model", entry.data["default_model"]).data["workload"] == entry.name
        dataset = catalogue.dataset_of(entry, catalogue.model_of(entry))
        assert dataset.data["workload"] == entry.name
        assert dataset.data["samples"], "cells need a prepared data set"
    assert set(entry.data["checker_models"]) <= set(rounds.load(rounds.newest(entry.data)).models)


def test_a_backend_has_a_default_where_it_cannot_run_the_workloads() -> None:
    bert = catalogue.get("workload", "bert")
    chosen = {
        name: catalogue.model_of(bert, backend=name).name for name in ("onnxruntime", "openvino", "pytorch", "auto")
    }
    assert chosen == {**dict.fromkeys(chosen, "minilm-squad"), "pytorch": "minilm-squad-pytorch"}
    assert catalogue.model_of(bert, "minilm-squad", backend="pytorch").name == "minilm-squad", "what is named counts"
    for backend in catalogue.entries("backend"):
        for workload, name in backend.data.get("default_models", {}).items():
            model, usual = catalogue.get("model", name), catalogue.model_of(catalogue.get("workload", workload))
            assert model.data["workload"] == workload
            assert model.data["format"] in backend.data["formats"]
            assert usual.data["format"] not in backend.data["formats"]


@pytest.mark.parametrize("entry", of("model"), ids=lambda entry: entry.name)
def test_models_have_a_backend_that_accepts_them(entry: Entry) -> None:
    formats = {name for backend in of("backend") for name in backend.data["formats"] if name != "*"}
    assert entry.data["format"] in formats or "no-backend" in entry.tags
    assert entry.data["workload"] in names("workload")


@pytest.mark.parametrize("entry", of("model"), ids=lambda entry: entry.name)
def test_data_can_be_prepared_as_a_model_wants_it(entry: Entry) -> None:
    wanted = entry.data.get("preprocessing")
    forms = {each.data["prepared"]["preprocessing"] for each in of("dataset") if "prepared" in each.data}
    assert wanted is None or wanted in forms
    assert set(entry.data.get("accuracy_on", {})) <= names("dataset")
