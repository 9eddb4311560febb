from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from loadfleet.cli._variables import parsed
from loadfleet.errors import InputError, NotReadyError
from loadfleet.fleet import Progress, environment, project
from loadfleet.fleet.display import Board, line
from loadfleet.fleet.events import Events
from loadfleet.fleet.progress import parse
from loadfleet.hidden import texts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("output", "host", "fraction", "text"),
    [
        ("localhost    bert/Offline/accuracy           7 %  70 of 1,000", "localhost", 0.07, "70 of 1,000"),
        ("\x1b[0;32mnode-1.rack.example bert/Server/performance  100 %\x1b[0m", "node-1.rack.example", 1.0, ""),
        ("h  resnet50/MultiStream/TEST01   12.5 %  x", "h", 0.125, "x"),
        ("h  bert/Offline/accuracy   INVALID  f1 3 % (too low)", "h", 1.0, "INVALID  f1 3 % (too low)"),
        ("h  bert/Offline/accuracy   250 %  x", "h", 1.0, "x"),
    ],
)
def test_progress_lines(output: str, host: str, fraction: float, text: str) -> None:
    (sign,) = parse(output)
    assert (sign.host, sign.fraction, sign.text) == (host, fraction, text)


@pytest.mark.parametrize("output", ["", "Using /etc/a/b/ansible.cfg as config file", "ok: [localhost]", "a b/c/d 5 %"])
def test_other_lines_are_no_progress(output: str) -> None:
    assert parse(output) == []


def test_several_lines_of_one_event() -> None:
    assert [sign.host for sign in parse("a bert/Offline/accuracy 5 %\nnoise\nb bert/Offline/accuracy 6 %\n")] == [
        "a",
        "b",
    ]


def failed(answer: dict[str, Any], kind: str = "runner_on_failed", **data: Any) -> Events:
    events = Events(hidden=["pssst"])
    events.handle({"event": "playbook_on_play_start", "event_data": {}})
    events.handle({"event": kind, "event_data": {"host": "h", "task": "t", "res": answer, **data}})
    return events


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"msg": "no pssst"}, "no ********"),
        ({"msg": "non-zero return code", "rc": 3, "stderr": "a\nb"}, "non-zero return code\na\nb"),
        ({"stdout": "only this"}, "only this"),
        (
            {"msg": "x", "results": [{"failed": True, "msg": "one"}, {"msg": "fine"}, {"failed": True, "msg": "two"}]},
            "one; two",
        ),
        ({"censored": "hidden by no_log"}, "hidden by no_log"),
        ({}, "failed without a message"),
    ],
)
def test_the_message_of_a_failure(answer: dict[str, Any], message: str) -> None:
    assert failed(answer).failures[0].message == message


@pytest.mark.parametrize(
    ("action", "answer", "judged", "code"),
    [
        ("loadfleet.mlperf.cell", {"rc": 1}, 0, 1),
        ("loadfleet.mlperf.cell", {"rc": 4}, 1, 4),
        ("loadfleet.mlperf.artifact", {}, 0, 3),
        ("ansible.builtin.command", {"rc": 1}, 0, 3),
        ("ansible.builtin.assert", {}, 0, 2),
        ("ansible.builtin.fail", {}, 1, 1),
        ("ansible.builtin.validate_argument_spec", {}, 1, 2),
    ],
)
def test_the_exit_status_of_a_failure(action: str, answer: dict[str, Any], judged: int, code: int) -> None:
    assert failed(answer, task_action=action).exit_code(judged) == code


def test_tasks_are_told_but_for_ansibles_own() -> None:
    told: list[Progress] = []
    events = Events(on_progress=told.append)
    for name in ("role : Validating arguments against arg spec 'main' - Does it", "role : Do it"):
        events.handle({"event": "playbook_on_task_start", "event_data": {"name": name}})
    assert told == [Progress("", "", None, "role : Do it")]


def test_unreachable_and_ignored() -> None:
    assert failed({"msg": "gone"}, "runner_on_unreachable").failures[0].message == "unreachable: gone"
    assert failed({"msg": "gone"}, "runner_on_unreachable").exit_code(0) == 3
    assert failed({"msg": "x"}, ignore_errors=True).failures == []


