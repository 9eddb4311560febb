from __future__ import annotations

import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING

import jsonschema
import pytest
from submission_builder import BERT, DESCRIPTION, RUN, Results, edit_json
from submission_mutations import Tree

from loadfleet.catalogue.rounds import load
from loadfleet.errors import InputError
from loadfleet.submission.check import check
from loadfleet.submission.tree.generate import Request, generate

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = Request(submitter="Example")


def names(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_the_fixture_is_what_the_engine_writes(results: Results) -> None:
    schema = json.loads(resources.files("loadfleet.results").joinpath("schemas/result.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)

    found = sorted(results.run(modes=("accuracy", "performance", "TEST01")).rglob("result.json"))

    assert len(found) == 3
    assert [error.message for path in found for error in validator.iter_errors(json.loads(path.read_text()))] == []


def test_the_tree_of_an_open_result(results: Results, tmp_path: Path) -> None:
    generated = generate([results.run()], tmp_path / "out", REQUEST)

    result = "results/example-board/minilm-squad/Offline"
    assert names(generated.tree / "open" / "Example") == {
        "systems/example-board.json",
        "src/minilm-squad/README.md",
        "documentation/calibration.md",
        "model_mapping.json",
        f"{result}/measurements.json",
        f"{result}/user.conf",
        f"{result}/README.md",
        f"{result}/performance/run_1/mlperf_log_summary.txt",
        f"{result}/performance/run_1/mlperf_log_detail.txt",
        f"{result}/performance/run_1/mlperf_log_accuracy.json",
        f"{result}/accuracy/mlperf_log_summary.txt",
        f"{result}/accuracy/mlperf_log_detail.txt",
        f"{result}/accuracy/mlperf_log_accuracy.json",
        f"{result}/accuracy/accuracy.txt",
    }
    assert json.loads((generated.tree / "open/Example/model_mapping.json").read_text()) == {"minilm-squad": "bert-99"}
    assert generated.not_submittable == []
    assert not list((tmp_path / "out").glob(".generate*"))


def test_raw_logs_are_byte_exact_and_results_stay_as_they_are(results: Results, tmp_path: Path) -> None:
    run = results.run()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    tree = Tree(generate([run], tmp_path / "out", REQUEST).tree, "open")

    source = run / "localhost/bert/Offline"
    for mode, folder in (("performance", "performance/run_1"), ("accuracy", "accuracy")):
        for name in ("mlperf_log_summary.txt", "mlperf_log_detail.txt"):
            assert (tree.offline / folder / name).read_bytes() == (source / mode / name).read_bytes()
    assert (tree.offline / "user.conf").read_bytes() == (source / "performance/user.conf").read_bytes()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_description_has_exactly_the_fields_as_text(results: Results, tmp_path: Path) -> None:
    generated = generate([results.run()], tmp_path / "out", Request(submitter="Example", status="preview"))

    description = json.loads(Tree(generated.tree, "open").description.read_text())
    assert set(description) == set(load("v6.1").system_fields.everything)
    assert all(isinstance(value, str) for value in description.values())
    assert (description["division"], description["submitter"]) == ("open", "Example")
    assert (description["status"], description["system_type"]) == ("preview", "edge")
    assert description["accelerator_model_name"] == "N/A"
    assert description["host_processor_frequency"] == ""
    assert generated.systems[0]["unmeasured"] == ["host_processor_frequency"]


def test_nothing_is_invented_for_what_was_not_measured(results: Results, tmp_path: Path) -> None:
    run = results.run()
    edit_json(run / "localhost/system.json", description={**DESCRIPTION, "cooling": "", "accelerators_per_node": "1"})

    generated = generate([run], tmp_path / "out", REQUEST)

    assert json.loads(Tree(generated.tree, "open").description.read_text())["cooling"] == ""
    assert "cooling" in generated.systems[0]["empty"]
    assert "accelerator_model_name" in generated.systems[0]["empty"]
    assert not check(generated.tree, "v6.1", "Example").accepted


def test_the_framework_is_what_the_runs_measured(results: Results, tmp_path: Path) -> None:
    run = results.run()
    edit_json(run / "localhost/system.json", description={**DESCRIPTION, "framework": ""}, unmeasured=["framework"])

    generated = generate([run], tmp_path / "out", REQUEST)

    assert json.loads(Tree(generated.tree, "open").description.read_text())["framework"] == "onnxruntime 1.23.0"
    assert generated.systems[0]["unmeasured"] == []


def test_the_readme_repeats_the_run(results: Results, tmp_path: Path) -> None:
    tree = Tree(generate([results.run()], tmp_path / "out", REQUEST).tree, "open")

    text = (tree.offline / "README.md").read_text()
    assert "ansible-playbook playbooks/bert.yml -i inventory" in text
    assert '"benchmark_model": "minilm-squad"' in text
    assert "numactl -N 0 loadfleet cell run cell.json" in text
    assert "onnxruntime 1.23.0" in text


def test_closed_takes_the_official_model_only(results: Results, tmp_path: Path) -> None:
    closed = Request(submitter="Example", division="closed")
    with pytest.raises(InputError, match="'minilm-squad', which is not the official model of bert-99"):
        generate([results.run()], tmp_path / "out", closed)

    generated = generate([results.run("20261122T030000Z-bert-0001", model=BERT)], tmp_path / "out", closed)
    tree = Tree(generated.tree, "closed")
    assert tree.model.name == "bert-99"
    assert not (tree.submitter / "model_mapping.json").exists()


def test_what_cannot_be_submitted_is_built_and_named(results: Results, tmp_path: Path) -> None:
    why = "execution is test: LoadGen's minimum duration was 10 s, the round asks for 600 s"
    run = results.run(execution="test", reasons=(why,))

    generated = generate([run], tmp_path / "out", REQUEST)

    assert Tree(generated.tree, "open").log().is_file()
    assert {entry["cell"]: entry["reasons"] for entry in generated.not_submittable} == {
        f"{RUN}/localhost/bert/Offline/{mode}": [why] for mode in ("accuracy", "performance")
    }
    with pytest.raises(InputError, match=f"nothing to submit: .*{why}"):
        generate([run], tmp_path / "out2", Request(submitter="Example", only_submittable=True))


def test_a_changed_log_is_noticed(results: Results, tmp_path: Path) -> None:
    run = results.run()
    with (run / "localhost/bert/Offline/performance/mlperf_log_summary.txt").open("a") as stream:
        stream.write("Result is : VALID\n")

    generated = generate([run], tmp_path / "out", REQUEST)

    (entry,) = generated.not_submittable
    assert "mlperf_log_summary.txt changed after the run" in entry["reasons"][0]


def test_a_missing_log_is_named_and_refused_by_the_check(results: Results, tmp_path: Path) -> None:
    run = results.run()
    (run / "localhost/bert/Offline/accuracy/accuracy.txt").unlink()

    generated = generate([run], tmp_path / "out", REQUEST)

    assert generated.not_submittable[0]["reasons"] == ["accuracy.txt is missing in the results"]
    report = check(generated.tree, "v6.1", "Example")
    assert any("accuracy.txt is required" in finding.rule for finding in report.findings)


def test_hosts_of_one_digest_are_one_system(results: Results, tmp_path: Path) -> None:
    run = results.run(host="sut-1")
    results.run(host="sut-2")

    generated = generate([run], tmp_path / "out", REQUEST)

    assert [system["name"] for system in generated.systems] == ["example-board"]
    assert {cell["host"] for cell in generated.cells} == {"sut-1"}
    assert [entry["cell"] for entry in generated.left_out] == [
        f"{RUN}/sut-2/bert/Offline/accuracy",
        f"{RUN}/sut-2/bert/Offline/performance",
    ]
    assert check(generated.tree, "v6.1", "Example").accepted


def test_systems_of_one_name_and_two_digests_stay_apart(results: Results, tmp_path: Path) -> None:
    run = results.run(host="sut-1", digest="a")
    results.run(host="sut-2", digest="b")

    generated = generate([run], tmp_path / "out", REQUEST)

    assert sorted(system["name"] for system in generated.systems) == [
        "example-board-aaaaaaaa",
        "example-board-bbbbbbbb",
    ]
    report = check(generated.tree, "v6.1", "Example")
    assert report.accepted
    assert len(report.rows) == 2


def test_a_submittable_run_wins_over_a_newer_test(results: Results, tmp_path: Path) -> None:
    good = results.run("20261122T010000Z-bert-0001")
    newer = results.run("20261122T020000Z-bert-0002")
    test = results.run("20261122T030000Z-bert-0003", execution="test", reasons=("execution is test",))

    generated = generate([good, newer, test], tmp_path / "out", REQUEST)

    assert {cell["run_id"] for cell in generated.cells} == {"20261122T020000Z-bert-0002"}


def test_generating_again_replaces_and_gives_the_same_bytes(results: Results, tmp_path: Path) -> None:
    run = results.run()
    first = generate([run], tmp_path / "out", REQUEST).tree
    digest = {name: hashlib.sha256((first / name).read_bytes()).hexdigest() for name in names(first)}
    (first / "open/Example/stray.txt").write_text("x")

    again = generate([run], tmp_path / "out", REQUEST).tree

    assert {name: hashlib.sha256((again / name).read_bytes()).hexdigest() for name in names(again)} == digest


def test_a_run_for_another_round_is_named(results: Results, tmp_path: Path) -> None:
    generated = generate([results.run()], tmp_path / "out", Request(submitter="Example", round="v6.0"))

    assert generated.not_submittable[0]["reasons"] == ["measured with the seeds of v6.1, not v6.0"]


def test_the_layout_of_older_rounds(results: Results, tmp_path: Path) -> None:
    run = results.run()
    generated = generate([run], tmp_path / "out", Request(submitter="Example", round="v5.1"))
    tree = Tree(generated.tree, "open")
    for name, seed in load("v5.1").seeds.items():
        tree.set(f"effective_{name}", seed)

    assert check(generated.tree, "v5.1", "Example").accepted
    assert {path.split("/")[0] for path in names(tree.submitter)} == {
        "code",
        "documentation",
        "measurements",
        "model_mapping.json",
        "results",
        "systems",
    }


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(division="half-open"), "division 'half-open'"),
        (Request(system_type="cloud"), "system type 'cloud'"),
        (Request(status="soon"), "status 'soon'"),
        (Request(submitter="My Company"), "submitter 'My Company'"),
        (Request(round="v1.0"), "no round named 'v1.0'"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_written(
    request_: Request, words: str, results: Results, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        generate([results.run()], tmp_path / "out", request_)

    assert words in caught.value.message
    assert caught.value.fix
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"run_id": 1, "model": 3}', "\x00"])
def test_unreadable_results_are_refused_in_words(content: str, results: Results, tmp_path: Path) -> None:
    run = results.run(modes=("performance",))
    (run / "localhost/bert/Offline/performance/result.json").write_text(content)

    with pytest.raises(InputError, match="nothing to submit"):
        generate([run], tmp_path / "out", REQUEST)


def test_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no results folder"):
        generate([tmp_path / "none"], tmp_path / "out", REQUEST)
