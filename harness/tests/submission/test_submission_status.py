from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from submission_builder import BERT, MINILM, Results, edit_json, write_json
from submission_mutations import Tree

from loadfleet.catalogue.rounds import load
from loadfleet.errors import InputError
from loadfleet.submission.request import Request
from loadfleet.submission.status import durations, intent, of
from loadfleet.submission.status.durations import Speeds
from loadfleet.submission.status.matrix import Status, clock

OPEN, CLOSED = Request(submitter="Example"), Request(submitter="Example", division="closed")
DONE = ("valid", "valid", "valid", "not needed")
NONE = ("not needed",) * 4
FULL_MODES = ("accuracy", "performance", "TEST01")
FULL: dict[str, Any] = {
    "benchmark_model": "bert-large-fp32",
    "benchmark_scenarios": ["SingleStream", "Offline"],
    "benchmark_modes": list(FULL_MODES),
    "benchmark_execution": "valid",
}


def states(found: Status) -> dict[str, tuple[str, ...]]:
    return {line.scenario: tuple(state.state for state in line.states) for line in found.lines}


def planned(request: Request = CLOSED, results: list[Path] | None = None, **changes: Any) -> Status:
    return of(results or [], request, intent.of({**FULL, **changes}))


def test_open_takes_any_scenarios(results: Results) -> None:
    found = of([results.run()], OPEN)

    assert states(found) == {"SingleStream": NONE, "Offline": ("valid", "valid", "not needed", "not needed")}
    assert found.complete
    assert found.seconds == {"example-board": 0}


def test_results_that_lack_runs_for_closed(results: Results) -> None:
    run = results.run(modes=("performance",), model=BERT, execution="test", reasons=("execution is test",))

    found = of([run], CLOSED)

    assert states(found) == {
        "Offline": ("test-length", "missing", "missing", "not needed"),
        "SingleStream": ("missing", "missing", "missing", "not needed"),
    }
    offline = next(line for line in found.lines if line.scenario == "Offline")
    assert offline.performance.why == "execution is test"
    assert offline.compliance.why == "TEST01: no TEST01 run"
    assert not found.complete
    assert found.variables == {
        "benchmark_scenarios": ["SingleStream", "Offline"],
        "benchmark_modes": ["accuracy", "performance", "compliance"],
        "benchmark_execution": "valid",
    }


def test_closed_is_complete_with_every_scenario_and_test(results: Results) -> None:
    modes = ("accuracy", "performance", "TEST01")
    run = results.run(scenarios=("Offline", "SingleStream"), modes=modes, model=BERT, f1=90.5)

    found = of([run], CLOSED)

    assert states(found) == dict.fromkeys(("SingleStream", "Offline"), DONE)
    assert found.complete, found.demands


def test_a_test_is_made_together_with_the_runs_it_is_compared_with(results: Results) -> None:
    run = results.run(scenarios=("Offline", "SingleStream"), model=BERT, f1=90.5)

    found = of([run], CLOSED)

    for line in found.lines:
        assert tuple(state.state for state in line.states) == ("valid", "valid", "missing", "not needed")
        assert {run.mode for run in line.to_run} == {"performance", "accuracy", "TEST01"}
    assert found.variables["benchmark_modes"] == ["accuracy", "performance", "compliance"]


def test_a_test_of_another_run_does_not_count(results: Results) -> None:
    first = results.run("20261122T010000Z-bert-0001", model=BERT, f1=90.5)
    second = results.run("20261122T020000Z-bert-0002", modes=("TEST01",), model=BERT, f1=90.5)

    offline = next(line for line in of([first, second], CLOSED).lines if line.scenario == "Offline")

    assert offline.compliance.state == "invalid"
    assert "TEST01 was compared with the performance run of 20261122T020000Z-bert-0002" in offline.compliance.why


def test_closed_refuses_results_below_target_and_other_models(results: Results) -> None:
    below = of([results.run(model=BERT, f1=88.0)], CLOSED)
    other = of([results.run("20261122T030000Z-bert-0001", model=MINILM, f1=90.5)], CLOSED)

    line = next(line for line in below.lines if line.scenario == "Offline")
    assert (line.performance.state, line.accuracy.state) == ("valid", "invalid")
    assert line.accuracy.why == "F1 is 88 and bert-99 asks for >= 89.96526"
    assert {state for line in other.lines for state in states(other)[line.scenario][:3]} == {"invalid"}
    assert "not the official model of bert-99" in other.lines[0].performance.why


