from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import onnx
import pytest

from benchmarks import __main__ as command
from benchmarks import parts
from benchmarks.bench import Bench
from benchmarks.errors import UnavailableError
from benchmarks.part import Part, Reading, Record, ratio, rows
from benchmarks.parts import large
from benchmarks.turns import seconds
from loadfleet.errors import InputError
from loadfleet.workloads.bert.model import Architecture

if TYPE_CHECKING:
    from pathlib import Path


def test_every_part_says_what_it_is_and_makes_rows_of_nothing() -> None:
    everything = parts.everything()

    assert len({part.name for part in everything}) == len(everything) >= 10
    for part in everything:
        record = Record(problems={"": "not run"})
        made = rows(part, record)
        assert made, part.name
        assert {row.ok for row in made} == {None}
        assert {row.reason for row in made} == {"not run"}


def test_the_default_parts_fit_into_the_default_budget() -> None:
    assert sum(part.seconds for part in parts.chosen([])) <= seconds(command.BUDGET)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(InputError, match="'ofline', which is no part"):
        parts.chosen(["ofline"])


@pytest.mark.parametrize(
    "words", [["--parts", "nothing"], ["--budget", "soon"], ["--rounds", "0"], ["--reference", "/does/not/exist"]]
)
def test_wrong_input_is_told_and_changes_nothing(words: list[str], tmp_path, capsys) -> None:
    assert command.main([*words, "--output", str(tmp_path / "out")]) == 2
    assert "fix:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_list_is_json_on_request(capsys) -> None:
    assert command.main(["--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"offline", "server", "null"} <= {part["name"] for part in listed["parts"]}


def _main(monkeypatch, tmp_path, run, *words: str) -> tuple[int, dict[str, object]]:
    part = Part("some", "Some", run, (ratio("x", "a", "b", at_least=2.0),), rounds=2, seconds=1)
    monkeypatch.setattr(parts, "chosen", lambda names: [part])
    status = command.main(["--store", str(tmp_path), "--output", str(tmp_path / "out"), "--json", *words])
    return status, json.loads((tmp_path / "out" / "latest.json").read_text(encoding="utf-8"))


def test_the_status_is_that_of_the_targets(monkeypatch, tmp_path, capsys) -> None:
    def run(bench: Bench, number: int):
        yield Reading("a", 1.0)
        yield Reading("b", 1.0)

    status, found = _main(monkeypatch, tmp_path, run)

    assert status == 1
    assert found["rows"][0]["median"] == 1
    assert found["schema_version"] == 1
    assert json.loads(capsys.readouterr().out) == found


def test_what_was_measured_before_an_interrupt_is_kept(monkeypatch, tmp_path, capsys) -> None:
    def run(bench: Bench, number: int):
        if number:
            raise KeyboardInterrupt
        yield Reading("a", 4.0)
        yield Reading("b", 1.0)

    status, found = _main(monkeypatch, tmp_path, run)

    assert status == 4
    assert found["interrupted"] is True
    assert found["rows"][0]["values"] == [4.0]


def _bench(tmp_path: Path, left: float = 60.0) -> Bench:
    return Bench(tmp_path, tmp_path, lambda: left)


def test_a_measurement_in_a_process_of_its_own_gives_its_value_or_its_last_words(tmp_path) -> None:
    bench = _bench(tmp_path)

    assert bench.child("benchmarks.turns:seconds", text="2m") == 120
    with pytest.raises(UnavailableError, match="which is no duration"):
        bench.child("benchmarks.turns:seconds", text="soon")


def test_a_process_that_takes_too_long_is_ended(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("benchmarks.bench._MOST_S", 0.3)

    with pytest.raises(UnavailableError, match="ended after 0 s"):
        _bench(tmp_path).command([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, {})


def test_a_store_that_cannot_be_filled_is_a_reason(tmp_path, monkeypatch) -> None:
    with pytest.raises(UnavailableError, match="no-such-model"):
        _bench(tmp_path).cell(model="no-such-model")


def test_the_large_model_is_one_layer_many_times() -> None:
    model = large.repeated(Architecture(3, 32, 4, 64, 48, 100, 1e-12))

    onnx.checker.check_model(model)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert sum(name.endswith(".scores") for name in names) == 3
    constants = [one.name for one in model.graph.initializer]
    assert sum("query.weight" in name for name in constants) == 1
    made = {output for node in model.graph.node for output in node.output}
    known = made | set(constants) | {each.name for each in model.graph.input}
    assert {name for node in model.graph.node for name in node.input} <= known
    used = {name for node in model.graph.node for name in node.input}
    assert made - used == {"output_start_logits", "output_end_logits"}


def test_a_backend_that_is_nowhere_says_how_it_is_installed(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"not installed: `ansible-playbook .* -e benchmark_backend=absent`"):
        Bench(tmp_path / "store", tmp_path, lambda: 10.0).python("absent")
    own = tmp_path / "store/venvs/absent/bin/python"
    own.parent.mkdir(parents=True)
    own.symlink_to(sys.executable)
    with pytest.raises(UnavailableError, match=r"not installed: .*'absent'"):
        Bench(tmp_path / "store", tmp_path, lambda: 10.0).python("absent")
