"""`loadfleet doctor` on one environment, and what it makes of a playbook's findings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from loadfleet import doctor
from loadfleet.cli.doctor import command
from loadfleet.errors import InputError, NotReadyError
from loadfleet.fleet import doctor as fleet
from loadfleet.fleet.request import Failure
from loadfleet.loadgen import run as loadgen
from loadfleet.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def harness(store: Path, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = CliRunner().invoke(command, ["--harness", "--json", "--store", str(store), *words])
    assert done.exit_code in {0, 3}, done.output
    value = json.loads(done.output)
    return done.exit_code, {one["check"]: one for one in value["checks"]}


def test_an_empty_store_is_a_warning_and_nothing_is_made(tmp_path: Path) -> None:
    code, found = harness(tmp_path / "store")
    assert code == 0
    assert found["environment"]["status"] == found["LoadGen"]["status"] == found["backend"]["status"] == "ok"
    assert found["model"]["status"] == found["data set"]["status"] == "warn"
    assert found["model"]["wanted"] == "minilm-squad in the store"
    assert "prepare" in found["model"]["fix"]
    assert not (tmp_path / "store").exists()


def test_what_was_touched_since_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = tmp_path / "overlay/datasets"
    overlay.mkdir(parents=True)
    source = tmp_path / "file.txt"
    source.write_text("content\n")
    digest = "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53"
    file = {"name": "file.txt", "sha256": digest, "sources": [{"type": "url", "url": source.as_uri()}]}
    text = {"name": "words", "title": "Words", "workload": "bert", "samples": 1, "licence": "X", "tags": ["words"]}
    (overlay / "words.yml").write_text(json.dumps(text | {"artifact": {"files": [file]}}))
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(overlay.parent))
    entry = Store(tmp_path / "store").ensure("dataset", "words")
    assert harness(tmp_path / "store", "--dataset", "words")[1]["data set"]["status"] == "ok"
    entry.file().write_text("touched\n")
    found = harness(tmp_path / "store", "--dataset", "words")[1]["data set"]
    assert found["status"] == "warn"
    assert "changed since" in found["seen"]


def test_what_is_missing_fails_with_its_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise NotReadyError("LoadGen is not installed", fix="install it")

    monkeypatch.setattr(loadgen, "module", missing)
    code, found = harness(tmp_path, "--device", "cuda")
    assert code == 3
    assert (found["LoadGen"]["status"], found["LoadGen"]["fix"]) == ("fail", "install it")
    assert found["backend"]["status"] == "fail"
    assert "CUDAExecutionProvider" in found["backend"]["seen"]


@pytest.mark.parametrize("words", [["--workload", "bart"], ["--model", "x"], ["--backend", "x"], ["--device", "tpu"]])
def test_wrong_names_are_wrong_input(words: list[str]) -> None:
    done = CliRunner().invoke(command, ["--harness", *words])
    assert isinstance(done.exception, InputError)


def test_without_playbooks_the_environment_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadfleet.cli.doctor._playbooks", lambda: False)
    done = CliRunner().invoke(command, ["--store", str(tmp_path)])
    assert done.exit_code == 0
    assert done.output.startswith("this environment\n  ok    environment")
    assert "in a clone, or by -i" in done.output


def line(status: str) -> dict[str, str]:
    return {"check": "disk", "status": status, "wanted": "3 GiB", "seen": "1 GiB", "fix": "" if status == "ok" else "x"}


@pytest.mark.parametrize(
    ("found", "code", "status"),
    [
        (fleet.Diagnosis({"a": [line("ok")]}, [line("ok")]), 0, "ok"),
        (fleet.Diagnosis({"a": [line("ok")], "b": [line("warn")]}, []), 0, "warn"),
        (fleet.Diagnosis({"a": [line("fail")]}, [], exit_code=3), 3, "fail"),
        (fleet.Diagnosis({}, [], [Failure("", "", "broken inventory")], exit_code=2), 2, "fail"),
    ],
)
def test_a_fleet_s_findings(monkeypatch: pytest.MonkeyPatch, found: fleet.Diagnosis, code: int, status: str) -> None:
    given: dict[str, Any] = {}

    def diagnose(inventory: str, **options: Any) -> fleet.Diagnosis:
        given.update(options, inventory=inventory)
        return found

    monkeypatch.setattr(fleet, "diagnose", diagnose)
    done = CliRunner().invoke(command, ["-i", "hosts.yml", "-e", "benchmark_device=cuda", "--json"])
    value = json.loads(done.output)
    assert (done.exit_code, value["status"]) == (code, status)
    assert (given["inventory"], given["extra_vars"]) == ("hosts.yml", {"benchmark_device": "cuda"})
    done = CliRunner().invoke(command, ["-i", "hosts.yml"])
    assert done.exit_code == code
    assert f"{len(found.hosts)} host" in done.output.splitlines()[-1]


def test_this_machine_is_looked_at_by_the_playbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def diagnose(inventory: str, **options: Any) -> fleet.Diagnosis:
        given.update(options, inventory=inventory)
        return fleet.Diagnosis({}, [])

    monkeypatch.setattr(fleet, "diagnose", diagnose)
    monkeypatch.setattr("loadfleet.cli.doctor._playbooks", lambda: True)
    CliRunner().invoke(command, ["--store", str(tmp_path), "--model", "bert-large-fp32"])
    assert given["inventory"] == fleet.THIS_MACHINE
    assert given["extra_vars"]["store_path"] == str(tmp_path)
    assert given["extra_vars"]["benchmark_model"] == "bert-large-fp32"


def test_the_worst_counts() -> None:
    assert doctor.worst(["ok", "warn"]) == "warn"
    assert doctor.worst(["fail", "ok"]) == "fail"
    assert doctor.worst([]) == "ok"