def test_a_field_that_nobody_stated_is_told_in_closed(results: Results) -> None:
    run = results.run(model=BERT, f1=90.5)
    edit_json(run / "localhost/system.json", unmeasured=["cooling", "host_processor_frequency"])

    (demand,) = (demand for demand in of([run], CLOSED).demands if demand.name == "description")

    assert not demand.met
    assert demand.why == "neither measured nor stated: cooling"
    assert demand.fix == "state cooling in system_description_overrides"
    assert all(demand.met for demand in of([run], OPEN).demands)


def test_flavours_have_lines_of_their_own(results: Results) -> None:
    modes = ("accuracy", "performance", "TEST01")
    run = results.run(scenarios=("Offline", "SingleStream"), modes=modes, model=BERT, f1=90.85)

    found = of([run], Request(submitter="Example", division="closed", flavours="reached"))

    assert {line.official_name for line in found.lines} == {"bert-99", "bert-99.9"}
    assert found.complete


# Plans: nothing has run


def test_a_plan_that_completes_closed() -> None:
    found = planned()

    assert states(found) == dict.fromkeys(("SingleStream", "Offline"), ("planned", "planned", "planned", "not needed"))
    assert found.complete
    assert found.variables == {}
    # Two performance-type runs of 600 s and two of 660 s; how fast the model is nobody knows yet.
    assert found.at_least
    assert clock(found.seconds["any host"]) == "00:42"


@pytest.mark.parametrize(
    ("changes", "variables"),
    [
        ({"benchmark_scenarios": "Offline"}, {"benchmark_scenarios": ["SingleStream", "Offline"]}),
        (
            {"benchmark_modes": ["performance"]},
            {"benchmark_modes": ["accuracy", "performance", "compliance"]},
        ),
        ({"benchmark_execution": "test"}, {"benchmark_execution": "valid"}),
    ],
)
def test_a_plan_that_lacks_something_names_the_variable(changes: dict[str, Any], variables: dict[str, Any]) -> None:
    found = planned(**changes)

    assert not found.complete
    assert found.variables == variables


@pytest.mark.parametrize(
    ("request_", "changes", "words", "fix"),
    [
        (CLOSED, {"benchmark_model": "minilm-squad"}, "which is not the official model of bert-99", "benchmark_model"),
        (
            Request(division="closed", system_type="datacenter"),
            {},
            "bert-99 is not part of the datacenter suite",
            "submission_system_type to datacenter,edge or edge",
        ),
        (Request(division="network"), {}, "the system type is 'edge'", "submission_system_type: datacenter"),
        (Request(system_type="datacenter", infer=True), {}, "only edge systems may infer", "submission_infer"),
        (Request(flavours="finest"), {}, "flavours 'finest'", "submission_flavours"),
        (CLOSED, {"benchmark_scenarios": ["Batch"]}, "'Batch'", "use one of"),
        (CLOSED, {"benchmark_modes": ["TEST77"]}, "'TEST77'", "TEST01"),
        (
            CLOSED,
            {"benchmark_modes": ["TEST01"]},
            "is compared with the accuracy and the performance run",
            "compliance",
        ),
        (CLOSED, {"benchmark_model": "{{ my_model }}"}, "is the template", "give its value"),
        (
            CLOSED,
            {"benchmark_models": "a, b"},
            "benchmark_models is a, b; a plan is looked at for one",
            "benchmark_model: a",
        ),
        (CLOSED, {"submission_round": "v1.0"}, "v1.0", ""),
    ],
)
def test_what_no_run_could_satisfy_is_refused(request_: Request, changes: dict[str, Any], words: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(request_, **changes)

    assert words in caught.value.message
    assert fix in caught.value.fix


def test_closed_refuses_a_model_below_target_before_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A catalogue of one's own with an official model that is known to be too bad."""
    from loadfleet import catalogue  # noqa: PLC0415

    known = catalogue.get("model", "bert-large-int8").path.read_text(encoding="utf-8")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/bert-bad.yml").write_text(
        known.replace("name: bert-large-int8", "name: bert-bad").replace("f1: 90.067", "f1: 89.1")
    )
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(tmp_path))

    with pytest.raises(InputError, match=r"F1 is 89.1 and bert-99 asks for >= 89.96526: the closed division refuses"):
        planned(benchmark_model="bert-bad")