def test_playbooks_are_found_by_name_and_projects_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "galaxy.yml").touch()
    (tmp_path / "playbooks/bert.yml").touch()
    below = tmp_path / "docs" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert project.find_project() == tmp_path
    for name in ("bert", "bert.yml", "playbooks/bert.yml", tmp_path / "playbooks/bert.yml"):
        assert project.find_playbook(tmp_path, name) == tmp_path / "playbooks/bert.yml"


def test_an_installed_collection_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(NotReadyError, match="playbooks were not found"):
        project.find_project()
    installed = tmp_path / "collections/ansible_collections/loadfleet/mlperf"
    (installed / "playbooks").mkdir(parents=True)
    (installed / "MANIFEST.json").touch()
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", f"/nowhere:{tmp_path / 'collections'}")
    assert project.find_project() == installed


def test_an_inventory_is_a_host_list_or_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert project.find_inventory(tmp_path, "a,b,") == "a,b,"
    (tmp_path / "inventory").mkdir()
    assert project.find_inventory(tmp_path, "inventory") == str(tmp_path / "inventory")


def test_only_known_variables_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/vault")
    passed = environment.passed_on()
    assert "AWS_SECRET_ACCESS_KEY" not in passed
    assert passed["ANSIBLE_VAULT_PASSWORD_FILE"] == "/vault"


def test_the_runner_does_not_turn_host_key_checking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_HOST_KEY_CHECKING", raising=False)
    prepared = {"ANSIBLE_HOST_KEY_CHECKING": "False", "AWX_ISOLATED_DATA_DIR": "/x", "ANSIBLE_STDOUT_CALLBACK": "awx"}
    kept = environment.minimal(prepared, {"PATH": "/bin"})
    assert "ANSIBLE_HOST_KEY_CHECKING" not in kept
    assert kept["AWX_ISOLATED_DATA_DIR"] == "/x"
    assert environment.minimal(prepared, {"ANSIBLE_HOST_KEY_CHECKING": "True"})["ANSIBLE_HOST_KEY_CHECKING"] == "True"


def test_secrets_are_blotted_out_however_they_are_nested_or_quoted(tmp_path: Path) -> None:
    hidden = texts({"a": 'quo"te', "b": {"c": ["deep-secret", 123456]}, "d": "abc", "e": True})
    (tmp_path / "command").write_text(json.dumps({"command": ["x"], "cwd": "/", "env": {"A": "deep-secret"}}))
    (tmp_path / "event.json").write_text(json.dumps({"msg": 'quo"te deep-secret 123456 abc'}))
    environment.clean_artifacts(tmp_path, hidden)
    assert json.loads((tmp_path / "command").read_text()) == {"command": ["x"], "cwd": "/"}
    assert json.loads((tmp_path / "event.json").read_text()) == {"msg": "******** ******** ******** abc"}


def test_variables_of_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "vars.yml"
    path.write_text("b: 2\nc: 3\n")
    given = ("a=[Offline, Server]", f"@{path}", '{"c": 4, "d": null}', "e=v6.1", "f=", "g=x=y")
    assert parsed(given) == {
        "a": ["Offline", "Server"],
        "b": 2,
        "c": 4,
        "d": None,
        "e": "v6.1",
        "f": "",
        "g": "x=y",
    }


@pytest.mark.parametrize("text", ["novalue", "1a=2", "a=[", "@/nowhere", "{a"])
def test_bad_variables_are_wrong_input(text: str) -> None:
    with pytest.raises(InputError, match="-e "):
        parsed((text,))


def test_lines_and_board_show_the_last_sign_of_each_cell() -> None:
    board = Board()
    for sign in (
        Progress("", "", None, "Prepare [bold]"),
        Progress("a", "bert/Offline/accuracy", 0.1, "1"),
        Progress("a", "bert/Offline/accuracy", 0.5, "[red]5"),
    ):
        board.take(sign)
    console = Console(width=100, record=True)
    console.print(board.table())
    shown = console.export_text()
    assert "50 %" in shown
    assert "[red]5" in shown
    assert "Prepare [bold]" in shown
    assert "10 %" not in shown
    assert line(Progress("", "", None, "Prepare")) == "- Prepare"
