from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from submission_mutations import Tree

from loadfleet.cli.submission import command
from loadfleet.errors import InputError
from loadfleet.submission.check import BAD, OK

if TYPE_CHECKING:
    from submission_builder import Results


def call(*arguments: object) -> Result:
    environment = {"LOADFLEET_MLCOMMONS_INFERENCE": "", "LOADFLEET_MLCOMMONS_PYTHON": ""}
    return CliRunner(env=environment).invoke(command, [str(argument) for argument in arguments])


def test_create_accepted(results: Results, tmp_path: Path) -> None:
    done = call("create", results.run(), "-o", tmp_path / "out", "--submitter", "Example", "--json")

    answer = json.loads(done.stdout)
    assert done.exit_code == 0
    assert answer["accepted"] is True
    assert (answer["attempt"], answer["not_submittable"]) == (1, [])
    assert Path(answer["archive"]).is_file()
    assert Path(answer["tree"]).is_dir()
    assert [result["accepted"] for result in answer["results"]] == [True]


def test_create_refused_still_leaves_tree_and_archive(results: Results, tmp_path: Path) -> None:
    run = results.run(execution="test", reasons=("execution is test: 10 s",))
    log = run / "localhost/bert/Offline/performance/mlperf_log_detail.txt"
    log.write_text(
        log.read_text().replace(
            '"effective_min_duration_ms", "value": 600000', '"effective_min_duration_ms", "value": 10000'
        )
    )

    done = call("create", run, "-o", tmp_path / "out", "--submitter", "Example", "--json")

    answer = json.loads(done.stdout)
    assert done.exit_code == 1
    assert answer["accepted"] is False
    assert Path(answer["archive"]).is_file()
    assert {reason for entry in answer["not_submittable"] for reason in entry["reasons"]} >= {"execution is test: 10 s"}
    assert any("effective_min_duration_ms" in finding["rule"] for finding in answer["findings"])


def test_create_in_words(results: Results, tmp_path: Path) -> None:
    done = call("create", results.run(), "-o", tmp_path / "out", "--submitter", "Example")

    assert done.exit_code == 0
    assert "1 of 1 results accepted" in done.stdout
    assert OK in done.stdout
    assert "mlperf_submission_1.tar.gz" in done.stdout


def test_the_steps_one_by_one(results: Results, tmp_path: Path) -> None:
    out, tree = tmp_path / "out", tmp_path / "out" / "tree"
    assert call("generate", results.run(), "-o", out, "--submitter", "Example", "--full").exit_code == 0

    refused = call("check", tree, "--submitter", "Example")
    assert refused.exit_code == 1
    assert refused.stdout.splitlines()[-1] == BAD
    assert "run loadfleet submission truncate" in refused.stdout

    assert "hash=" in call("truncate", tree, "--submitter", "Example").stdout
    checked = call("check", tree, "--submitter", "Example", "--csv", tmp_path / "summary.csv")
    assert checked.exit_code == 0
    assert checked.stdout.splitlines()[-1] == OK
    assert [row["Result"] for row in csv.DictReader((tmp_path / "summary.csv").open())] == ["17.9875"]

    packed = json.loads(call("pack", tree, "-o", out, "--submitter", "Example", "--json").stdout)
    assert (packed["attempt"], packed["accepted"]) == (1, True)


def test_check_says_what_is_wrong_where_and_what_to_do(submission: Path) -> None:
    Tree(submission, "open").set("effective_qsl_rng_seed", 5)

    done = call("check", submission, "--submitter", "Example", "--json")

    (error,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["severity"] == "error"]
    assert done.exit_code == 1
    assert error["file"].endswith("Offline/performance/run_1/mlperf_log_detail.txt")
    assert error["value"] == "5"
    assert "qsl_rng_seed of v6.1 is 2085463073848966840" in error["rule"]
    assert error["fix"]


def test_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()

    done = call("check", tmp_path, "--submitter", "Example")

    assert done.exit_code == 1
    assert "0 of 0 results accepted" in done.stdout
    assert done.stdout.splitlines()[-1] == BAD


def test_status_in_json(results: Results) -> None:
    run = results.run(modes=("performance",))

    done = call("status", run, "--json")

    answer = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (answer["complete"], answer["division"], answer["planned"]) == (False, "open", False)
    assert {line["scenario"]: line["complete"] for line in answer["lines"]} == {"SingleStream": True, "Offline": False}
    # 10,833 samples at 17.9875 a second
    assert answer["seconds"] == {"example-board": 603}
    assert answer["time"] == "00:11"


def test_status_in_words(results: Results) -> None:
    done = call("status", results.run(modes=("performance",)))

    assert done.exit_code == 1
    assert "example-board bert-99 Offline: no accuracy run (accuracy)" in done.stdout
    assert "to run on example-board: 00:11" in done.stdout
    assert done.stdout.splitlines()[-1] == "not complete"
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())


def test_status_of_a_plan_needs_no_results() -> None:
    words = ["-e", "benchmark_model=bert-large-fp32", "-e", "benchmark_execution=valid", "--division", "closed"]
    incomplete = call("status", *words)
    assert incomplete.exit_code == 1
    fix = "fix: benchmark_scenarios: [SingleStream, Offline]; benchmark_modes: [accuracy, performance, compliance]"
    assert fix in incomplete.stdout
    assert "to run on any host: at least 00:42" in incomplete.stdout

    both = ["-e", "benchmark_scenarios=SingleStream,Offline", "-e", "benchmark_modes=accuracy,performance,TEST01"]
    complete = call("status", *words, *both)
    assert complete.exit_code == 0
    assert complete.stdout.splitlines()[-1] == "complete after this run"


@pytest.mark.parametrize("words", [(), ("nowhere",), ("-e", "benchmark_model=none"), ("-e", "what")])
def test_status_of_nothing_is_wrong_input(words: tuple[str, ...]) -> None:
    done = call("status", *words)

    assert isinstance(done.exception, InputError)
    assert done.exception.fix


def test_status_fits_a_terminal_of_80_columns() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    words = ["-e", "benchmark_model=bert-large-fp32", "--division", "closed"]
    command_line = [sys.executable, "-m", "loadfleet", "submission", "status", *words]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    with subprocess.Popen(command_line, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as process:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(ours, 4096):
                text += piece
    os.close(ours)

    assert process.returncode == 1
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text.decode())
    table = plain.split("any host bert-99", 1)[0].splitlines()
    assert "any host: bert-large-fp32 as bert-99" in table[1]
    assert re.search(r"SingleStream +missing +missing +missing +not needed +>= 00:20", plain)
    assert max(map(len, table)) <= 80
    assert "\x1b[31mmissing" in text.decode(), "in red"
