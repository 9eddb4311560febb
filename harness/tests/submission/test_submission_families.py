"""Families of checks beyond the table of mutations: settings, networks, old layouts, compliance outputs, nameplates."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from submission_builder import edit_json, write_json
from submission_mutations import Tree

from loadfleet.catalogue import rounds
from loadfleet.submission.check import check
from loadfleet.submission.checks.base import Submission
from loadfleet.submission.checks.compliance import Compliance
from loadfleet.submission.power import nameplate
from loadfleet.submission.power.analyzer import between, instant
from loadfleet.submission.reading.place import Disk, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadfleet.submission.check import Report

TEST01 = "TEST01/performance/run_1"


def errors(report: Report) -> list[str]:
    return [finding.line() for finding in report.findings if finding.severity == "error"]


def twice(path: Path, key: str, value: object) -> None:
    """Append a key of a detail log again, with another value."""
    line = next(line for line in path.read_text().splitlines() if f'"key": "{key}"' in line)
    with path.open("a") as stream:
        stream.write(re.sub(r'"value": [^,]*', f'"value": {json.dumps(value)}', line) + "\n")


def double_field(path: Path, name: str, value: str) -> None:
    path.write_text(path.read_text().replace("{", f'{{"{name}": "{value}", ', 1))


SETTINGS: list[tuple[str, Callable[[Tree], object], str]] = [
    (
        "median instead of the 90th percentile",
        lambda t: t.set("effective_target_latency_percentile", 0.5, t.log("SingleStream")),
        "latency in SingleStream is that of the 90th percentile",
    ),
    (
        "estimate of too few queries",
        lambda t: t.set("result_query_count", 63, t.log("SingleStream")),
        "an estimate of the 90th percentile needs 64 queries",
    ),
    (
        "one sample again and again",
        lambda t: t.set("effective_performance_issue_same", True),
        "effective_performance_issue_same is false in a performance run",
    ),
    (
        "samples never repeated",
        lambda t: t.set("effective_performance_issue_unique", True),
        "effective_performance_issue_unique is false in a performance run",
    ),
    (
        "two results",
        lambda t: twice(t.log(), "result_samples_per_second", 99999.0),
        "the log is of one run: result_samples_per_second",
    ),
    (
        "two seeds in another form",
        lambda t: t.log().write_text(t.log().read_text() + _compact("effective_qsl_rng_seed", 1)),
        "the log is of one run: effective_qsl_rng_seed",
    ),
    (
        "two counts in the accuracy log",
        lambda t: twice(t.log(mode="accuracy"), "qsl_reported_total_count", 1),
        "the log is of one run: qsl_reported_total_count",
    ),
    ("two status fields", lambda t: double_field(t.description, "status", "rdi"), "field status stands there once"),
    (
        "two types of weights",
        lambda t: double_field(t.offline / "measurements.json", "weight_data_types", "fp64"),
        "field weight_data_types stands there once",
    ),
    (
        "TEST01 half as fast",
        lambda t: t.set("result_samples_per_second", 8.9, t.log(mode=TEST01)),
        "TEST01 is as fast as the performance run",
    ),
    (
        "hash of another log beside TEST01",
        lambda t: _hash(t.offline / "TEST01" / "accuracy" / "accuracy.txt"),
        "the SHA-256 of the log, which is whole",
    ),
    (
        "TEST01 of another scenario",
        lambda t: shutil.copy(t.log("SingleStream", TEST01), t.log("Offline", TEST01)),
        "the test is run in Offline",
    ),
]


def _hash(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("hash=")]
    path.write_text("\n".join([*lines, "", "hash=" + "0" * 64, ""]))


def _compact(key: str, value: object) -> str:
    entry = {"key": key, "value": value, "metadata": {"is_error": False}}
    return f":::MLLOG {json.dumps(entry, separators=(',', ':'))}\n"


@pytest.mark.parametrize(("change", "words"), [row[1:] for row in SETTINGS], ids=[row[0] for row in SETTINGS])
def test_what_both_official_checkers_overlook(
    change: Callable[[Tree], object], words: str, accepted_closed: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    change(Tree(root, "closed"))

    report = check(root, "v6.1", "Example")

    assert [line for line in errors(report) if words in line], errors(report)


def test_a_higher_percentile_is_no_advantage(accepted_closed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    tree = Tree(root, "closed")
    tree.set("effective_target_latency_percentile", 0.99, tree.log("SingleStream"))
    tree.set("result_query_count", 64, tree.log("SingleStream"))
    twice(tree.log(), "effective_qsl_rng_seed", rounds.load("v6.1").seeds.qsl_rng_seed)

    assert errors(check(root, "v6.1", "Example")) == []


def network_tree(source: Path, target: Path, division: str, name: str = "My Network SUT") -> Tree:
    """A closed tree as one of another division, measured over a network."""
    shutil.copytree(source / "closed", target / division)
    tree = Tree(target, division)
    fields = dict.fromkeys(rounds.load("v6.1").system_fields.network, "x")
    edit_json(tree.description, division=division, system_type="edge", **{**fields, "is_network": "True"})
    for log in tree.model.glob("*/**/mlperf_log_detail.txt"):
        tree.set("sut_name", name, log)
    return tree


@pytest.mark.parametrize("division", ["network", "open"])
def test_measured_over_a_network(division: str, accepted_closed: Path, tmp_path: Path) -> None:
    tree = network_tree(accepted_closed, tmp_path / "tree", division)

    assert errors(check(tree.root, "v6.1", "Example")) == []


@pytest.mark.parametrize(
    ("division", "change", "words"),
    [
        (
            "network",
            lambda t: edit_json(t.description, is_network="False"),
            "is_network is True in the network division",
        ),
        ("network", lambda t: edit_json(t.description, is_network=True), 'is_network is the text "True" or "False"'),
        ("network", lambda t: edit_json(t.description, nic_sut=""), "field nic_sut needs a value"),
        ("network", lambda t: edit_json(t.description, network_rate=None), "field network_rate is missing"),
        ("network", lambda t: t.set("sut_name", "My network sut"), 'sut_name holds "Network SUT"'),
        ("network", lambda t: t.set("sut_name", "PySUT", t.log(mode=TEST01)), 'sut_name holds "Network SUT"'),
        ("open", lambda t: t.set("sut_name", "PySUT"), 'sut_name holds "Network SUT"'),
        ("closed", lambda _: None, "is_network is True in the network division and not in closed"),
    ],
)
def test_networks_are_described_and_named(
    division: str, change: Callable[[Tree], object], words: str, accepted_closed: Path, tmp_path: Path
) -> None:
    tree = network_tree(accepted_closed, tmp_path / "tree", division)
    change(tree)

    found = errors(check(tree.root, "v6.1", "Example"))

    assert [line for line in found if words in line], found


@pytest.mark.parametrize(("round_name", "severity"), [("v5.1", "error"), ("v5.0", "warning"), ("v6.1", "error")])
def test_descriptions_without_results(round_name: str, severity: str, accepted: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(accepted, tmp_path / "tree"))
    tree = Tree(root, "open")
    shutil.copy(tree.description, tree.description.with_name("other.json"))
    write_json(tree.submitter / "measurements" / "other" / "x.json", {})

    found = check(root, round_name, "Example").findings

    unused = {finding.file.rsplit("/", 1)[1]: finding.severity for finding in found if "no results of" in finding.rule}
    assert unused == {"other.json": severity} | ({} if round_name == "v6.1" else {"other": severity})


@pytest.mark.parametrize(("round_name", "severity"), [("v5.1", "error"), ("v6.1", "warning")])
def test_code_of_every_model(round_name: str, severity: str, accepted: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(accepted, tmp_path / "tree"))
    tree = Tree(root, "open")
    source = tree.submitter / rounds.load(round_name).layout.source
    if (tree.submitter / "src") != source:
        (tree.submitter / "src").rename(source)
    (source / tree.model.name).rename(source / "shared")

    def found() -> list[str]:
        return [f.severity for f in check(root, round_name, "Example").findings if "every model has its code" in f.rule]

    assert found() == [severity]
    (source / tree.model.name).write_text("shared\n")
    assert found() == []


def asked_tests() -> list[tuple[str, str, str]]:
    """(round, model, test): one model for each test of each round."""
    found = {}
    for name in rounds.names():
        for model in rounds.load(name).models.values():
            for test in model.compliance:
                found[name, test] = model.name
    return [(name, model, test) for (name, test), model in found.items()]


@pytest.mark.parametrize(("round_name", "model", "test"), asked_tests())
def test_outputs_of_every_compliance_test(round_name: str, model: str, test: str, tmp_path: Path) -> None:
    rules = rounds.load(round_name)
    wanted = rules.compliance_tests[test]
    (tmp_path / "closed/X/results/s" / model / "Offline").mkdir(parents=True)
    (tmp_path / "closed/X/systems").mkdir()
    place = rules.layout.compliance.format(system="s", model=model, scenario="Offline")
    folder = tmp_path / "closed/X" / place / test
    (folder / "accuracy").mkdir(parents=True)
    for name in {*wanted.accuracy_files, *(["mlperf_log_accuracy.json"] if wanted.accuracy_log else [])}:
        (folder / "accuracy" / name).write_text("[]\n")

    def found() -> list[str]:
        submission = Submission.of(tmp_path, rules, "X")
        result = submission.submitters[0].systems[0].models[0].results[0]
        lines = [finding.line() for finding in Compliance(submission).findings(result)]
        return [line for line in lines if f"/{test}" in line and "/performance/" not in line]

    assert any(f"{test} has its" in line for line in found())
    lines = [alternatives[-1] for alternatives in wanted.passes]
    for name in wanted.verify:
        (folder / name).write_text("Some words.\n" + "\n".join(lines) + "\n")
    assert found() == []
    for line in lines:
        for name in wanted.verify:
            (folder / name).write_text("\n".join([*(other for other in lines if other != line), "TEST FAIL", ""]))
        assert any(f"{test} passed" in text for text in found())


@pytest.mark.parametrize(
    ("model", "compliance", "accepted"),
    [("bert-99", 90.1, True), ("bert-99", 89.4, False), ("bert-99.9", 90.82, True), ("bert-99.9", 90.6, False)],
)
def test_answers_that_differ_need_equal_scores(
    model: str, compliance: float, accepted: bool, accepted_closed: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    tree = Tree(root, "closed")
    if tree.model.name != model:
        (tree.submitter / "src" / tree.model.name).rename(tree.submitter / "src" / model)
        tree.model = tree.model.rename(tree.system / model)
    for scenario in tree.model.iterdir():
        for path in scenario.glob("**/accuracy.txt"):
            path.write_text(path.read_text().replace("90.5", "90.85"))
    folder = tree.model / "Offline" / "TEST01"
    (folder / "verify_accuracy.txt").write_text("TEST FAIL\n")
    for name, f1 in (("baseline", 90.85), ("compliance", compliance)):
        (folder / "accuracy" / f"{name}_accuracy.txt").write_text(f'{{"exact_match": 80.0, "f1": {f1}}}\n')

    assert [line for line in errors(check(root, "v6.1", "Example")) if "TEST01 passed" not in line] == []
    assert check(root, "v6.1", "Example").accepted is accepted

    (folder / "accuracy" / "more.txt").write_text("x")
    assert not check(root, "v6.1", "Example").accepted


def test_scores_to_fall_back_on_belong_to_tests_that_failed(accepted_closed: Path, tmp_path: Path) -> None:
    """The strict official checker refuses them beside a test that passed."""
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    folder = Tree(root, "closed").offline / "TEST01" / "accuracy"
    (folder / "baseline_accuracy.txt").write_text('{"exact_match": 80.0, "f1": 90.5}\n')

    assert [line for line in errors(check(root, "v6.1", "Example")) if "accuracy/ of TEST01 holds" in line]


def place(path: Path) -> Place:
    disk = Disk(path.parent)
    return Place(disk, disk.root) / path.name


COMPONENTS = """
My System:
- My Rack:
  - My Server:
    - Description: two supplies, one needed
      Min PSUs Needed: 1
      PSUs:
      - {Name: PSU 1, PowerCapacityWatts: 1200}
      - {Name: PSU 2, PowerCapacityWatts: 1600}
  - My Switch:
    - min psus needed: 2
      PSUs:
      - {Name: PSU 1, PowerCapacityWatts: 300}
      - {Name: PSU 2, PowerCapacityWatts: 250.5}
