"""What is written down of a request: everything to repeat it, no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.loadfleet.mlperf.plugins.action import cell, request
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _failure, _hidden

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
SECRET = "swordfish-4711"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def ask(*extra_vars: str, **given: Any) -> dict[str, Any]:
        options = {"args": ["run.yml"], "inventory": ["/i", "a,"], "subset": None, "extra_vars": extra_vars, **given}
        monkeypatch.setattr(request.context, "CLIARGS", options)
        answer: dict[str, Any] = request.asked(DataLoader())
        return answer

    return ask


def test_variables_are_kept_in_order_without_secrets(asked: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    answer = asked(
        "benchmark_modes=performance store_path=/x",
        f"@{tmp_path}/vars.yml",
        f'{{"benchmark_environment": {{"API_TOKEN": "{SECRET}", "A": "1"}}, "n": 3, "benchmark_run_id": "x"}}',
        f"artifact_mirrors=https://me:{SECRET}@mirror.example.org/x",
        f'{{"list": [{{"password": "{SECRET}"}}], "token": 4711, "ansible_ssh_private_key_file": "/k"}}',
    )
    assert answer["extra_vars"] == [
        {"values": {"benchmark_modes": "performance", "store_path": "/x"}},
        {"file": f"{tmp_path}/vars.yml"},
        {"values": {"benchmark_environment": {"A": "1"}, "n": 3}},
        {"values": {"ansible_ssh_private_key_file": "/k"}},
    ]
    assert answer["secrets"] == ["artifact_mirrors", "benchmark_environment.API_TOKEN", "list", "token"]
    assert SECRET not in str(answer)
    assert answer["inventory"] == ["/i", "a,"]


def test_the_file_of_secrets_of_the_api_is_not_read(
    asked: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(request.SECRETS, '{"file": "/s.json", "names": ["a.TOKEN"], "values": {"a": {"B": "1"}}}')
    answer = asked("@/s.json")
    assert answer["extra_vars"] == [{"values": {"a": {"B": "1"}}}]
    assert answer["secrets"] == ["a.TOKEN"]


def test_options_that_reach_the_hosts_are_kept(asked: Callable[..., dict[str, Any]]) -> None:
    answer = asked(
        remote_user="bench", become=True, become_user="root", private_key_file="/k", become_ask_pass=True, forks=99,
        vault_password_files=["/v"], subset="sut1", tags=["all"], skip_tags=["submit"],
    )  # fmt: skip
    assert answer["options"] == [
        "--user", "bench", "--private-key", "/k", "--become", "--vault-password-file", "/v", "--forks", "99",
    ]  # fmt: skip
    assert answer["secrets"] == ["ansible_become_password"]
    assert (answer["limit"], answer["tags"], answer["skip_tags"]) == ("sut1", [], ["submit"])


def test_both_sides_take_the_same_names_for_secrets() -> None:
    theirs = (ROOT / "harness/src/loadfleet/hidden.py").read_text(encoding="utf-8")
    assert re.findall(r'r"(passw.*)",', theirs) == [_hidden.NAME.pattern]
    assert f'r"{_hidden.PLACE.pattern}"' in theirs


def test_secrets_leave_the_settings(tmp_path: Path) -> None:
    args: dict[str, Any] = {"settings": {"workload": "bert", "environment": {"A": "1", "API_TOKEN": SECRET}}}
    cell.without_secrets(args)
    assert args["settings"] == {"workload": "bert", "environment": {"A": "1"}, "secret_environment": ["API_TOKEN"]}
    assert args["secrets"] == {"API_TOKEN": SECRET}
    assert request.public(args["settings"] | {"environment": {"API_TOKEN": SECRET}}, {})["environment"] == {}


def test_a_host_s_failure_is_kept_until_it_runs(tmp_path: Path) -> None:
    words = "run x: benchmark_device: 'tpu' is not known\n  fix: use one of: cpu (wrong input)"
    failure = _failure.of_host("input", "sut1", words, "other", "loadfleet", ["last words"])
    assert failure["error"] == "run x: benchmark_device: 'tpu' is not known"
    assert failure["fix"] == "use one of: cpu (wrong input)"
    _failure.keep(str(tmp_path), failure)
    assert (tmp_path / ".failures/sut1.json").is_file()
    assert "the run on sut1 (class input)" in _failure.text(failure)
    assert "said     last words" in _failure.text(failure)
    _failure.forget(str(tmp_path), "sut1")
    _failure.forget(str(tmp_path), "sut1")
    assert not (tmp_path / ".failures/sut1.json").exists()