def test_documents_that_only_people_can_write(tmp_path: Path, results: Results) -> None:
    request = Request(division="closed", system_type="datacenter,edge")
    (lacking,) = (demand for demand in planned(request).demands if not demand.met)
    assert lacking.name == "document bandwidth"
    assert "submission_documents_path" in lacking.fix

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/bandwidth.md").write_text("PCIe 4.0 x16\n")
    with_it = Request(division="closed", system_type="datacenter,edge", documents=tmp_path / "docs")
    assert planned(with_it).complete


def test_a_plan_adds_to_results(results: Results) -> None:
    run = results.run(modes=("accuracy", "performance", "TEST01"), model={**BERT, "name": "bert-large-fp32"}, f1=90.5)

    found = planned(results=[run], benchmark_scenarios=["SingleStream"])

    assert states(found) == {"SingleStream": ("planned", "planned", "planned", "not needed"), "Offline": DONE}
    assert found.complete
    assert list(found.seconds) == ["example-board"]


def test_inferred_scenarios_count_when_asked_for(results: Results) -> None:
    modes = ("accuracy", "performance", "TEST01")
    run = results.run(scenarios=("SingleStream",), modes=modes, model=BERT, f1=90.5)
    request = Request(submitter="Example", division="closed", infer=True)

    assert states(of([run], CLOSED))["Offline"][0] == "missing"
    found = of([run], request)
    assert states(found)["Offline"] == ("inferred", "inferred", "inferred", "not needed")
    assert found.complete


# Durations


def test_durations_are_the_minimum_or_what_the_counts_ask_for() -> None:
    rules = load("v6.1")
    bert, resnet = rules.model("bert-99"), rules.model("resnet")
    speeds = Speeds({"Offline": 10.0, "SingleStream": 5.0, "MultiStream": 4.0})

    # 10,833 samples at 10 a second are longer than 660 s.
    assert durations.of_mode(rules, bert, "performance", "Offline", speeds) == (1083.3, False)
    assert durations.of_mode(rules, bert, "accuracy", "Offline", speeds) == (1083.3, False)
    assert durations.of_mode(rules, bert, "performance", "SingleStream", speeds) == (600, False)
    assert durations.of_mode(rules, bert, "accuracy", "SingleStream", speeds) == (10833 / 5, False)
    # 662 queries of 8 samples at 4 samples a second.
    assert durations.of_mode(rules, resnet, "performance", "MultiStream", speeds) == (662 * 8 / 4, False)
    assert durations.of_mode(rules, bert, "TEST01", "SingleStream", speeds) == (600, False)
    # Its audit file asks for 100 queries and no duration.
    llama = rules.model("llama3.1-8b")
    assert durations.of_mode(rules, llama, "TEST06", "Offline", speeds) == (10, False)
    # An unknown speed gives the least that it can take.
    assert durations.of_mode(rules, bert, "accuracy", "Offline", Speeds()) == (0, True)
    assert durations.of_mode(rules, bert, "accuracy", "Server", Speeds({"Offline": 100.0})) == (108.33, True)


def test_speeds_of_results_and_of_the_store(results: Results, tmp_path: Path) -> None:
    run = results.run(modes=("performance",), execution="test", reasons=("short",))
    estimates = tmp_path / "store/estimates"
    write_json(estimates / "bert-minilm-squad-SingleStream-0123456789ab.json", {"value": 20.0, "unit": "ms"})
    (estimates / "bert-minilm-squad-Offline-0123456789ab.json").write_text("{")

    from loadfleet.submission.tree.cells import find  # noqa: PLC0415

    assert durations.of_cells(find([run]).cells).performance == {"Offline": 17.9875}
    assert durations.of_store(tmp_path / "store", "bert", "minilm-squad").performance == {"SingleStream": 50.0}
    assert durations.of_store(tmp_path / "none", "bert", "minilm-squad").performance == {}


def test_clock_rounds_up() -> None:
    assert [clock(seconds) for seconds in (0, 1, 60, 61, 3600, 100 * 3600)] == [
        "00:00", "00:01", "00:01", "00:02", "01:00", "100:00",
    ]  # fmt: skip


