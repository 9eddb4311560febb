from __future__ import annotations

import pytest

from loadfleet.catalogue import rounds
from loadfleet.errors import InputError


def test_bert_of_the_newest_round() -> None:
    rules = rounds.load("v6.1")
    model = rules.model("bert-99")

    assert dict(rules.seeds.items()) == {
        "qsl_rng_seed": 2085463073848966840,
        "sample_index_rng_seed": 2747215439041700203,
        "schedule_rng_seed": 16159082839903944936,
    }
    assert rules.min_duration_ms == 600_000
    assert (model.loadgen_name, model.dataset_samples) == ("bert", 10833)
    assert (model.performance_sample_count, model.offline_min_samples) == (10833, 10833)
    assert model.target("F1").minimum == pytest.approx(89.96526, abs=1e-9)
    assert rules.model("bert-99.9").target().minimum == pytest.approx(90.783126, abs=1e-9)
    assert model.scenarios["edge"].required == ("SingleStream", "Offline")
    assert "datacenter" not in model.scenarios


def test_every_round_is_complete() -> None:
    for name in rounds.names():
        rules = rounds.load(name)
        assert len(rules.system_fields.everything) == 35
        assert len(rules.system_fields.non_empty) == 26
        for model in rules.models.values():
            assert model.targets, (name, model.name)
            for target in (*model.targets, *(t for found in model.targets_by_scenario.values() for t in found)):
                assert target.metric in rules.metric_patterns, (name, model.name)
                assert target.words()
            assert set(model.compliance) <= set(rules.compliance_tests), (name, model.name)
            scenarios = {scenario for found in model.scenarios.values() for scenario in found.known}
            assert scenarios <= set(rules.scenarios), (name, model.name)


def test_a_round_changes_what_it_is_based_on() -> None:
    newest, before, old = rounds.load("v6.1"), rounds.load("v6.0"), rounds.load("v5.1")

    assert {newest.seeds.qsl_rng_seed, before.seeds.qsl_rng_seed, old.seeds.qsl_rng_seed} == {
        2085463073848966840,
        2465351861681999779,
        1780908523862526354,
    }
    assert "qwen3.6-27b" in newest.models
    assert "qwen3.6-27b" not in before.models
    assert before.models["bert-99"] == newest.models["bert-99"]
    assert (newest.layout.source, old.layout.source) == ("src", "code")
    assert old.layout.measurements.startswith("measurements/")


def test_names_resolve_by_alias_and_mapping_but_are_never_guessed() -> None:
    rules = rounds.load("v6.1")

    assert rules.model("resnet50").name == "resnet"
    assert rules.model("resnet50").folder == "resnet50"
    found = rules.resolve("minilm-squad", {"minilm-squad": "bert-99"})
    assert found is not None
    assert found.name == "bert-99"
    assert rules.resolve("minilm-squad") is None
    assert rules.resolve("mobilenet-v3-large") is None
    assert rules.scenario("singlestream") == "SingleStream"
    assert rules.scenario("batch") is None


@pytest.mark.parametrize("name", ["v9.9", "6.1", "../v6.1", ""])
def test_unknown_round_names_the_known_ones(name: str) -> None:
    with pytest.raises(InputError) as caught:
        rounds.load(name)

    assert ("v6.1" if name else "loadfleet catalogue list round") in caught.value.fix


def test_unknown_model_names_the_round() -> None:
    with pytest.raises(InputError, match="has no model 'bart'"):
        rounds.load("v6.1").model("bart")


@pytest.mark.parametrize(
    ("metric", "line", "value"),
    [
        ("F1", '{"exact_match": 83.67, "f1": 90.87}', 90.87),
        ("F1", '{"exact_match": 83.67, "f1": 90.87, "more": 1}', None),
        ("F1", 'f1: {"exact_match": 83.67, "f1": 90.87}', None),
        ("F1", '{"f1": 90.87}', None),
        ("acc", "accuracy=76.456%, good=38228, total=50000", 76.456),
        ("acc", '{"accuracy": 76.4, "good": 1}', 76.4),
        ("mAP", "mAP=37.330%", 37.33),
        ("mAP", "{'Pedestrian': [1, 2], 'Total': 54.256218}", 54.256218),
        ("DICE", "Accuracy: mean = 0.86112, kidney = 0.9346", 0.86112),
        ("ROUGEL", "{'rouge1': '38.6', 'rouge2': '15.7', 'rougeL': '24.4', 'gen_len': 8184498}", 24.4),
        ("ACCURACY", "Word Error Rate: 2.166%, accuracy=97.834%", 97.834),
    ],
)
def test_metric_patterns(metric: str, line: str, value: float | None) -> None:
    match = rounds.load("v6.1").metric_patterns[metric].match(line)

    found = None if match is None else float(next(group for group in match.groups() if group is not None))
    assert found == value
