"""A run continued, stopped and watched by its name; failures explained; secrets in no file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from playground import ROOT, RUN_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from playground import Site

pytestmark = pytest.mark.integration

SECRET = "swordfish-4711"


def loadfleet(site: Site, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadfleet", *words, "--results-path", str(site.results)], cwd=site.path,
        env={**site.environment, "COLUMNS": "200", **environment}, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def status(site: Site, host: str = "localhost") -> Path:
    return site.store / host / "runs" / RUN_ID / "status.json"


def until(wanted: Callable[[], bool], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def started(site: Site, mood: str, *words: str, host: str = "localhost", **variables: Any) -> subprocess.Popen[str]:
    """A controller whose agents have begun."""
    process = site.with_stub(mood).start("run", *words, benchmark_run_id=RUN_ID, **variables)
    until(lambda: status(site, host).exists() or process.poll() is not None)
    assert process.poll() is None, process.stdout.read() if process.stdout else ""
    return process


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finished(site: Site, host: str = "localhost") -> list[str]:
    journal = site.store / host / "runs" / RUN_ID / "journal.jsonl"
    return [json.loads(line)["cell"] for line in journal.read_text().splitlines()]


def test_a_killed_controller_is_continued_by_the_run_s_name_alone(site: Site) -> None:
    site.hosts = ["one", "two"]
    variables = site.path / "more.yml"
    variables.write_text("benchmark_scenarios: [Server]\n")
    kill(started(site, "good", "--limit", "two", "-e", f"@{variables}", host="two", benchmark_modes=["performance"]))
    home = site.results / RUN_ID
    asked = read(home / "run.json")["request"]
    assert asked["playbooks"] == [str(ROOT / "playbooks/run.yml")]
    assert asked["limit"] == "two"
    assert (site.results / "latest").readlink() == Path(RUN_ID)
    agent = read(status(site, "two"))["pid"]
    done = loadfleet(site, "resume", "latest", "--json", "--junit", str(site.path / "ci/junit.xml"))
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["exit_code"], answer["run_id"]) == (0, 0, RUN_ID), done.stdout + done.stderr
    assert [(cell["host"], cell["cell"]) for cell in answer["results"]["cells"]] == [("two", "bert/Server/performance")]
    assert read(status(site, "two"))["pid"] == agent, "what ran was adopted"
    assert finished(site, "two") == ["bert/Server/performance"]
    assert read(home / "run.json")["request"] == asked
    (case,) = ET.parse(site.path / "ci/junit.xml").getroot().iter("testcase")  # noqa: S314 - our own file
    assert (case.get("classname"), case.get("name")) == ("two", "bert/Server/performance")
    again = loadfleet(site, "resume", RUN_ID)
    assert again.returncode == 0, again.stdout + again.stderr
    assert finished(site, "two") == ["bert/Server/performance"], "nothing ran again"


def test_a_stopped_run_ends_on_the_host_and_resume_runs_what_is_missing(site: Site) -> None:
    process = started(site, "steady")
    until((site.store / "localhost/runs" / RUN_ID / "journal.jsonl").exists)
    first, pid = finished(site), read(status(site))["pid"]
    done = loadfleet(site, "stop", RUN_ID)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"nothing of {RUN_ID} runs any more on localhost" in done.stdout
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())
    process.communicate(timeout=60)
    assert process.returncode == 2, "the play that watched it fails"
    assert len(first) == 1
    done = loadfleet(site, "resume", RUN_ID)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(finished(site)) == ["bert/Offline/accuracy", "bert/Offline/performance"]


def test_stopping_brings_home_what_there_is(site: Site) -> None:
    kill(started(site, "steady"))
    until((site.store / "localhost/runs" / RUN_ID / "journal.jsonl").exists)
    assert not (site.results / RUN_ID / "localhost").exists()
    done = loadfleet(site, "stop", RUN_ID)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (site.results / RUN_ID / "localhost/journal.jsonl").is_file()


def test_watching_shows_the_cells_and_ends_with_the_run_s_verdict(site: Site) -> None:
    kill(started(site, "bad"))
    lease = status(site).with_name("lease")
    time.sleep(0.5)  # the killed controller's last look
    lease.unlink(missing_ok=True)
    done = loadfleet(site, "watch", "latest", "--interval", "0.1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "localhost     bert/Offline/performance" in done.stdout
    assert f"run {RUN_ID} ended with a bad result" in done.stdout
    assert not lease.exists(), "looking on does not keep a run alive"
    assert not (site.results / RUN_ID / "localhost").exists(), "and brings nothing home"
    answer = json.loads(loadfleet(site, "watch", RUN_ID, "--json").stdout)
    assert (answer["exit_code"], answer["results"]) == (1, None)


def test_interrupting_the_watching_leaves_the_run_alone(site: Site) -> None:
    kill(started(site, "steady"))
    words = [
        sys.executable,
        "-m",
        "loadfleet",
        "watch",
        RUN_ID,
        "--results-path",
        str(site.results),
        "--interval",
        "0.1",
    ]
    watching = subprocess.Popen(
        words, cwd=site.path, env=site.environment, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - one thread
    )  # fmt: skip
    assert watching.stdout is not None
    while "bert/Offline/accuracy" not in watching.stdout.readline():
        assert watching.poll() is None
    watching.send_signal(signal.SIGINT)
    output, _ = watching.communicate(timeout=60)
    assert watching.returncode == 4
    assert "the run may go on" in output
    until(lambda: read(status(site))["phase"] == "finished")


@pytest.mark.parametrize("command", ["resume", "stop", "watch"])
def test_a_run_that_is_not_known_is_wrong_input(site: Site, command: str) -> None:
    site.results.mkdir()
    done = loadfleet(site, command, "20261122T003500Z-bert-ffff", "--json")
    assert done.returncode == 2
    assert "no run matches" in json.loads(done.stdout)["error"]
    (site.results / RUN_ID / "localhost").mkdir(parents=True)
    (site.results / RUN_ID / "run.json").write_text('{"schema_version": 1}')
    done = loadfleet(site, command, RUN_ID)
    assert done.returncode == 2
    assert "does not say how the run was started" in done.stderr
    assert "fix:" in done.stderr


def test_watching_a_host_that_never_had_the_run(site: Site) -> None:
    assert site.with_stub("refuse").play("run", benchmark_run_id=RUN_ID).code == 2
    (site.store / "localhost/runs" / RUN_ID).rename(site.path / "away")
    done = loadfleet(site, "watch", RUN_ID)
    assert done.returncode == 2
    assert f"run {RUN_ID} is not on this host" in done.stdout


def files_with(text: str, *folders: Path) -> list[Path]:
    paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if text.encode() in path.read_bytes()]


def test_secrets_are_in_no_file_and_are_asked_for_again(site: Site) -> None:
    environment = {"STUB": "good", "API_TOKEN": SECRET}
    given = {"benchmark_environment": environment, "registry_password": SECRET + "-2"}
    kill(started(site, "good", **given))
    home, host = site.results / RUN_ID, site.store / "localhost/runs" / RUN_ID
    assert read(host / "run.json")["secret_environment"] == ["API_TOKEN"]
    assert '{"API_TOKEN": 14}' in (host / "agent.log").read_text(), "the agent got it"
    asked = read(home / "run.json")
    assert asked["environment"] == {"STUB": "good"}
    assert asked["request"]["secrets"] == ["benchmark_environment.API_TOKEN", "registry_password"]
    done = loadfleet(site, "resume", RUN_ID)
    assert done.returncode == 2
    assert (
        "--secret benchmark_environment.API_TOKEN=API_TOKEN --secret registry_password=REGISTRY_PASSWORD" in done.stderr
    )
    words = ["--secret", "benchmark_environment.API_TOKEN=A", "--secret", "registry_password=B"]
    done = loadfleet(site, "resume", RUN_ID, *words, A=SECRET, B=SECRET + "-2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert files_with(SECRET, site.results, site.store, site.path / "ansible") == []
    assert SECRET not in done.stdout + done.stderr
    assert loadfleet(site, "stop", RUN_ID).returncode == 0, "stopping needs no secret of the cells"


def test_the_command_keeps_its_secrets_too(site: Site) -> None:
    site.with_stub().command("run")  # writes the inventory
    words = ["-i", str(site.path / "hosts.json"), "--run-id", RUN_ID, "--secret", "benchmark_environment.API_TOKEN=A"]
    words += ["-e", '{"benchmark_environment": {"STUB": "good"}}', "--project-dir", str(ROOT)]
    done = loadfleet(site, "run", "run.yml", *words, A=SECRET)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"API_TOKEN": 14}' in (site.store / "localhost/runs" / RUN_ID / "agent.log").read_text()
    asked = read(site.results / RUN_ID / "run.json")["request"]
    assert asked["secrets"] == ["benchmark_environment.API_TOKEN"]
    assert {"values": {"benchmark_environment": {"STUB": "good"}}} in asked["extra_vars"]
    assert files_with(SECRET, site.results, site.store) == []
    assert loadfleet(site, "resume", RUN_ID, "--secret", "benchmark_environment.API_TOKEN=A", A=SECRET).returncode == 0


def test_a_failed_cell_is_explained_where_people_and_machines_look(site: Site) -> None:
    play = site.with_stub("fail").play("run", benchmark_run_id=RUN_ID)
    assert play.code == 2
    text = " ".join(play.text.split())
    for words in (
        "bert/Offline/performance on localhost (class model)",
        "the model cannot be loaded", "loadfleet cell run cell.json", "last", "bring another", "replay.sh",
    ):  # fmt: skip
        assert words in text
    done = loadfleet(site, "results", "summary", RUN_ID, "--json")
    assert done.returncode == 1
    failures = json.loads(done.stdout)["failures"]
    assert [(entry["class"], entry["cell"], entry["lines"]) for entry in failures] == [
        ("model", "bert/Offline/accuracy", ["first", "last"]),
        ("model", "bert/Offline/performance", ["first", "last"]),
    ]


def test_a_refused_run_is_explained_as_the_host_s_failure(site: Site) -> None:
    assert site.with_stub("refuse").play("run", benchmark_run_id=RUN_ID).code == 2
    (failure,) = json.loads(loadfleet(site, "results", "summary", RUN_ID, "--json").stdout)["failures"]
    assert (failure["class"], failure["host"], failure["cell"]) == ("input", "localhost", "")
    assert "'tpu' is not known" in failure["error"]
    assert failure["fix"].startswith("use one of: cpu")


@pytest.mark.parametrize(("dead", "alive"), [("one", "two"), ("two", "one")])
def test_a_host_that_dies_in_the_middle_fails_the_play_and_is_named(site: Site, dead: str, alive: str) -> None:
    site.connection, site.hosts = "elsewhere", ["one", "two"]
    process = started(site, "steady", host=dead, benchmark_reconnect_timeout=1, benchmark_start_lead_s=0.1)
    cut = site.path / f"cut-{dead}"
    cut.touch()
    text, _ = process.communicate(timeout=120)
    assert process.returncode not in (0, None), text
    assert f"TABLE {alive}: finished, exit 0" in text, "the others are reported and judged"
    assert (site.results / RUN_ID / alive / "bert/Offline/performance/result.json").is_file()
    done = loadfleet(site, "results", "summary", RUN_ID)
    assert done.returncode == 1
    assert f"Failed: host {dead} (class connection)" in done.stdout
    assert "out of reach for 1 s (the cable is cut)" in done.stdout
    cut.unlink()
    done = loadfleet(site, "resume", RUN_ID)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(finished(site, dead)) == ["bert/Offline/accuracy", "bert/Offline/performance"]
    assert json.loads(loadfleet(site, "results", "summary", RUN_ID, "--json").stdout)["failures"] == []
