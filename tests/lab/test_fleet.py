"""Several hosts that reach no network: prepared, measured, lost and found again, by the real playbooks over SSH."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.fleet import STORE, Fleet, Play

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.lab import Lab

pytestmark = pytest.mark.lab
CELLS = ("bert/Offline/accuracy", "bert/Offline/performance")
FEW = 16  # samples: what is measured does not matter here
SOME = 100  # as many as leave time to break something


@pytest.fixture(scope="module")
def fleet(labs: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Two hosts with nothing but Debian, SSH and Python."""
    return Fleet(labs(2), tmp_path_factory.mktemp("fleet"), {"benchmark_query_count": FEW})


@pytest.fixture(scope="module")
def received(fleet: Fleet) -> Callable[[], list[int]]:
    """Bytes that each host has received over its cable since the last call."""
    counters = dict.fromkeys(fleet.lab.hosts, 0)

    def since() -> list[int]:
        before = dict(counters)
        for host in counters:
            counters[host] = int(fleet.lab.root(host, "cat", "/sys/class/net/eth0/statistics/rx_bytes"))
        return [counters[host] - before[host] for host in counters]

    return since


@pytest.fixture(scope="module")
def first(fleet: Fleet) -> Play:
    """The main job from bare hosts to a submission."""
    play = fleet.play("bert")
    assert play.code == 0, play.text[-8000:]
    return play


def home(fleet: Fleet, host: str, run_id: str = "latest") -> Path:
    return fleet.results / run_id / host


def events(fleet: Fleet, host: str, run_id: str) -> list[str]:
    lines = (home(fleet, host, run_id) / "journal.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def wait_for(condition: Callable[[], Any], patience: float = 120) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def measures(fleet: Fleet, host: str, run_id: str, cell: str) -> bool:
    states = {entry["id"]: entry["state"] for entry in fleet.status(host, run_id).get("cells", [])}
    return states.get(cell) == "running"


def test_the_main_job_runs_on_hosts_without_a_network(
    first: Play, fleet: Fleet, received: Callable[[], list[int]]
) -> None:
    assert all(amount > 60_000_000 for amount in received()), "wheels came over SSH"
    for host in fleet.lab.hosts:
        for cell in CELLS:
            folder = home(fleet, host) / cell
            result = json.loads((folder / "result.json").read_text())
            assert result["exit_code"] == 0
            assert result["host"] == host
            there = fleet.lab.ssh(host, f"cd {STORE}/runs/{result['run_id']}/{cell} && sha256sum *").stdout
            assert len(there.splitlines()) >= 8
            for line in there.splitlines():
                digest, name = line.split()
                assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    systems = home(fleet, ".") / "submission/tree/open/Loadfleet/systems"
    assert [path.name for path in systems.iterdir()] == ["sut1.json"], "equal hosts are one system"
    assert "4 cells ran well" in first.words


def test_a_second_prepare_changes_nothing_and_sends_nothing(
    first: Play, fleet: Fleet, received: Callable[[], list[int]]
) -> None:
    received()
    play = fleet.play("prepare")
    assert play.code == 0, play.text[-4000:]
    assert [play.recap(host)["changed"] for host in fleet.lab.hosts] == [0, 0]
    assert all(amount < 4_000_000 for amount in received()), "modules only"


def test_a_host_gets_what_it_lacks_and_no_other_is_touched(
    first: Play, fleet: Fleet, received: Callable[[], list[int]]
) -> None:
    lose = f"rm -rf {STORE}/artifacts/dataset/* && rm {STORE}/venvs/onnxruntime/.loadfleet/loadgen.json"
    assert fleet.lab.ssh("sut2", lose).returncode == 0
    received()
    play = fleet.play("prepare", "--limit", "sut2")
    assert play.code == 0, play.text[-4000:]
    assert play.recap("sut2")["changed"] == 2
    untouched, amount = received()
    assert untouched < 10_000
    assert 4_900_000 < amount < 12_000_000, "the questions and LoadGen, nothing else"
    left = fleet.lab.ssh("sut2", f"ls -A {STORE}/downloads; ls -A ~/.ansible/tmp").stdout
    assert left == "", "nothing of what was sent stays behind"


def test_limit_measures_on_that_host_only(first: Play, fleet: Fleet) -> None:
    play = fleet.play("run", "--limit", "sut2", benchmark_run_id="20260102T030405Z-bert-0001")
    assert play.code == 0, play.text[-4000:]
    folder = fleet.results / "20260102T030405Z-bert-0001"
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["sut2"]


def test_a_host_that_dies_costs_the_others_nothing_and_continues_when_it_is_back(first: Play, fleet: Fleet) -> None:
    run_id = "20260102T030405Z-bert-00de"
    settings = {"benchmark_run_id": run_id, "benchmark_query_count": SOME}
    process = fleet.start("run", benchmark_reconnect_timeout=2, **settings)
    wait_for(lambda: measures(fleet, "sut2", run_id, "bert/Offline/performance"))
    fleet.lab.kill("sut2")
    text, _ = process.communicate(timeout=300)
    play = Play(process.returncode, text)
    assert play.code != 0
    assert "sut2 was out of reach for 2 s" in play.words
    assert f"-e benchmark_run_id={run_id}" in play.words
    for cell in CELLS:
        assert json.loads((home(fleet, "sut1", run_id) / cell / "result.json").read_text())["exit_code"] == 0
    assert (fleet.results / run_id / "report.html").is_file()

    fleet.lab.start("sut2")
    before = (home(fleet, "sut1", run_id) / CELLS[1] / "result.json").read_bytes()
    play = fleet.play("run", **settings)
    assert play.code == 0, play.text[-6000:]
    assert (home(fleet, "sut1", run_id) / CELLS[1] / "result.json").read_bytes() == before
    assert events(fleet, "sut1", run_id).count("cell_started") == 2
    assert events(fleet, "sut2", run_id).count("cell_started") == 3, "the cell that was cut off, once more"
    assert json.loads((home(fleet, "sut2", run_id) / CELLS[1] / "result.json").read_text())["exit_code"] == 0


def test_a_killed_controller_loses_nothing_on_any_host(first: Play, fleet: Fleet) -> None:
    run_id = "20260102T030405Z-bert-00c0"
    settings = {"benchmark_run_id": run_id, "benchmark_query_count": SOME}
    process = fleet.start("run", **settings)
    wait_for(lambda: all(measures(fleet, host, run_id, CELLS[0]) for host in fleet.lab.hosts))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    agents = [fleet.status(host, run_id)["pid"] for host in fleet.lab.hosts]
    play = fleet.play("run", **settings)
    assert play.code == 0, play.text[-6000:]
    for host, agent in zip(fleet.lab.hosts, agents, strict=True):
        assert f"{host} adopts run {run_id}" in play.words
        assert json.loads((home(fleet, host, run_id) / "status.json").read_text())["pid"] == agent
        assert events(fleet, host, run_id).count("cell_started") == 2, "each cell ran once"


def test_a_pulled_cable_is_survived(first: Play, fleet: Fleet) -> None:
    run_id = "20260102T030405Z-bert-00ca"
    process = fleet.start("run", benchmark_run_id=run_id, benchmark_query_count=SOME)
    wait_for(lambda: measures(fleet, "sut1", run_id, CELLS[0]))
    fleet.lab.unplug("sut1")
    time.sleep(8)
    fleet.lab.plug("sut1")
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text[-4000:]
    assert events(fleet, "sut1", run_id).count("cell_started") == 2
