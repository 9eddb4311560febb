"""Running cells: progress, logs home in every case, honest exit codes, adoption, lost connections."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playground import ROOT, RUN_ID

if TYPE_CHECKING:
    import subprocess

    from playground import Site

pytestmark = pytest.mark.integration


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def status(site: Site, host: str = "localhost") -> Path:
    return site.store / host / "runs" / RUN_ID / "status.json"


@pytest.mark.parametrize("connection", ["local", "elsewhere"])
def test_a_run_prints_progress_and_brings_its_logs_home(site: Site, connection: str) -> None:
    site.connection = connection
    play = site.with_stub().play("run", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    assert re.search(r"^localhost +bert/Offline/performance +\d+ % +\d of 4 samples$", play.text, re.MULTILINE)
    assert re.search(r"^localhost +bert/Offline/accuracy +VALID", play.text, re.MULTILINE)
    assert "TABLE localhost: finished, exit 0" in play.text
    home = site.results / RUN_ID
    assert (site.results / "latest").readlink() == Path(RUN_ID)
    assert json.loads((home / "run.json").read_text())["hosts"] == ["localhost"]
    here = home / "localhost/bert/Offline/performance/mlperf_log_summary.txt"
    there = site.store / "localhost/runs" / RUN_ID / "bert/Offline/performance/mlperf_log_summary.txt"
    assert here.read_bytes() == there.read_bytes()
    assert json.loads((home / "localhost/system.json").read_text())["description"]["number_of_nodes"] == "1"
    again = site.play("collect", benchmark_run_id=RUN_ID)
    assert again.code == 0, again.text
    assert again.recap("localhost")["changed"] == 0


def test_a_search_has_cells_of_its_own_and_makes_no_submission(site: Site) -> None:
    site.variables |= {"benchmark_execution": "find", "benchmark_find_minutes": 2}
    play = site.with_stub().play("run", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    assert re.search(r"^localhost +bert/Offline/find +VALID", play.text, re.MULTILINE)
    asked = json.loads((site.store / "localhost/runs" / RUN_ID / "run.json").read_text())
    assert (asked["execution"], asked["modes"], asked["find_minutes"]) == ("find", ["find"], 2)
    submit = site.play("submit", benchmark_run_id=RUN_ID)
    assert submit.code == 0, submit.text
    assert "TABLE localhost: finished, exit 0" in submit.text
    assert not (site.results / RUN_ID / "submission").exists()


def test_a_bad_result_comes_home_and_fails_the_play(site: Site) -> None:
    play = site.with_stub("bad").play("run", benchmark_run_id=RUN_ID)
    assert play.code == 2
    assert "INVALID" in play.text
    assert "TABLE localhost: finished, exit 1" in play.text
    assert play.recap("localhost")["rescued"] == 0
    assert (site.results / RUN_ID / "localhost/bert/Offline/performance/result.json").is_file()


def test_an_agent_that_dies_is_noticed_and_its_logs_come_home(site: Site) -> None:
    play = site.with_stub("die").play("run", benchmark_run_id=RUN_ID)
    assert play.code == 2
    assert (site.results / RUN_ID / "localhost/agent.log").is_file()
    assert "TABLE localhost" in play.text


def test_one_host_s_refusal_does_not_cost_the_others(site: Site) -> None:
    site.hosts = ["good", "poor"]
    site.with_stub().variables["benchmark_environment"] = {
        "STUB": "{{ 'refuse' if inventory_hostname == 'poor' else 'good' }}"
    }
    play = site.play("run", benchmark_run_id=RUN_ID)
    assert play.code == 2
    assert "fix: use one of: cpu" in play.text
    assert (site.results / RUN_ID / "good/bert/Offline/performance/result.json").is_file()
    assert "TABLE poor: nothing came back" in play.text


def test_limit_works_without_localhost(site: Site) -> None:
    site.hosts = ["one", "two"]
    play = site.with_stub().play("run", "--limit", "two", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    assert sorted(path.name for path in (site.results / RUN_ID).iterdir() if path.is_dir()) == ["two"]


def test_a_killed_controller_loses_nothing_and_the_run_is_adopted(site: Site) -> None:
    process = site.with_stub().start("run", benchmark_run_id=RUN_ID)
    wait_for(status(site), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    agent = json.loads(status(site).read_text())["pid"]
    play = site.play("run", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    assert f"adopts run {RUN_ID}" in play.text
    assert json.loads(status(site).read_text())["pid"] == agent
    journal = (site.results / RUN_ID / "localhost/journal.jsonl").read_text().splitlines()
    assert len(journal) == 2  # no cell ran twice


def test_an_interrupted_playbook_leaves_the_agent_alone(site: Site) -> None:
    process = site.with_stub().start("run", benchmark_run_id=RUN_ID)
    wait_for(status(site), process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    deadline = time.monotonic() + 30
    while json.loads(status(site).read_text())["phase"] != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_other_settings_under_the_same_run_id_are_refused(site: Site) -> None:
    assert site.with_stub().play("run", benchmark_run_id=RUN_ID).code == 0
    play = site.play("run", benchmark_run_id=RUN_ID, benchmark_modes=["performance"])
    assert play.code == 2
    assert "was started with other settings: modes was" in re.sub(r"\s+", " ", play.text)


def test_a_cable_that_is_cut_for_a_while_is_survived(site: Site) -> None:
    site.connection = "elsewhere"
    process = site.with_stub().start("run", benchmark_run_id=RUN_ID)
    wait_for(status(site), process)
    site.cut.touch()
    time.sleep(1.5)
    site.cut.unlink()
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert (site.results / RUN_ID / "localhost/bert/Offline/performance/result.json").is_file()


def test_the_deadline_stops_the_run_on_the_host(site: Site) -> None:
    play = site.with_stub("slow").play("run", benchmark_run_id=RUN_ID, benchmark_timeout=1)
    assert play.code == 2
    assert "is stopped after benchmark_timeout (1 s)" in re.sub(r"\s+", " ", play.text)
    pid = json.loads(status(site).read_text())["pid"]
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the agent still runs"
        time.sleep(0.1)
    assert (site.results / RUN_ID / "localhost/status.json").is_file()


def test_check_mode_measures_nothing(site: Site) -> None:
    play = site.with_stub().play("run", "--check")
    assert play.code == 0, play.text
    assert not site.store.exists()
    assert not site.results.exists()


@pytest.mark.parametrize(("execution", "code"), [("test", 0), ("valid", 2)])
def test_a_refused_submission_fails_a_valid_execution_only(site: Site, execution: str, code: int) -> None:
    assert site.with_stub().play("run", benchmark_run_id=RUN_ID).code == 0
    play = site.play("submit", submission_execution=execution, submission_submitter="Example")
    assert play.code == code, play.text
    assert f"SUBMISSION {site.results}/{RUN_ID}/submission by Example" in re.sub(r"\s+", " ", play.text)


def test_a_submission_is_made_as_the_variables_say(site: Site) -> None:
    assert site.with_stub().play("run", benchmark_run_id=RUN_ID).code == 0
    play = site.play(
        "submit",
        submission_status="rdi",
        submission_flavours="reached",
        submission_infer=True,
        submission_documents_path="/srv/documents",
        submission_only_submittable=True,
        submission_system_name="rack7",
    )
    assert play.code == 0, play.text
    text = re.sub(r"\s+", " ", play.text)
    for words in (
        "--status rdi", "--flavours reached", "--infer", "--documents /srv/documents", "--only-submittable",
        "--system-name rack7",
    ):  # fmt: skip
        assert words in text


def test_several_runs_of_several_systems_are_one_submission(site: Site) -> None:
    """Offline of one day and SingleStream of the next, on two systems; nobody says which run is the latest."""
    sys.path.insert(0, str(ROOT / "harness/tests/submission"))
    from submission_builder import Results, edit_json  # noqa: PLC0415

    with tarfile.open(ROOT / "harness/tests/submission/data/logs.tar.xz") as archive:
        archive.extractall(site.path / "logs", filter="data")
    results, runs = Results(site.results, site.path / "logs"), []
    for number, scenario in enumerate(("Offline", "SingleStream")):
        for host, digest in (("epyc01", "a"), ("xeon01", "b")):
            runs.append(f"20261122T0{number}0000Z-bert-000{number}")
            run = results.run(runs[-1], host=host, digest=digest, scenarios=(scenario,))
            edit_json(run / host / "system.json", name=host)
    play = site.play(
        "submit", submission_run_ids=sorted(set(runs)), submission_execution="valid", submission_submitter="Example"
    )

    assert "4 of 4 results accepted" in play.text, play.text
    tree = site.results / runs[0] / "submission/tree/open/Example"
    assert sorted(path.stem for path in (tree / "systems").iterdir()) == ["epyc01", "xeon01"]
    assert len(list(tree.glob("results/*/minilm-squad/*/measurements.json"))) == 4
    assert (site.results / runs[-1] / "report.html").is_file(), "the last run is reported"


def test_what_a_submission_will_lack_is_told_before_a_host_is_touched(site: Site) -> None:
    closed = {
        "submission_division": "closed", "benchmark_model": "bert-large-int8", "benchmark_execution": "valid",
        "benchmark_scenarios": ["SingleStream"],
    }  # fmt: skip
    refused = site.play("check", **closed)
    assert refused.code == 2
    assert "fix: benchmark_scenarios: [SingleStream, Offline]" in refused.text
    assert "to run on localhost: at least 00:42" in refused.text
    assert "submission_allow_incomplete: true" in refused.text

    allowed = site.play("check", **closed, submission_allow_incomplete=True)
    assert allowed.code == 0, allowed.text
    assert "not complete" in allowed.text
    whole = {"benchmark_scenarios": "SingleStream,Offline", "benchmark_modes": "accuracy,performance,compliance"}
    complete = site.play("check", **{**closed, **whole})
    assert complete.code == 0, complete.text
    assert "complete after this run" in complete.text
    told = site.play("check", **{**closed, "benchmark_execution": "test"})
    assert told.code == 0, told.text
    assert "benchmark_execution: valid" in told.text


@pytest.mark.parametrize(
    "playbook", ["bert", "site", "check", "prepare", "run", "resume", "watch", "stop", "collect", "submit"]
)
def test_listings_are_sane(site: Site, playbook: str) -> None:
    for word in ("--syntax-check", "--list-tags", "--list-tasks", "--list-hosts"):
        play = site.play(playbook, word)
        assert play.code == 0, play.text
        assert "WARNING" not in play.text
