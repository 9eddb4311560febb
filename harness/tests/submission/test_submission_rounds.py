from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from submission_mutations import Tree

from loadfleet.catalogue import rounds
from loadfleet.errors import InputError
from loadfleet.submission.check import check
from loadfleet.submission.tree.generate import Request, generate

if TYPE_CHECKING:
    from pathlib import Path

    from submission_builder import Results


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


SEEDS = {
    "v3.1": (148687905518835231, 520418551913322573, 811580660758947900),
    "v4.0": (13281865557512327830, 198141574272810017, 7575108116881280410),
    "v4.1": (3066443479025735752, 10688027786191513374, 14962580496156340209),
    "v5.0": (6023615788873153749, 15036839855038426416, 9933818062894767841),
    "v5.1": (1780908523862526354, 14771362308971278857, 18209322760996052031),
    "v6.0": (2465351861681999779, 14276810075590677512, 3936089224930324775),
    "v6.1": (2085463073848966840, 2747215439041700203, 16159082839903944936),
}


def test_seeds_of_every_round() -> None:
    assert rounds.names() == list(SEEDS)
    assert {name: tuple(seed for _, seed in rounds.load(name).seeds.items()) for name in SEEDS} == SEEDS


def test_other_seeds_of_a_compliance_test() -> None:
    found = {name: rounds.load(name).compliance_tests.get("TEST05") for name in rounds.names()}

    assert {name: test.seeds.schedule_rng_seed for name, test in found.items() if test and test.seeds} == {
        "v3.1": 352213341366340113,
        "v4.0": 3911940905271271337,
        "v4.1": 5435552105434836064,
    }


# round, model -> scenarios (all of the first, one of the second), compliance tests
@pytest.mark.parametrize(
    ("round_name", "model", "kind", "required", "one_of", "tests"),
    [
        ("v3.1", "gpt3-99", "datacenter", "Server Offline", "", ""),
        ("v3.1", "rnnt", "edge", "SingleStream Offline", "", "TEST01 TEST05"),
        ("v3.1", "bert-99.9", "edge", None, "", "TEST01 TEST05"),
        ("v4.0", "stable-diffusion-xl", "edge", "SingleStream Offline", "", ""),
        ("v4.1", "resnet", "edge", "SingleStream MultiStream Offline", "", "TEST01 TEST04 TEST05"),
        ("v4.1", "bert-99", "datacenter", "Server Offline", "", "TEST01 TEST05"),
        ("v4.1", "mixtral-8x7b", "combined", "SingleStream Server Offline", "", "TEST06"),
        ("v4.1", "gptj-99.9", "edge", "SingleStream Offline", "", ""),
        ("v5.0", "resnet", "datacenter", "Server Offline", "", "TEST01 TEST04"),
        ("v5.0", "llama2-70b-interactive-99", "datacenter", "Server Offline", "", "TEST06"),
        ("v5.0", "llama2-70b-99", "datacenter", "Server Offline", "", "TEST06"),
        ("v5.1", "resnet", "datacenter", None, "", "TEST01 TEST04"),
        ("v5.1", "llama2-70b-99", "datacenter", "Offline", "Server Interactive", "TEST06"),
        ("v5.1", "deepseek-r1", "datacenter", "Server Offline", "", "TEST06"),
        ("v5.1", "whisper", "edge", "Offline", "", "TEST01"),
        ("v5.1", "pointpainting", "edge", "SingleStream", "", "TEST01 TEST04"),
        ("v6.0", "retinanet", "edge", None, "", "TEST01"),
        ("v6.0", "qwen3-vl-235b-a22b", "datacenter", "Server Offline", "", ""),
        ("v6.1", "qwen3-vl-235b-a22b", "datacenter", "Offline", "Server Interactive", ""),
        ("v6.1", "gpt-oss-120b", "datacenter", "Offline", "Server Interactive", "TEST07 TEST09"),
        ("v6.1", "dlrm-v3", "datacenter", "Server Offline", "", "TEST08"),
        ("v6.1", "wan-2.2-t2v-a14b", "datacenter", "Offline SingleStream", "", "TEST04"),
        ("v6.1", "e2e-rag-qna", "datacenter", "Offline", "", "TEST09"),
        ("v6.1", "llama3.1-8b-edge", "edge", "SingleStream Offline", "", ""),
    ],
)
def test_scenarios_and_tests(
    round_name: str, model: str, kind: str, required: str | None, one_of: str, tests: str
) -> None:
    found = rounds.load(round_name).models[model]

    scenarios = found.scenarios.get(kind)
    assert (scenarios and set(scenarios.required)) == (None if required is None else set(required.split()))
    assert set(scenarios.one_of if scenarios else ()) == set(one_of.split())
    assert found.compliance == tuple(tests.split())


