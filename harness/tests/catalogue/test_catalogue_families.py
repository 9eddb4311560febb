"""Entries that share a file, and the data set that a model wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadfleet import catalogue
from loadfleet.errors import InputError
from loadfleet.store.recipe import resolve

if TYPE_CHECKING:
    from pathlib import Path

FAMILY = """\
parts: {big: &big {size: 3}}
common:
  title: "Numbers up to {size}"
  licence: MIT
  tags: [mine]
  workload: bert
  samples: "{size}"
  prepared: {of: "{raw}", preprocessing: "{how}"}
  artifact:
    build: {entry_point: "a:b", version: 1, parameters: {"of-{name}": ["{more}"]}}
    files: [{name: "{name}.npy"}]
members:
  mine-small: {size: 2, raw: mine, how: plain, more: {deep: [1]}}
  mine-big: {<<: *big, raw: mine, how: fancy, more: null}
"""
RAW = """\
name: mine
title: Raw
licence: MIT
tags: [mine]
workload: bert
artifact: {build: {entry_point: "a:b", version: 1}, files: [{name: a}]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "datasets/families").mkdir(parents=True)
    (tmp_path / "datasets/families/numbers.yml").write_text(FAMILY)
    (tmp_path / "datasets/mine.yml").write_text(RAW)
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(tmp_path))
    return tmp_path


def test_members_are_entries_with_their_own_values(folder: Path) -> None:
    entry = catalogue.get("dataset", "mine-small")
    assert (entry.name, entry.title, entry.shipped) == ("mine-small", "Numbers up to 2", False)
    assert entry.path == folder / "datasets/families/numbers.yml"
    assert entry.data["samples"] == 2
    assert entry.data["artifact"]["build"]["parameters"] == {"of-mine-small": [{"deep": [1]}]}
    assert catalogue.get("dataset", "mine-big").data["samples"] == 3
    assert {"mine", "mine-small", "mine-big"} <= {each.name for each in catalogue.entries("dataset")}
    assert [each.name for each in catalogue.find(["mine", "up"])] == ["mine-big", "mine-small"]
    assert catalogue.lookup("mine-big").kind == "dataset"


def test_a_file_of_its_own_wins_over_a_family(folder: Path) -> None:
    (folder / "datasets/mine-big.yml").write_text(RAW.replace("name: mine\n", "name: mine-big\n"))
    assert catalogue.get("dataset", "mine-big").title == "Raw"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1\n", "a family has the keys common and members"),
        (FAMILY + "other: 1\n", "a family has the keys common and members"),
        (FAMILY.replace("size: 2, ", ""), "mine-small has no value for {size}"),
        (FAMILY.replace("size: 2, ", "size: two, "), "samples"),
    ],
)
def test_a_family_that_is_none(folder: Path, text: str, words: str) -> None:
    path = folder / "datasets/families/numbers.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        catalogue.get("dataset", "mine-small")
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_name_in_two_families(folder: Path) -> None:
    (folder / "datasets/families/other.yml").write_text(FAMILY)
    with pytest.raises(InputError, match="mine-small is a member of numbers, too"):
        catalogue.entries("dataset")


def model(preprocessing: str | None) -> catalogue.Entry:
    shipped = catalogue.get("model", "minilm-squad")
    data = {**shipped.data, **({"preprocessing": preprocessing} if preprocessing else {})}
    return catalogue.Entry("model", "my-model", data, shipped.path)


@pytest.mark.parametrize(
    ("preprocessing", "asked", "chosen"),
    [
        ("plain", "mine", "mine-small"),
        ("fancy", "mine", "mine-big"),
        ("fancy", "mine-big", "mine-big"),
        (None, "mine-big", "mine-big"),
        (None, None, "squad-v1.1-dev-bert384"),
    ],
)
def test_the_data_set_prepared_for_the_model_is_taken(
    folder: Path, preprocessing: str | None, asked: str | None, chosen: str
) -> None:
    bert = catalogue.get("workload", "bert")
    assert catalogue.dataset_of(bert, model(preprocessing), asked).name == chosen


@pytest.mark.parametrize(
    ("preprocessing", "asked", "words"),
    [
        ("plain", "mine-big", "my-model wants data prepared as plain; mine-big is prepared as fancy"),
        ("other", "mine", "my-model wants data prepared as other; mine has no form prepared so"),
        ("plain", "nothing", "no dataset named 'nothing'"),
    ],
)
def test_a_data_set_that_does_not_fit_the_model(folder: Path, preprocessing: str, asked: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        catalogue.dataset_of(catalogue.get("workload", "bert"), model(preprocessing), asked)
    assert preprocessing != "plain" or asked != "mine-big" or "mine-small" in caught.value.fix


def test_a_model_that_is_known_by_its_address_only_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"mobilenet-v1-0.25-128 is known by its address only: no checksum") as caught:
        resolve("model", "mobilenet-v1-0.25-128")
    assert "mobilenet_v1_0.25_128.tgz" in str(caught.value)
    assert "benchmark_model_path" in caught.value.fix
