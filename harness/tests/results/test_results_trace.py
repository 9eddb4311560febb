from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from published_builder import RESNET
from test_results_publish import LOG, RUNS, make_run

from loadfleet.cli.results import command
from loadfleet.errors import InputError
from loadfleet.files import sha256
from loadfleet.results import RunResults
from loadfleet.results.history.importing import import_results
from loadfleet.results.publish import publish
from loadfleet.results.publish.trace import Traced, trace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two runs that came home, the second published in `store`."""
    make_run(tmp_path / "results", RUNS[0], text="first\n")
    run = make_run(tmp_path / "results", RUNS[1], text="second\n")
    publish([RunResults.load(run)], str(tmp_path / "store"))
    return tmp_path / "results"


def cell(home: Path, run_id: str) -> Path:
    return home / run_id / "localhost" / "bert" / "Offline" / "performance"


def states(found: list[Traced]) -> set[tuple[str, str]]:
    return {(Path(log.path).name, log.state) for log in found}


GOOD = {(LOG, "verified"), ("mlperf_log_summary.txt", "verified")}


def test_a_digest_of_a_raw_log(home: Path) -> None:
    digest = sha256(cell(home, RUNS[0]) / LOG)

    found = trace(f"sha256:{digest}", home)

    assert states(found) == {(LOG, "verified")}
    assert {log.run_id for log in found} == {RUNS[0]}
    assert trace(digest[:10].upper(), home) == found


def test_a_published_result_a_published_run_and_a_file_of_its_tree(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store" / "runs" / RUNS[1]
    copy = folder / "results/localhost/bert/Offline/performance/result.json"

    for what in (copy, copy.parent, folder, folder / "digests.json"):
        found = trace(str(what), home)
        assert states(found) == GOOD, what
        assert all(log.path.startswith(str(home)) for log in found)
    assert states(trace(sha256(copy), home, [tmp_path / "store"])) == GOOD
    assert states(trace(sha256(folder / "summary.json"), home, [tmp_path / "store"])) == GOOD


def test_a_changed_and_a_missing_log(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store" / "runs" / RUNS[1]
    (cell(home, RUNS[1]) / LOG).write_text("edited\n")
    (cell(home, RUNS[1]) / "mlperf_log_summary.txt").unlink()

    assert states(trace(str(copy), home)) == {(LOG, "changed"), ("mlperf_log_summary.txt", "missing")}


def test_a_scenario_of_a_tree_knows_even_the_log_that_was_cut(home: Path, tmp_path: Path) -> None:
    raw = cell(home, RUNS[0]) / LOG
    scenario = tmp_path / "tree" / "Offline"
    for folder in ("performance/run_1", "accuracy"):
        (scenario / folder).mkdir(parents=True)
    (scenario / "performance" / "run_1" / LOG).write_bytes(raw.read_bytes())
    (scenario / "accuracy" / "accuracy.txt").write_text(f"f1\n\nhash={'0' * 64}\n")

    found = trace(str(scenario), home)

    assert [(log.log, log.state) for log in found] == [
        (LOG, "verified"),
        ("accuracy/mlperf_log_accuracy.json", "missing"),
    ]
    assert trace(str(scenario / "performance" / "run_1" / LOG), home)[0].path == str(raw)


def test_an_imported_result_by_its_digest(home: Path, tmp_path: Path) -> None:
    from loadfleet.results import history  # noqa: PLC0415

    index = tmp_path / "index.duckdb"
    import_results(str(tmp_path / "store"), index)
    import_results(str(RESNET), index)
    rows = {row.submitter: row for row in history.rows(index=index)}

    ours = trace(rows["Example"].digest, home, index=index)
    theirs = trace(rows["UntetherAI"].digest.removeprefix("sha256:")[:16], home, index=index)

    assert {log.state for log in ours} == {"verified"}
    assert {log.state for log in theirs} == {"missing"}
    assert all(log.path.startswith(RESNET.name) for log in theirs)


@pytest.mark.parametrize("what", ["ffffffffff", "abc", "no/such/path", "zzzzzzzzzz"])
def test_what_nothing_knows(home: Path, what: str) -> None:
    with pytest.raises(InputError):
        trace(what, home)


def test_things_that_are_no_result(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "result.json").write_text("[]")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "result.json").write_text("{}")

    for name in ("empty", "list", "none"):
        with pytest.raises(InputError):
            trace(str(tmp_path / name), home)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["trace", *arguments])


def test_the_command(home: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "store" / "runs" / RUNS[1])
    where = ("--results-path", str(home), "--index", str(tmp_path / "none.duckdb"))

    good = invoke(folder, *where)
    assert good.exit_code == 0
    assert good.output.count("verified") == 2

    (cell(home, RUNS[1]) / LOG).write_text("edited\n")
    bad = invoke(folder, *where, "--json")
    assert bad.exit_code == 1
    assert {log["state"] for log in json.loads(bad.output)["logs"]} == {"changed", "verified"}
    unknown = invoke("ffffffffff", *where)
    assert isinstance(unknown.exception, InputError)