"""


@pytest.mark.parametrize(
    ("text", "watts"),
    [
        (COMPONENTS, 2150.5),
        ("", 0),
        ("just words", 0),
        ("a: [", None),
        ("PSUs: []\nMin PSUs Needed: two\n", None),
        ("PSUs: [{PowerCapacityWatts: many}]\nMin PSUs Needed: 1\n", None),
        ("[" * 150 + "]" * 150, None),
    ],
)
def test_nameplate(text: str, watts: float | None, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)

    found, problem = nameplate.read(place(tmp_path / "x.yaml"))

    assert found == watts
    assert bool(problem) == (watts is None)


@pytest.mark.parametrize(("value", "watts"), [("1500", 1500.0), (2.5, 2.5), (True, None), ("x", None), (-1, None)])
def test_stated_capacity(value: object, watts: float | None) -> None:
    assert nameplate.number(value) == watts


def test_power_between_two_instants(tmp_path: Path) -> None:
    form = "Time,07-23-2024 13:43:{:02}.500,Watts,{:.1f},Volts,118.1,Amps,1.6,PF,0.87,Mark,x_testing"
    readings = [form.format(second, 100 + second) for second in range(10)]
    (tmp_path / "spl.txt").write_text("\n".join([*readings[:7], form.format(7, 0), "rubbish", *readings[9:]]))
    begin, end = instant("07-23-2024 13:43:02.500"), instant("07-23-2024 13:43:09.000")
    assert begin is not None
    assert end is not None

    power = between(place(tmp_path / "spl.txt"), begin, end)

    assert power.watts == pytest.approx((103 + 104 + 105 + 106) / 4)
    assert (power.seconds, power.readings, power.problem) == (6.5, 4, "line 9 is no reading")
    assert power.longest_gap == pytest.approx(1.5)
    assert between(place(tmp_path / "none.txt"), begin, end).watts is None
    assert instant("13-45-2024 13:43:02.500") is None
    assert instant("words") is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("bert.Offline.target_qps=20\n", "line 1 is `model.scenario.key = value`"),
        ("# fine\nbert.Offline.target_qps = 20 # fast\n", "line 2 is `model.scenario.key = value`"),
        ("*.*.min_duration = 60000\n", "min_duration is 600000"),
        ("*.*.min_duration = 600000\nbert.Offline.min_duration = 1\n", "min_duration is 600000"),
        ("*.Offline.target_latency_percentile = 90\n", "target_latency_percentile is 0.99"),
    ],
)
def test_user_conf_that_was_not_measured_with(lines: str, words: str, submission: Path) -> None:
    tree = Tree(submission, "open")
    (tree.offline / "user.conf").write_text(lines)

    report = check(submission, "v6.1", "Example")

    assert report.accepted
    assert [f.severity for f in report.findings if words in f.rule and f.file.endswith("Offline/user.conf")] == [
        "warning"
    ]


def test_user_conf_in_other_words_is_fine(submission: Path) -> None:
    tree = Tree(submission, "open")
    lines = [
        "# comment",
        "",
        "bert.Server.min_duration = 1",
        "*.*.min_duration = 1",
        "*.Offline.min_duration = 0x927C0",
    ]
    (tree.offline / "user.conf").write_text(
        "\n".join([*lines, "resnet50.*.min_duration = 7", "*.*.other = text"]) + "\n"
    )

    found = check(submission, "v6.1", "Example").findings

    assert [finding for finding in found if finding.file.endswith("user.conf")] == []


@pytest.mark.parametrize(("last", "severities"), [("90.6", ["warning"]), ("89.0", ["error", "warning"]), ("90.5", [])])
def test_a_score_stated_twice(last: str, severities: list[str], accepted_closed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    path = Tree(root, "closed").offline / "accuracy" / "accuracy.txt"
    path.write_text(f'{{"exact_match": 80.0, "f1": {last}}}\n' + path.read_text())

    found = [finding for finding in check(root, "v6.1", "Example").findings if "F1 " in finding.rule]

    assert sorted(finding.severity for finding in found) == severities