# Plans are read from run files and variables


def test_a_run_file_is_a_plan(tmp_path: Path) -> None:
    run = {"workload": "bert", "scenarios": ["Offline"], "modes": None, "execution": "valid", "host": "sut-1"}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "vars").mkdir()
    (tmp_path / "vars/a.yml").write_text("submission_division: closed\nbenchmark_execution: valid\n")
    (tmp_path / "vars/b.yml").write_text("---\n# nothing\n")

    found = intent.of(intent.read([tmp_path / "run.json", tmp_path / "vars"], {"benchmark_backend": "null"}))

    assert intent.of({**FULL, "benchmark_modes": "accuracy,performance,compliance"}).modes == FULL_MODES
    assert (found.scenarios, found.modes) == (("Offline",), ("accuracy", "performance"))
    assert (found.systems, found.backend, found.execution) == (("sut-1",), "null", "valid")
    assert found.request["division"] == "closed"


@pytest.mark.parametrize("content", ["[1]", "{", "a: [", "\x00"])
def test_plans_that_are_none(content: str, tmp_path: Path) -> None:
    for name in ("plan.yml", "plan.json"):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match=rf"--plan .*{name}"):
            intent.read([tmp_path / name], {})
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(InputError, match="--plan"):
            intent.read([path], {})


@pytest.mark.parametrize(
    "name", [*intent.SUBMISSION, "benchmark_model", "benchmark_modes", "store_path", "hosts", "system"]
)
@pytest.mark.parametrize("value", [3, [3], True, [{}], {"a": [1]}, "x\0y", 1e999])
def test_values_of_other_types_are_wrong_input_or_taken(name: str, value: object) -> None:
    """Never an exception of another kind: nobody may see a traceback."""
    with contextlib.suppress(InputError):
        assert intent.of({**FULL, name: value}).workload == "bert"


def test_empty_texts_are_unset() -> None:
    names = [*intent.SUBMISSION, "benchmark_backend", "system_description_network", "hosts", "store_path"]
    assert intent.of({**FULL, **dict.fromkeys(names, "")}) == intent.of(FULL)


def test_misspelt_variables_are_refused() -> None:
    with pytest.raises(InputError, match="benchmark_scenario is no variable") as caught:
        intent.read([], {"benchmark_scenario": "Offline"})
    assert "did you mean benchmark_scenarios" in caught.value.fix


# Trees


def test_a_tree(accepted: Path, accepted_closed: Path, tmp_path: Path) -> None:
    assert states(of([accepted], OPEN)) == dict.fromkeys(
        ("SingleStream", "Offline"), ("valid", "valid", "not needed", "not needed")
    )
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    assert of([root], OPEN).complete, "a tree says its division itself"
    tree = Tree(root, "closed")
    tree.set("result_validity", "INVALID")
    shutil.rmtree(tree.stream / "accuracy")
    shutil.rmtree(tree.stream / "TEST01")

    found = of([root], OPEN)

    assert states(found) == {
        "Offline": ("invalid", "valid", "valid", "not needed"),
        "SingleStream": ("valid", "missing", "missing", "not needed"),
    }
    assert (found.division, found.complete) == ("closed", False)
    stream = next(line for line in found.lines if line.scenario == "SingleStream")
    # 10,833 samples at the measured latency, and TEST01's 600 s.
    assert {run.mode: round(run.seconds) for run in stream.to_run} == {"accuracy": 5582, "TEST01": 600}


def test_whose_tree_it_is(accepted: Path, tmp_path: Path) -> None:
    assert of([accepted], Request(submitter="Nobody")).complete, "there is one submitter only"
    root = Path(shutil.copytree(accepted, tmp_path / "tree"))
    shutil.copytree(root / "open/Example", root / "open/Other")
    with pytest.raises(InputError, match=r"no submission of Nobody \(there: Example, Other\)"):
        of([root], Request(submitter="Nobody"))


def test_a_tree_of_a_test_run(accepted: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(accepted, tmp_path / "tree"))
    Tree(root, "open").set("effective_min_duration_ms", 10000)

    assert states(of([root], OPEN))["Offline"][0] == "test-length"


def test_an_empty_folder_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to submit"):
        of([tmp_path], OPEN)
    with pytest.raises(InputError, match="neither results nor a plan"):
        of([], OPEN)
