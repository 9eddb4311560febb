"""Preparing hosts: check mode on a bare host, once, and again."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from playground import RUN_ID

if TYPE_CHECKING:
    from playground import Site

pytestmark = pytest.mark.integration


def test_check_mode_on_a_bare_host_changes_nothing(site: Site) -> None:
    play = site.play("bert", "--check", "--diff")
    assert play.code == 0, play.text
    assert play.recap("localhost")["failed"] == 0
    assert "+model minilm-squad" in play.text
    assert re.search(r"^would run +2", play.text, re.MULTILINE)
    assert not site.store.exists()
    assert not site.results.exists()


def test_prepare_once_again_and_after_an_interruption(site: Site) -> None:
    first = site.play("prepare")
    assert first.code == 0, first.text
    assert first.recap("localhost")["changed"] > 0

    again = site.play("prepare", "-vvv")
    assert again.code == 0, again.text
    assert again.recap("localhost")["changed"] == 0
    assert len(re.findall(r"Using module file", again.text)) <= 15

    checked = site.play("prepare", "--check", "--diff")
    assert checked.code == 0, checked.text
    assert checked.recap("localhost")["changed"] == 0

    environment = site.store / "localhost/venvs/onnxruntime"
    (environment / ".loadfleet/loadgen.json").unlink()
    (environment / ".loadfleet/loadgen.json.unfinished").touch()
    mended = site.play("prepare", "--tags", "loadgen")
    assert mended.code == 0, mended.text
    assert mended.recap("localhost")["changed"] == 1
    assert (environment / ".loadfleet/loadgen.json").is_file()
    assert not (environment / ".loadfleet/loadgen.json.unfinished").exists()
    shutil.rmtree(site.store)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"benchmark_model": "bert-lagre"}, "benchmark_model is bert-lagre"),
    ({"benchmark_scenarios": "Offline,Sever"}, "benchmark_scenarios is Sever"),
    ({"benchmark_execution": "fast"}, "use one of find, test, valid"),
    ({"benchmark_workload": "bort"}, "use one of bert"),
    ({"benchmark_backend": "tensorflow"}, "benchmark_backend is tensorflow"),
    ({"submission_round": "v9.9"}, "submission_round is v9.9"),
    ({"benchmark_scenaros": "Offline"}, "unknown variable benchmark_scenaros; fix: did you mean benchmark_scenarios?"),
    ({"submission_division": "half-open"}, "submission_division is half-open, which does not exist"),
    ({"submission_system_type": "cloud"}, "use one of edge, datacenter"),
    ({"submission_divison": "closed"}, "did you mean submission_division?"),
    ({"submission_division": "network"}, "the network division has the datacenter suite only"),
    ({"submission_division": "closed"}, "minilm-squad, which is not the official model of bert-99"),
    ({"submission_system_type": "datacenter"}, "bert-99 is not part of the datacenter suite"),
    (
        {"submission_division": "closed", "benchmark_model": "bert-large-int8", "benchmark_execution": "valid"},
        "benchmark_scenarios: [SingleStream, Offline]; benchmark_modes: [accuracy, performance, compliance]",
    ),
    ({"benchmark_run_id": "../../etc"}, "benchmark_run_id is ../../etc"),
]


@pytest.mark.parametrize(
    ("variables", "words"), BAD, ids=["-".join(map(str, variables.values())) for variables, _ in BAD]
)
def test_bad_input_is_refused_before_a_host_is_touched(site: Site, variables: dict[str, Any], words: str) -> None:
    play = site.play("bert", **variables)
    assert play.code == 2
    assert words in re.sub(r"\s+", " ", play.text)
    assert "fix:" in play.text
    assert "Traceback" not in play.text
    assert not site.store.exists()


def test_missing_packages_without_privilege_are_listed_with_the_command(site: Site) -> None:
    # What the probe finds on a bare Debian for an account without sudo.
    found = {
        "os": {"family": "Debian", "name": "Debian GNU/Linux 12"},
        "capabilities": {"python-venv": False, "library:libstdc++.so.6": True},
        "missing_packages": ["numactl"],
        "python": {"executable": "/usr/bin/python3", "version": "3.11.2"},
        "root": False,
        "sudo": False,
        "user": "bench",
    }
    play = site.play("prepare", "--check", __system_packages_probe={"facts": found})
    assert play.code == 2
    text = re.sub(r"\s+", " ", play.text)
    assert "lacks Python 3.11 or newer with venv (it has 3.11.2, without venv), numactl, and bench is neither" in text
    assert "sudo apt-get install -y python3 python3-venv numactl" in text


def test_an_unknown_distribution_is_told_what_is_missing(site: Site) -> None:
    found = {
        "os": {"family": None, "name": "Alpine Linux"},
        "capabilities": {"python-venv": False},
        "missing_packages": [],
        "python": {"executable": None, "version": "3.9.2"},
    }
    play = site.play("prepare", "--check", __system_packages_probe={"facts": found})
    assert play.code == 2
    assert "lacks Python 3.11 or newer with venv (it has 3.9.2) and runs Alpine Linux" in re.sub(r"\s+", " ", play.text)


def test_a_missing_wheelhouse_is_explained(site: Site) -> None:
    site.variables |= {"wheelhouse_path": str(site.path / "empty")}
    (site.path / "empty").mkdir()
    play = site.play("prepare", "--tags", "python_venv,backend")
    assert play.code == 2
    assert "wheelhouse_path" in play.text
    assert not (site.store / "localhost/venvs/onnxruntime/.loadfleet/onnxruntime.json").exists()


def test_collecting_a_run_that_never_was_is_refused(site: Site) -> None:
    play = site.play("collect", benchmark_run_id=RUN_ID)
    assert play.code == 2
    assert "no host has brought any" in re.sub(r"\s+", " ", play.text)
