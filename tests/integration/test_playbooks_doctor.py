"""The doctor on this machine: bare and prepared hosts, hosts that do not answer, JSON, nothing changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playground import ROOT

if TYPE_CHECKING:
    from playground import Site

pytestmark = pytest.mark.integration


def checks(report: dict[str, Any], part: str = "checks") -> dict[str, dict[str, str]]:
    return {one["check"]: one for one in report[part]}


@pytest.mark.parametrize("words", [[], ["--check", "--diff"]])
def test_a_bare_host_is_looked_at_and_nothing_is_changed(site: Site, words: list[str]) -> None:
    play = site.play("doctor", *words, doctor_report_path=str(site.path / "report"))
    assert play.code == 0, play.text
    assert play.recap("localhost")["changed"] == 0
    assert "  warn  environment" in play.text
    assert not site.store.exists()
    report = json.loads((site.path / "report/localhost.json").read_text())
    assert report["failing"] == []
    assert checks(report)["environment"]["seen"] == "not prepared yet"
    assert checks(report)["python"]["status"] == "ok"
    assert checks(report, "controller")["ansible.cfg"]["seen"] == str(ROOT / "ansible.cfg")


def test_what_fails_fails_the_host_and_not_the_others(site: Site) -> None:
    site.hosts = ["well", "ill"]
    site.variables["benchmark_device"] = "{{ 'cuda' if inventory_hostname == 'ill' else 'cpu' }}"
    play = site.play("doctor", "--forks", "1", doctor_report_path=str(site.path / "report"))
    assert play.code == 2
    assert play.recap("ill")["failed"] == 1
    # One fork is too few for two hosts; that is the controller's, told once, with the first host.
    reports = {path.stem: json.loads(path.read_text()) for path in (site.path / "report").iterdir()}
    assert reports["well"]["failing"] == ["forks"]
    assert reports["ill"]["failing"] == ["accelerators"]
    assert "controller" not in reports["ill"]
    assert play.text.count("  fail  accelerators") == 1


def test_a_host_that_does_not_answer_is_a_line(site: Site) -> None:
    site.connection = "elsewhere"
    site.cut.touch()
    play = site.play("doctor", doctor_report_path=str(site.path / "report"))
    assert play.code == 2
    (line,) = json.loads((site.path / "report/localhost.json").read_text())["checks"]
    assert (line["check"], line["status"]) == ("connection", "fail")


def loadfleet(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "loadfleet"), "doctor", *words],
        cwd=ROOT, env=site.environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_command_looks_at_an_inventory(site: Site) -> None:
    site.command("doctor")  # writes the inventory
    done = loadfleet(site, "-i", str(site.path / "hosts.json"), "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["schema_version"] == 1
    assert list(value["hosts"]) == ["localhost"]
    assert value["controller"]
    assert value["failures"] == []
    done = loadfleet(site, "-i", str(site.path / "hosts.json"), "-e", "benchmark_device=cuda")
    assert done.returncode == 3
    assert "  fail  accelerators" in done.stdout
    assert loadfleet(site, "-i", str(site.path / "none.json")).returncode == 2


def test_the_command_looks_at_this_machine(site: Site) -> None:
    done = loadfleet(site, "--store", str(site.store))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nlocalhost\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 host: ")
    assert not site.store.exists()