@pytest.mark.parametrize(
    ("round_name", "model", "metric", "minimum", "maximum"),
    [
        ("v3.1", "rnnt", "WER", 91.62252, None),
        ("v4.1", "mixtral-8x7b", "ROUGE1", 45.036189, None),
        ("v4.1", "mixtral-8x7b", "TOKENS_PER_SAMPLE", 131.31, 160.49),
        ("v5.0", "mixtral-8x7b", "TOKENS_PER_SAMPLE", 130.356, 160.49),
        ("v5.0", "gptj-99.9", "GEN_LEN", 3615190.2, None),
        ("v5.1", "dlrm-v2-99.9", "AUC", 80.22969, None),
        ("v5.1", "llama3.1-405b", "exact_match", 89.232165, None),
        ("v6.0", "pointpainting", "mAP", 0.5419575, None),
        ("v6.1", "yolo-99", "mAP", 52.866, None),
        ("v6.1", "stable-diffusion-xl", "FID_SCORE", 23.01085758, 23.95007626),
        ("v6.1", "llama3.1-8b", "GEN_LEN", 7350879.6, 8984408.4),
        ("v6.1", "gpt-oss-120b", "TOKENS_PER_SAMPLE", None, 10998.9),
        ("v6.1", "dlrm-v3", "DLRM_AUC", 0.78584337, None),
    ],
)
def test_targets(round_name: str, model: str, metric: str, minimum: float | None, maximum: float | None) -> None:
    target = rounds.load(round_name).models[model].target(metric)

    assert (target.minimum, target.maximum) == (pytest.approx(minimum), pytest.approx(maximum))


def test_what_rounds_ask_for_besides() -> None:
    old, middle, newest = rounds.load("v4.1"), rounds.load("v5.1"), rounds.load("v6.1")

    assert "mlperf.conf" in old.layout.measurements_files
    assert "mlperf.conf" not in middle.layout.measurements_files
    assert (old.layout.calibration_divisions, middle.layout.calibration_divisions) == ((), ("closed", "network"))
    assert (old.power.ptd_versions, newest.power.ptd_versions) == (("1.10.0",), ("1.11.1",))
    assert (middle.endpoints, newest.endpoints is None) == (None, False)
    assert newest.models["qwen3-vl-235b-a22b"].samples_for("Interactive") == 8000
    assert newest.models["qwen3-vl-235b-a22b"].targets_for("Interactive")[0].minimum == pytest.approx(0.779922)
    assert {len(files) for files in middle.models["stable-diffusion-xl"].accuracy_files.values()} == {10}
    assert newest.models["stable-diffusion-xl"].accuracy_files == {}
    assert rounds.load("v6.0").percentile(rounds.load("v6.0").models["pointpainting"], "SingleStream") == "99.9"
    assert newest.result(newest.models["wan-2.2-t2v-a14b"], "SingleStream").unit == "Latency (s)"
    assert old.result(old.models["gptj-99"], "Server").unit == "Queries/s"
    assert rounds.load("v3.1").models["bert-99"].offline_min_samples == 24576
    assert rounds.load("v3.1").scenarios["Server"].result.key == "result_scheduled_samples_per_sec"


@pytest.mark.parametrize("round_name", rounds.names())
def test_a_tree_in_the_layout_of_every_round(round_name: str, results: Results, tmp_path: Path) -> None:
    rules = rounds.load(round_name)
    run = results.run(scenarios=("Offline", "SingleStream"))
    made = generate([run], tmp_path / "out", Request(submitter="Example", round=round_name)).tree
    tree = Tree(made, "open")
    for log in tree.model.glob("*/**/mlperf_log_detail.txt"):
        for name, seed in rules.seeds.items():
            tree.set(f"effective_{name}", seed, log)
    tree.set("effective_samples_per_query", 24576)
    for scenario in tree.model.iterdir():
        names = {"system": tree.system.name, "model": tree.model.name, "scenario": scenario.name}
        for name in rules.layout.measurements_files:
            path = tree.submitter / rules.layout.measurements.format(**names) / name
            if not path.exists():
                path.write_text("# built into LoadGen since\n")

    report = check(made, round_name, "Example")

    assert [finding.line() for finding in report.findings if finding.severity == "error"] == []
    assert [(row.scenario, row.official_name) for row in report.rows] == [
        ("Offline", "bert-99"),
        ("SingleStream", "bert-99"),
    ]


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


@pytest.mark.parametrize(
    ("round_name", "metric", "line", "value"),
    [
        ("v6.1", "ROUGE1", '{"rouge1": "38.6"}', None),
        ("v6.1", "ROUGE1", "{'rouge1':38.6}", None),
        ("v6.1", "GEN_LEN", "{'gen_len': '8184498'}", None),
        ("v6.1", "ACCURACY", "Word Error Rate: 2.1, accuracy=97.8", None),
        ("v6.1", "mAP", "results: mAP=37.330%", 37.33),
        ("v5.0", "mAP", "results: mAP=37.330%", None),
        ("v5.0", "ROUGE1", "{'rouge1': '38.6335'}", None),
        ("v5.0", "ROUGE1", "{'rouge1': 38.6335}", 38.6335),
        ("v5.0", "acc", '{"accuracy": 76.4}', 76.4),
        ("v4.1", "acc", '{"accuracy": 76.4}', None),
        ("v4.0", "WER", "Word Error Rate: 7.45%, accuracy=92.55%", 92.55),
        ("v3.1", "acc", "accuracy=76.456%, good=38228, total=50000", 76.456),
    ],
)
def test_metric_patterns_are_as_strict_as_those_of_the_round(
    round_name: str, metric: str, line: str, value: float | None
) -> None:
    match = rounds.load(round_name).metric_patterns[metric].match(line)

    assert (match and float(match["value"])) == value


def test_a_benchmark_that_later_rounds_have_no_longer() -> None:
    with pytest.raises(InputError, match="has no model 'retinanet'") as caught:
        rounds.load("v6.1").model("retinanet")
    assert caught.value.fix.endswith("v5.0, v5.1, v6.0")
    assert rounds.newest({"round": "v5.1"}) == "v5.1"
    assert rounds.newest({}) == rounds.newest() == rounds.names()[-1]
