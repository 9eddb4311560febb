"""One submission from several hosts and several runs: one entry per distinct system, everything else named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from submission_builder import DESCRIPTION, Results, edit_json
from submission_mutations import Tree

from loadfleet.cli.submission import command
from loadfleet.errors import InputError
from loadfleet.submission.check import check
from loadfleet.submission.tree.generate import Generated, Request, generate

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = Request(submitter="Example")
FIRST, SECOND = "20261122T010000Z-bert-0001", "20261122T020000Z-bert-0002"
# Two equal hosts and another one.
HOSTS = {"epyc02": "a", "epyc01": "a", "xeon01": "b"}


def named(run: Path, host: str, **changes: Any) -> None:
    """Give a host's system its own name, as an inventory does."""
    description = {**DESCRIPTION, "system_name": host}
    edit_json(run / host / "system.json", name=host, description=description, **changes)


@pytest.fixture
def fleet(results: Results) -> list[Path]:
    """Two runs of three hosts; the other host's second run was INVALID."""
    runs = []
    for run_id in (FIRST, SECOND):
        for host, digest in HOSTS.items():
            bad = ("LoadGen says INVALID",) if (run_id, host) == (SECOND, "xeon01") else ()
            run = results.run(run_id, host=host, digest=digest, reasons=bad)
            named(run, host)
        runs.append(run)
    return runs


def sources(generated: Generated) -> set[tuple[str, str, str]]:
    return {(cell["path"].split("/")[3], cell["run_id"], cell["host"]) for cell in generated.cells}


def test_one_entry_for_each_distinct_system(fleet: list[Path], tmp_path: Path) -> None:
    generated = generate(fleet, tmp_path / "out", REQUEST)

    assert [(system["name"], system["equal_hosts"]) for system in generated.systems] == [
        ("epyc01", ["epyc01", "epyc02"]),
        ("xeon01", ["xeon01"]),
    ]
    assert sources(generated) == {("epyc01", SECOND, "epyc01"), ("xeon01", FIRST, "xeon01")}
    root = generated.tree / "open/Example"
    for name in ("epyc01", "xeon01"):
        description = json.loads((root / f"systems/{name}.json").read_text())
        assert (description["system_name"], description["number_of_nodes"]) == (name, "1")
    report = check(generated.tree, "v6.1", "Example")
    assert report.accepted
    assert len(report.rows) == 2


def test_everything_left_out_is_named_with_what_stands_for_it(fleet: list[Path], tmp_path: Path) -> None:
    generated = generate(fleet, tmp_path / "out", REQUEST)

    reasons = {entry["cell"]: entry["reasons"][0] for entry in generated.left_out}
    cells = [f"bert/Offline/{mode}" for mode in ("accuracy", "performance")]
    left_out = [(FIRST, "epyc01"), (FIRST, "epyc02"), (SECOND, "epyc02"), (SECOND, "xeon01")]
    assert set(reasons) == {f"{run}/{host}/{cell}" for run, host in left_out for cell in cells}
    stands = "stands for this system, model, scenario and mode"
    assert reasons[f"{FIRST}/epyc01/{cells[0]}"] == f"epyc01 of run {SECOND} {stands}"
    assert reasons[f"{FIRST}/epyc02/{cells[0]}"] == f"epyc01 of run {SECOND} {stands} (epyc02 is an equal system)"
    assert reasons[f"{SECOND}/xeon01/{cells[0]}"] == f"xeon01 of run {FIRST} {stands}"
    assert len(generated.cells) + len(generated.left_out) == 2 * 3 * 2, "nothing is lost without a word"


def test_the_order_of_runs_does_not_matter(fleet: list[Path], tmp_path: Path) -> None:
    one = generate(fleet, tmp_path / "one", REQUEST)
    two = generate([*reversed(fleet), fleet[0]], tmp_path / "two", REQUEST)

    assert one.record() == two.record()
    files = sorted(path.relative_to(one.tree) for path in one.tree.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two.tree) for path in two.tree.rglob("*") if path.is_file())
    assert [name for name in files if (one.tree / name).read_bytes() != (two.tree / name).read_bytes()] == []


def test_the_name_of_equal_hosts_does_not_depend_on_which_one_won(results: Results, tmp_path: Path) -> None:
    run = results.run(FIRST, host="b-host", digest="a")
    results.run(FIRST, host="a-host", digest="a", reasons=("LoadGen says INVALID",))
    for host in ("a-host", "b-host"):
        named(run, host)

    generated = generate([run], tmp_path / "out", REQUEST)

    assert [system["name"] for system in generated.systems] == ["a-host"]
    assert {cell["host"] for cell in generated.cells} == {"b-host"}


def test_a_name_for_all_tells_systems_apart_by_digest(fleet: list[Path], tmp_path: Path) -> None:
    generated = generate(fleet, tmp_path / "out", Request(submitter="Example", system_name="rack 7"))

    assert [system["name"] for system in generated.systems] == ["rack_7-aaaaaaaa", "rack_7-bbbbbbbb"]


def test_hosts_that_were_not_measured_are_like_no_other(results: Results, tmp_path: Path) -> None:
    for host in ("one", "two"):
        run = results.run(FIRST, host=host)
        named(run, host, digest="sha256:" + "0" * 64)

    generated = generate([run], tmp_path / "out", REQUEST)

    assert [system["name"] for system in generated.systems] == ["one", "two"]
    assert generated.left_out == []


def test_attempts_complete_each_other(results: Results, tmp_path: Path) -> None:
    first = results.run(FIRST, modes=("accuracy",))
    second = results.run(SECOND, modes=("performance",))

    generated = generate([first, second], tmp_path / "out", REQUEST)

    assert {(cell["mode"], cell["run_id"]) for cell in generated.cells} == {
        ("accuracy", FIRST),
        ("performance", SECOND),
    }
    assert check(generated.tree, "v6.1", "Example").accepted
    readme = (Tree(generated.tree, "open").offline / "README.md").read_text()
    assert f"| run | {FIRST}, {SECOND} |" in readme


def test_a_repeated_cell_is_no_part_of_its_run(results: Results, tmp_path: Path) -> None:
    run = results.run(FIRST)
    folder = run / "localhost/bert/Offline"
    (folder / "performance").rename(folder / "performance.replay.x1Y2z3")
    results.cell(run, "localhost", "Offline", "performance")

    generated = generate([run], tmp_path / "out", REQUEST)

    assert generated.left_out == []
    assert len(generated.cells) == 2


def test_runs_on_the_command_line(fleet: list[Path], tmp_path: Path) -> None:
    words = ["create", FIRST, str(fleet[1]), "--results-path", str(fleet[0].parent), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(command, [*words, "--submitter", "Example"])
    assert done.exit_code == 0, done.output
    assert "system epyc01: epyc01, epyc02 are equal" in done.output
    assert f"left out: {SECOND}/xeon01/bert/Offline/accuracy: xeon01 of run {FIRST} stands for" in done.output
    assert "2 of 2 results accepted" in done.output


def test_a_named_run_without_results_is_refused(fleet: list[Path], tmp_path: Path) -> None:
    away = tmp_path / "20261122T030000Z-bert-0003"
    away.mkdir()

    with pytest.raises(InputError, match=r"nothing to submit of .*0003") as caught:
        generate([*fleet, away], tmp_path / "out", REQUEST)

    assert caught.value.fix
    assert f"benchmark_run_id={away.name}" in caught.value.fix
    assert not (tmp_path / "out").exists()
