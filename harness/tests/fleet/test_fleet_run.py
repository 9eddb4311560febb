"""`run_playbook` against a throw-away project: real ansible-runner, no benchmark."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from result_builder import RUN_ID, result, run_folder

from loadfleet.errors import InputError
from loadfleet.fleet import Progress, RunRequest, run_playbook

pytestmark = pytest.mark.integration

TOKEN = "swordfish-4711"
HIDDEN = "only-for-the-caller"
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "ci_run.py"


def request(project: Path, playbook: str, **changes: object) -> RunRequest:
    values: dict[str, object] = {"playbook": playbook, "inventory": "hosts", "project_dir": project, **changes}
    return RunRequest(**values)  # type: ignore[arg-type]


def stopped(project: Path) -> str:
    path = project / "stopped"
    return path.read_text() if path.exists() else ""


def test_a_good_run_tells_its_progress_and_reads_its_results(tiny_project: Path) -> None:
    run_folder(tiny_project / "results", result())
    signs: list[Progress] = []
    done = run_playbook(request(tiny_project, "good.yml", run_id=RUN_ID, on_progress=signs.append))
    assert (done.status, done.exit_code, done.failures) == ("successful", 0, [])
    assert signs == [
        Progress("", "", None, "Say how it goes"),
        Progress("localhost", "bert/Offline/performance", 0.4, "1,200 of 3,000 samples"),
        Progress("localhost", "bert/Offline/performance", 1.0, "VALID  1,234 samples/s"),
    ]
    assert done.hosts["localhost"].ok == 1
    assert done.results is not None
    assert done.results.run_id == RUN_ID
    assert done.results_path == tiny_project / "results" / RUN_ID
    assert json.loads(json.dumps(done.as_dict()))["results"]["exit_code"] == 0


def test_bad_results_make_a_successful_playbook_bad(tiny_project: Path) -> None:
    validity = {"loadgen": "INVALID", "submittable": False, "reasons": ["LoadGen: the latency bound was not held"]}
    run_folder(tiny_project / "elsewhere", result(validity=validity))
    done = run_playbook(request(tiny_project, "good", run_id=RUN_ID, results_path=tiny_project / "elsewhere"))
    assert (done.status, done.exit_code) == ("successful", 1)


def test_secrets_and_environment_are_in_no_artifact(tiny_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_JOB_TOKEN", HIDDEN)
    temporary = tiny_project / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    done = run_playbook(request(tiny_project, "leak.yml", secrets={"token": TOKEN}, keep=True))
    assert (done.status, done.exit_code) == ("successful", 0)
    assert done.artifacts_path is not None
    assert done.artifacts_path.stat().st_mode & 0o777 == 0o700
    texts = {path.name: path.read_text() for path in done.artifacts_path.rglob("*") if path.is_file()}
    # The playbook prints both, so the artifacts are there and would hold them.
    assert any("Show a secret" in text for text in texts.values())
    assert "PATH=" in texts["stdout"] or any("PATH=" in text for text in texts.values())
    assert not [name for name, text in texts.items() if TOKEN in text or HIDDEN in text]
    assert set(json.loads(texts["command"])) == {"command", "cwd"}
    assert list(temporary.iterdir()) == [done.artifacts_path]


def test_nothing_is_left_when_artifacts_are_not_kept(tiny_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_project / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    done = run_playbook(request(tiny_project, "good.yml"))
    assert done.artifacts_path is None
    assert list(folder.iterdir()) == []


def test_failures_are_listed_with_host_task_and_message(tiny_project: Path) -> None:
    done = run_playbook(request(tiny_project, "bad.yml", secrets={"token": TOKEN}))
    assert (done.status, done.exit_code) == ("failed", 3)
    assert [(failure.host, failure.task) for failure in done.failures] == [("localhost", "Ask for a token")]
    assert done.failures[0].message == "the token ******** was refused"
    assert done.hosts["localhost"].failed == 1


def test_a_rescued_failure_is_none(tiny_project: Path) -> None:
    done = run_playbook(request(tiny_project, "rescued.yml"))
    assert (done.status, done.exit_code, done.failures) == ("successful", 0, [])
    assert done.hosts["localhost"].rescued == 1


def test_a_playbook_ansible_refuses_is_wrong_input(tiny_project: Path) -> None:
    done = run_playbook(request(tiny_project, "broken.yml"))
    assert (done.status, done.exit_code) == ("failed", 2)
    assert "nonsense_module_name" in done.failures[0].message


def test_check_mode_changes_nothing(tiny_project: Path) -> None:
    done = run_playbook(request(tiny_project, "stop.yml", check=True))
    assert done.status == "successful"
    assert done.hosts["localhost"].changed == 1
    assert not stopped(tiny_project)


def test_a_timeout_ends_ansible_and_stops_the_hosts(tiny_project: Path) -> None:
    done = run_playbook(request(tiny_project, "slow.yml", timeout_s=8))
    assert done.duration_s < 60, "the task would have gone on"
    assert (done.status, done.exit_code, done.stopped) == ("timeout", 4, True)
    assert stopped(tiny_project) == done.run_id


def test_an_event_cancels_and_stops_the_hosts(tiny_project: Path) -> None:
    cancel = threading.Event()
    done = run_playbook(
        request(tiny_project, "slow.yml", run_id=RUN_ID, cancel=cancel, on_progress=lambda _: cancel.set())
    )
    assert (done.status, done.exit_code, done.stopped) == ("canceled", 4, True)
    assert stopped(tiny_project) == RUN_ID
    assert done.duration_s < 20


def test_a_callback_that_raises_is_heard_after_the_hosts_were_stopped(tiny_project: Path) -> None:
    def broken(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_playbook(request(tiny_project, "slow.yml", run_id=RUN_ID, on_progress=broken))
    assert stopped(tiny_project) == RUN_ID


def test_without_a_stop_playbook_the_result_says_so(tiny_project: Path) -> None:
    (tiny_project / "playbooks" / "stop.yml").unlink()
    cancel = threading.Event()
    done = run_playbook(request(tiny_project, "slow.yml", cancel=cancel, on_progress=lambda _: cancel.set()))
    assert done.stopped is False


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"playbook": "gud.yml"}, r"no playbook 'gud.yml'.*bad.yml, broken.yml, good.yml"),
        ({"inventory": "nowhere"}, "no inventory 'nowhere'"),
        ({"extra_vars": {"x": object()}}, "extra_vars: x cannot be passed"),
        ({"extra_vars": {"x": float("nan")}}, "extra_vars: x is nan"),
        ({"extra_vars": {"x": 1}, "secrets": {"x": 2}}, "given as a variable and as a secret: x"),
    ],
)
def test_wrong_input_starts_nothing(tiny_project: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        run_playbook(request(tiny_project, **{"playbook": "good.yml", **changes}))  # type: ignore[arg-type]


def loadfleet(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "loadfleet", "run", *arguments, "-i", "hosts"]


def test_the_command_prints_progress_and_one_json_object(tiny_project: Path) -> None:
    run_folder(tiny_project / "results", result())
    command = loadfleet("good.yml", "--run-id", RUN_ID, "--json")
    done = subprocess.run(command, cwd=tiny_project, capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout)
    assert done.returncode == answer["exit_code"] == 0
    assert answer["results"]["run_id"] == answer["run_id"] == RUN_ID
    assert "bert/Offline/performance         40 %  1,200 of 3,000 samples" in done.stderr


def test_the_command_passes_variables_and_secrets(tiny_project: Path) -> None:
    environment = {**os.environ, "THE_TOKEN": TOKEN}
    command = loadfleet("bad.yml", "--secret", "token=THE_TOKEN")
    done = subprocess.run(command, cwd=tiny_project, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 3
    assert "failed: localhost, Ask for a token: the token ******** was refused" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    command = loadfleet("bad.yml", "-e", "token=[1, 2]")
    done = subprocess.run(command, cwd=tiny_project, capture_output=True, text=True, check=False)
    assert "the token [1, 2] was refused" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_the_command_stops_the_hosts(tiny_project: Path, number: int) -> None:
    command = loadfleet("slow.yml", "--run-id", RUN_ID)
    # A shell's background job inherits an ignored SIGINT; what is tested is a command that may be interrupted.
    with subprocess.Popen(
        command, cwd=tiny_project, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509  (one thread here)
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("- Measure for a long time")
        process.send_signal(number)
        output = process.stdout.read()
        assert process.wait(timeout=30) == 4
    assert f"canceled, the hosts were stopped; loadfleet resume {RUN_ID} continues it" in output
    assert stopped(tiny_project) == RUN_ID


@pytest.mark.parametrize(("playbook", "status", "failed"), [("good.yml", 0, 0), ("bad.yml", 3, 1)])
def test_the_example_for_ci(tiny_project: Path, playbook: str, status: int, failed: int) -> None:
    environment = {**os.environ, "BECOME_PASS": TOKEN}
    (tiny_project / "playbooks/bad.yml").write_text(
        (tiny_project / "playbooks/bad.yml").read_text().replace("{{ token }}", "{{ ansible_become_password }}")
    )
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), playbook, "hosts", "junit.xml"],
        cwd=tiny_project,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == status, done.stderr
    suites = ET.parse(tiny_project / "junit.xml").getroot()  # noqa: S314 - our own file
    assert len(list(suites.iter("error"))) == failed
    assert TOKEN not in done.stdout + (tiny_project / "junit.xml").read_text()


def test_the_example_says_what_is_wrong_without_a_traceback(tiny_project: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "none.yml", "hosts"],
        cwd=tiny_project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("no playbook 'none.yml'")
