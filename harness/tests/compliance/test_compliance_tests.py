"""Which tests a run has, what LoadGen is told, and that catalogue and rounds agree."""

from __future__ import annotations

import importlib

import pytest

from loadfleet import catalogue
from loadfleet.catalogue import rounds
from loadfleet.compliance import tests
from loadfleet.errors import InputError
from loadfleet.loadgen.settings import Settings

NEWEST = rounds.load("v6.1")


@pytest.mark.parametrize("name", rounds.names())
def test_the_catalogue_has_every_test_of_every_round_with_the_files_it_wants(name: str) -> None:
    rules = rounds.load(name)
    for test, form in rules.compliance_tests.items():
        entry = catalogue.get("compliance", test)
        assert [check["file"] for check in entry.data["checks"]] == list(form.verify)
        assert bool(entry.data.get("scored")) >= ("accuracy.txt" in form.accuracy_files)
    for model in rules.models.values():
        for test in model.compliance:
            described = tests.describe(test, rules, model.name, "Offline")
            assert described["tolerance"] > 0 or not form.fallback_files
            assert described["audit"] or described["seeds"]


@pytest.mark.parametrize("entry", catalogue.entries("compliance"), ids=lambda entry: entry.name)
def test_checks_name_functions_that_exist(entry: catalogue.Entry) -> None:
    for check in entry.data["checks"]:
        module, _, function = check["function"].partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_compliance_stands_for_what_the_round_asks_of_the_model() -> None:
    for name in rounds.names():
        rules = rounds.load(name)
        for model in rules.models.values():
            modes = tests.expand(["accuracy", "performance", "compliance"], rules, model.name)
            assert modes == ["accuracy", "performance", *sorted(model.compliance)]


def test_tests_run_after_what_they_are_compared_with() -> None:
    assert tests.expand(["TEST01", "compliance", "performance", "accuracy"], NEWEST, "bert-99") == [
        "performance",
        "accuracy",
        "TEST01",
    ]
    assert tests.expand(["TEST04", "performance"], NEWEST, "bert-99") == ["performance", "TEST04"]


@pytest.mark.parametrize(
    ("modes", "model", "words"),
    [
        (["compliance"], "bert-99", r"TEST01 is compared with the accuracy and the performance run"),
        (["performance", "compliance"], "bert-99", r"TEST01 is compared with the accuracy run"),
        (["accuracy", "TEST04"], "resnet", r"TEST04 is compared with the performance run"),
        (["accuracy", "performance", "TEST06"], "bert-99", r"TEST06 \(Token consistency\) is not for bert-99"),
        (["accuracy", "performance", "TEST05"], "bert-99", r"MLPerf Inference v6.1 has no TEST05"),
        (["accuracy", "compliance"], None, r"this model stands for none"),
        (["compliance"], "llama3.1-8b-edge", r"asks no compliance test of llama3.1-8b-edge"),
    ],
)
def test_what_makes_no_sense_is_refused(modes: list[str], model: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        tests.expand(modes, NEWEST, model)


@pytest.mark.parametrize(
    ("test", "round_name", "model", "scenario", "lines"),
    [
        ("TEST01", "v6.1", "bert-99", "Offline", ["accuracy_log_sampling_target = 4096"]),
        ("TEST01", "v6.1", "3d-unet-99.9", "Offline", ["accuracy_log_sampling_target = 64"]),
        ("TEST01", "v5.1", "retinanet", "Server", ["accuracy_log_sampling_target = 256"]),
        ("TEST04", "v6.1", "resnet", "Offline", ["performance_issue_same = 1", "performance_issue_same_index = 3"]),
        ("TEST04", "v6.1", "stable-diffusion-xl", "Offline", ["min_query_count = 500"]),
        ("TEST06", "v6.1", "llama3.1-8b", "Server", ["min_query_count = 100", "sample_concatenate_permutation = 0"]),
        ("TEST07", "v6.1", "gpt-oss-120b", "Server", ["min_query_count = 990", "performance_issue_unique = 1"]),
        ("TEST09", "v6.1", "e2e-rag-qna", "Offline", ["min_query_count = 824", "min_duration = 0"]),
    ],
)
def test_the_audit_file(test: str, round_name: str, model: str, scenario: str, lines: list[str]) -> None:
    described = tests.describe(test, rounds.load(round_name), model, scenario)
    text = Settings("*", scenario, test, audit=described["audit"]).audit_config().splitlines()
    assert text[0] == "*.*.mode = 2"
    for line in lines:
        assert f"*.*.{line}" in text
    assert all(line.startswith("*.*.") and " = " in line for line in text), "LoadGen takes no other form for `*`"


def test_settings_of_another_scenario_stay_out() -> None:
    described = tests.describe("TEST04", NEWEST, "stable-diffusion-xl", "SingleStream")
    assert "min_query_count" not in described["audit"]


def test_a_test_may_have_seeds_of_its_own() -> None:
    rules = rounds.load("v4.1")
    seeds = tests.describe("TEST05", rules, "bert-99", "Offline")["seeds"]
    assert seeds["qsl_rng_seed"] == 16799458546791641818 != rules.seeds.qsl_rng_seed


def test_the_tolerance_is_that_of_the_flavour() -> None:
    assert tests.describe("TEST01", NEWEST, "bert-99", "Offline")["tolerance"] == 0.01
    assert tests.describe("TEST01", NEWEST, "bert-99.9", "Offline")["tolerance"] == 0.001
