"""Divisions, system types, flavours and inferred scenarios: trees of real logs that the check accepts, and what it must
not be given.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from submission_builder import BERT, DESCRIPTION, MINILM, Results, edit_json
from submission_mutations import Tree
from submission_suites import BASIC, COMBINATIONS, NETWORK, Combination, Suite

from loadfleet.catalogue.rounds import load
from loadfleet.errors import InputError
from loadfleet.submission.check import check
from loadfleet.submission.status import of
from loadfleet.submission.tree.generate import Request, generate

NAMED = {combination.name: combination for combination in COMBINATIONS}
CLOSED = Request(submitter="Example", division="closed")


@pytest.fixture(scope="session")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`<recording>/<Scenario>/<mode>/` with logs of real runs of other benchmarks than bert."""
    folder = tmp_path_factory.mktemp("suites")
    with tarfile.open(Path(__file__).parent / "data/suites.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda combination: combination.name)
def test_every_kind_of_submission_is_accepted(
    combination: Combination, logs: Path, suites: Path, tmp_path: Path
) -> None:
    run, request = combination.make(tmp_path, logs, suites)

    generated = generate([run], tmp_path / "out", request)
    report = check(generated.tree, request.round, request.submitter)

    assert [finding.line() for finding in report.findings if finding.severity == "error"] == []
    assert report.accepted
    assert len(report.rows) == combination.results
    assert (generated.not_submittable, generated.left_out, generated.lacking) == ([], [], [])
    assert of([run], request).complete, "the status says the same"


def test_two_flavours_share_their_logs(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = NAMED["closed edge, 99 and 99.9"].make(tmp_path, logs, suites)

    system = generate([run], tmp_path / "out", request).tree / "closed/Example/results/example-board"

    name = "Offline/performance/run_1/mlperf_log_detail.txt"
    assert sorted(path.name for path in system.iterdir()) == ["bert-99", "bert-99.9"]
    assert (system / "bert-99" / name).read_bytes() == (system / "bert-99.9" / name).read_bytes()
    assert "for `bert-99.9` and `bert-99`" in (system / "bert-99/Offline/README.md").read_text()
    assert (system.parents[1] / "src/bert-99.9/README.md").is_file()


def test_an_own_name_gets_the_flavour_added(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = NAMED["open edge, own model, 99 and 99.9"].make(tmp_path, logs, suites)

    submitter = generate([run], tmp_path / "out", request).tree / "open/Example"

    mapping = json.loads((submitter / "model_mapping.json").read_text())
    assert mapping == {"my-bert": "bert-99", "my-bert-99.9": "bert-99.9"}


@pytest.mark.parametrize(
    ("flavours", "f1", "folders"),
    [
        ("stated", 90.85, ["bert-99"]),
        ("best", 90.85, ["bert-99.9"]),
        ("reached", 90.85, ["bert-99", "bert-99.9"]),
        ("reached", 90.5, ["bert-99"]),
        ("best", 80.0, ["bert-99"]),
    ],
)
def test_a_flavour_needs_its_target(
    flavours: str, f1: float, folders: list[str], results: Results, tmp_path: Path
) -> None:
    run = results.run(model=BERT, f1=f1)

    generated = generate([run], tmp_path / "out", replace(CLOSED, flavours=flavours))

    assert sorted(path.name for path in (generated.tree / "closed/Example/results/example-board").iterdir()) == folders


def test_a_flavour_needs_its_target_in_every_scenario(results: Results, tmp_path: Path) -> None:
    run = results.run(model=BERT, f1=90.85)
    results.run(model=BERT, f1=90.5, scenarios=("SingleStream",))

    generated = generate([run], tmp_path / "out", replace(CLOSED, flavours="reached"))

    assert {cell["official_name"] for cell in generated.cells} == {"bert-99"}


def test_inferred_scenarios_are_marked(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = NAMED["closed edge, resnet50, both inferred"].make(tmp_path, logs, suites)

    generated = generate([run], tmp_path / "out", request)

    model = generated.tree / "closed/Example/results/example-board/resnet50"
    assert "**Inferred**: this result was not measured in Offline" in (model / "Offline/README.md").read_text()
    assert "Inferred" not in (model / "SingleStream/README.md").read_text()
    assert {(cell["scenario"], cell["inferred_from"]) for cell in generated.cells} == {
        ("SingleStream", ""),
        ("MultiStream", "SingleStream"),
        ("Offline", "SingleStream"),
    }
    rows = {row.scenario: row for row in check(generated.tree, "v6.1", "Example").rows}
    assert {name: row.inferred for name, row in rows.items()} == {
        "SingleStream": False,
        "MultiStream": True,
        "Offline": True,
    }
    assert rows["MultiStream"].value == pytest.approx(8 * rows["SingleStream"].value, rel=0.05)


def test_nothing_is_inferred_unless_asked_for(results: Results, tmp_path: Path) -> None:
    generated = generate([results.run(scenarios=("SingleStream",))], tmp_path / "out", Request(submitter="Example"))

    assert {cell["scenario"] for cell in generated.cells} == {"SingleStream"}


def test_what_was_measured_is_never_inferred(results: Results, tmp_path: Path) -> None:
    run = results.run(scenarios=("Offline", "SingleStream"), reasons=("LoadGen says INVALID",))

    generated = generate([run], tmp_path / "out", Request(submitter="Example", infer=True))

    assert {cell["inferred_from"] for cell in generated.cells} == {""}


def test_too_few_queries_give_no_multistream(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = NAMED["open edge, resnet50, both inferred"].make(tmp_path, logs, suites)
    log = run / "localhost/resnet50/SingleStream/performance/mlperf_log_detail.txt"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if '"early_stopping_latency_ms"' not in line))

    generated = generate([run], tmp_path / "out", request)

    assert {cell["scenario"] for cell in generated.cells} == {"SingleStream", "Offline"}
    (entry,) = generated.left_out
    assert "MultiStream cannot be inferred" in entry["reasons"][0]
    assert of([run], replace(request, division="closed")).lines[1].performance.state == "missing"


# The network division


def network(logs: Path, suites: Path, tmp_path: Path) -> tuple[Path, Request]:
    return NAMED["network datacenter, 3d-unet"].make(tmp_path, logs, suites)


def test_the_network_is_described_as_text(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = network(logs, suites, tmp_path)

    generated = generate([run], tmp_path / "out", request)

    description = json.loads(Tree(generated.tree, "network").description.read_text())
    assert description["is_network"] == "True"
    assert {name: description[name] for name in NETWORK} == NETWORK
    assert set(NETWORK) | {"is_network"} == set(load(request.round).system_fields.network)


def test_a_network_field_that_lacks_is_told_and_refused(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = network(logs, suites, tmp_path)
    description = {**DESCRIPTION, **NETWORK, "nic_sut": ""}
    edit_json(run / "localhost/system.json", description=description)

    generated = generate([run], tmp_path / "out", request)

    assert generated.systems[0]["empty"] == ["nic_sut"]
    assert not check(generated.tree, request.round, "Example").accepted
    (demand,) = (demand for demand in of([run], request).demands if not demand.met)
    assert (demand.why, demand.fix) == (
        "neither measured nor stated: nic_sut",
        "state nic_sut in system_description_network",
    )


def test_only_the_network_division_describes_the_network(results: Results, tmp_path: Path) -> None:
    """Checkers ask for all of its fields as soon as one stands."""
    run = results.run()
    edit_json(run / "localhost/system.json", description={**DESCRIPTION, **NETWORK, "is_network": "True"})

    generated = generate([run], tmp_path / "out", Request(submitter="Example"))

    description = json.loads(Tree(generated.tree, "open").description.read_text())
    assert set(description) == set(load("v6.1").system_fields.everything)


def test_optional_fields_are_kept_where_they_are_stated(results: Results, tmp_path: Path) -> None:
    run = results.run()
    stated = {"system_power_capacity": "400", "filesystem": ""}
    edit_json(run / "localhost/system.json", description={**DESCRIPTION, **stated})

    generated = generate([run], tmp_path / "out", Request(submitter="Example"))

    description = json.loads(Tree(generated.tree, "open").description.read_text())
    assert description["system_power_capacity"] == "400"
    assert "filesystem" not in description
    assert check(generated.tree, "v6.1", "Example").accepted


def test_a_run_beside_the_model_is_none_of_the_network_division(logs: Path, suites: Path, tmp_path: Path) -> None:
    _, request = network(logs, suites, tmp_path / "one")
    run = Suite(tmp_path / "results", logs, suites, "3d-unet").run(modes=(*BASIC, "TEST01"))
    edit_json(run / "localhost/system.json", description={**DESCRIPTION, **NETWORK})

    generated = generate([run], tmp_path / "out", request)

    reasons = {reason for entry in generated.not_submittable for reason in entry["reasons"]}
    assert reasons == {"sut_name is 'PySUT' and holds no 'Network SUT': LoadGen ran beside the model"}
    assert of([run], request).lines[0].performance.state == "invalid"
    assert not check(generated.tree, request.round, "Example").accepted


# Documents


def test_documents_of_ones_own_win(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = NAMED["closed datacenter, llama, both"].make(tmp_path, logs, suites)

    folder = generate([run], tmp_path / "out", request).tree / "closed/Example/documentation"

    assert sorted(path.name for path in folder.iterdir()) == ["bandwidth.md", "calibration.md"]
    assert (folder / "calibration.md").read_text().startswith("One switch")


def test_a_document_that_only_people_can_write_is_named(logs: Path, suites: Path, tmp_path: Path) -> None:
    run, request = network(logs, suites, tmp_path)

    generated = generate([run], tmp_path / "out", replace(request, documents=None))

    assert [entry["document"] for entry in generated.lacking] == ["bandwidth", "diagram"]
    assert (generated.tree / "network/Example/documentation/calibration.md").is_file()


@pytest.mark.parametrize("name", ["two words.md", "folder", "empty.md"])
def test_documents_that_the_check_would_refuse(name: str, results: Results, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    if name == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).write_text("" if name == "empty.md" else "x")

    for documents in (folder, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="submission_documents_path"):
            generate([results.run(documents.name)], tmp_path / "out", Request(submitter="Example", documents=documents))


# What belongs together


def test_one_result_never_mixes_models_or_backends(results: Results, tmp_path: Path) -> None:
    """Accuracy of the one and performance of the other would describe a system that does not exist."""
    first = results.run("20261122T010000Z-bert-0001", model=BERT, f1=90.5)
    other = {**BERT, "name": "bert-large-fp32", "digest": "sha256:" + "9" * 64}
    second = results.run("20261122T020000Z-bert-0002", model=other, modes=("performance",), f1=90.8)

    generated = generate([first, second], tmp_path / "out", CLOSED)

    assert {cell["model"] for cell in generated.cells} == {"bert-large-int8"}
    (entry,) = generated.left_out
    assert "bert-large-int8 on onnxruntime of run 20261122T010000Z-bert-0001 stands for" in entry["reasons"][0]


def test_of_two_complete_models_the_newest_counts(results: Results, tmp_path: Path) -> None:
    first = results.run("20261122T010000Z-bert-0001", model=BERT, f1=90.5)
    second = results.run("20261122T020000Z-bert-0002", model={**BERT, "name": "bert-large-fp32"}, f1=90.8)

    generated = generate([second, first], tmp_path / "out", CLOSED)

    assert {cell["model"] for cell in generated.cells} == {"bert-large-fp32"}


def test_tests_keep_the_runs_that_they_were_compared_with(results: Results, tmp_path: Path) -> None:
    """A newer run without tests must not take their place in closed; open asks for no test and takes it."""
    modes = (*BASIC, "TEST01")
    first = results.run("20261122T010000Z-bert-0001", model=BERT, f1=90.5, modes=modes)
    second = results.run("20261122T020000Z-bert-0002", model=BERT, f1=90.5)

    closed = generate([first, second], tmp_path / "closed", CLOSED)
    opened = generate([first, second], tmp_path / "open", Request(submitter="Example"))

    assert {(cell["mode"], cell["run_id"]) for cell in closed.cells} == {(mode, first.name) for mode in modes}
    assert closed.not_submittable == []
    assert {(cell["mode"], cell["run_id"]) for cell in opened.cells} == {(mode, second.name) for mode in BASIC}


def test_models_of_ones_own_stand_beside_each_other(results: Results, tmp_path: Path) -> None:
    first = results.run("20261122T010000Z-bert-0001")
    second = results.run("20261122T020000Z-bert-0002", model={**MINILM, "name": "my-bert"})

    generated = generate([first, second], tmp_path / "out", Request(submitter="Example"))

    assert {cell["path"].split("/")[4] for cell in generated.cells} == {"minilm-squad", "my-bert"}
    assert check(generated.tree, "v6.1", "Example").accepted
