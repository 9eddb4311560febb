"""Kills at random points: controller, agent, host and link, each once in every run, in any order.

What is wanted afterwards is the result set of a run that nobody disturbed: every cell once, every log at home with the
digest it has on its host, nothing that was finished measured again, and never two cells of a host at the same time.
LOADFLEET_KILL_SEED repeats the order and the delays of a run that failed; LOADFLEET_KILL_RUNS=5 makes them twenty.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.fleet import STORE, Fleet
from tests.lab.lab import LabError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab
KINDS = ("controller", "agent", "host", "link")
RUNS = int(os.environ.get("LOADFLEET_KILL_RUNS") or 2)
CELLS = [f"bert/{scenario}/{mode}" for scenario in ("Offline", "SingleStream") for mode in ("accuracy", "performance")]
SAMPLES = 120
SEED = int(os.environ.get("LOADFLEET_KILL_SEED") or time.time())
ATTEMPTS = 5  # of the controller after the last kill: one is enough unless a kill struck just before its end


@pytest.fixture(scope="module")
def fleet(labs: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    settings = {"benchmark_query_count": SAMPLES, "benchmark_scenarios": ["Offline", "SingleStream"],
                "benchmark_reconnect_timeout": 4, "benchmark_start_lead_s": 4}  # fmt: skip
    fleet = Fleet(labs(3), tmp_path_factory.mktemp("kills"), settings)
    play = fleet.play("prepare")
    assert play.code == 0, play.text[-6000:]
    return fleet


@pytest.fixture(scope="module")
def undisturbed(fleet: Fleet) -> dict[str, Any]:
    play = fleet.play("run", benchmark_run_id="20260102T030405Z-bert-0000")
    assert play.code == 0, play.text[-6000:]
    return contents(fleet, "20260102T030405Z-bert-0000")


def contents(fleet: Fleet, run_id: str) -> dict[str, Any]:
    """What must be equal in all runs: the files, how much was measured, and the accuracy's answers."""
    values: dict[str, Any] = {}
    for host in fleet.lab.hosts:
        for cell in CELLS:
            folder = fleet.results / run_id / host / cell
            result = json.loads((folder / "result.json").read_text())
            answers = {
                entry["qsl_idx"] for entry in json.loads((folder / "mlperf_log_accuracy.json").read_text() or "[]")
            }
            accuracy = result["accuracy"]
            values[f"{host}/{cell}"] = {
                "files": sorted(path.name for path in folder.iterdir()),
                "exit_code": result["exit_code"],
                "answered": len(answers),
                "f1": accuracy and round(accuracy["value"], 6),
            }
    return values


class Watcher(threading.Thread):
    """Counts the cells that run on each host at the same time."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self.fleet = fleet
        self.most = 0
        self.looks = 0
        self.over = threading.Event()

    def run(self) -> None:
        # The bracket keeps the look from seeing itself.
        each = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null; echo; done"
        look = f"{each} | grep -c ' [l]oadfleet cell run '"
        while not self.over.wait(0.25):
            for host in self.fleet.lab.hosts:
                try:
                    count = int(self.fleet.lab.root(host, "sh", "-c", f"{look} || true"))
                except (LabError, ValueError):
                    continue  # the host is down
                self.most = max(self.most, count)
                self.looks += 1


@pytest.fixture
def watcher(fleet: Fleet) -> Iterator[Watcher]:
    thread = Watcher(fleet)
    thread.start()
    yield thread
    thread.over.set()
    thread.join(20)


def journal(fleet: Fleet, host: str, run_id: str) -> list[dict[str, Any]]:
    done = fleet.lab.ssh(host, f"cat {STORE}/runs/{run_id}/journal.jsonl")
    return [json.loads(line) for line in done.stdout.splitlines()]


def finished(fleet: Fleet, host: str, run_id: str) -> dict[str, str]:
    """Digest of each result that is on a host by now."""
    done = fleet.lab.ssh(host, f"cd {STORE}/runs/{run_id} && sha256sum bert/*/*/result.json 2>/dev/null")
    return {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}


class Mayhem:
    """One run, and what is done to it."""

    def __init__(self, fleet: Fleet, run_id: str, chance: random.Random) -> None:
        self.fleet = fleet
        self.run_id = run_id
        self.chance = chance
        self.process: subprocess.Popen[str] | None = None
        self.said = ""
        self.done: dict[str, dict[str, str]] = {host: {} for host in fleet.lab.hosts}
        self.struck: list[str] = []

    def controller(self) -> subprocess.Popen[str]:
        """The controller's play; started again when it has ended."""
        if self.process is None or self.process.poll() is not None:
            if self.process is not None:
                self.said = self.process.communicate()[0]
            self.process = self.fleet.start("run", benchmark_run_id=self.run_id)
        return self.process

    def note(self) -> None:
        """Remember which results exist: from now on they may not change."""
        for host, known in self.done.items():
            for name, digest in finished(self.fleet, host, self.run_id).items():
                assert known.setdefault(name, digest) == digest, f"{host} {name} was measured again"

    def strike(self, kind: str) -> None:
        host = self.chance.choice(self.fleet.lab.hosts)
        process = self.controller()
        # Past the start of the agents in most cases, before it in some.
        time.sleep(self.chance.uniform(3, 14))
        self.note()
        left = sum(len(CELLS) - len(known) for known in self.done.values())
        self.struck.append(f"{kind}:{host if kind != 'controller' else '-'}:{left} cells left")
        if kind == "controller":
            os.killpg(process.pid, signal.SIGKILL)
        elif kind == "agent":
            agent = self.fleet.status(host, self.run_id).get("pid")
            if agent:
                self.fleet.lab.ssh(host, f"kill -9 {agent}")
        elif kind == "host":
            self.fleet.lab.kill(host)
            time.sleep(self.chance.uniform(0, 8))
            self.fleet.lab.start(host)
        else:
            self.fleet.lab.unplug(host)
            time.sleep(self.chance.uniform(1, 10))
            self.fleet.lab.plug(host)

    def settle(self) -> int:
        """Let it come to its end; how often the controller had to be started for it."""
        for attempt in range(1, ATTEMPTS + 1):
            self.said, _ = self.controller().communicate(timeout=300)
            assert self.process is not None
            if self.process.returncode == 0:
                return attempt
        raise AssertionError(f"no good end after {ATTEMPTS} attempts:\n{self.said[-6000:]}")


@pytest.mark.parametrize("number", range(RUNS))
def test_kills_lose_nothing_and_double_nothing(
    number: int,
    fleet: Fleet,
    undisturbed: dict[str, Any],
    watcher: Watcher,
    record_property: Callable[[str, Any], None],
) -> None:
    chance = random.Random(SEED + number)  # noqa: S311 - dice, not secrets
    run_id = f"20260102T030405Z-bert-{number + 1:04x}"
    mayhem = Mayhem(fleet, run_id, chance)
    kinds = chance.sample(KINDS, len(KINDS))
    print(f"LOADFLEET_KILL_SEED={SEED}, run {number}: {', '.join(kinds)}")
    for kind in kinds:
        mayhem.strike(kind)
    attempts = mayhem.settle()
    mayhem.note()
    record_property("kills", "; ".join(mayhem.struck))
    print(f"{'; '.join(mayhem.struck)}; {attempts} more start(s) of the controller; {watcher.looks} looks")

    assert contents(fleet, run_id) == undisturbed
    assert watcher.looks > 10
    assert watcher.most == 1, "two cells ran on a host at the same time"
    for host in fleet.lab.hosts:
        at_home = fleet.results / run_id / host
        events = journal(fleet, host, run_id)
        for cell in CELLS:
            ends = [event for event in events if event["event"] == "cell_finished" and event["cell"] == cell]
            assert sum(event["state"] == "done" for event in ends) <= 1, f"{host} {cell}"
            last = max(
                i for i, event in enumerate(events) if event["event"] == "cell_started" and event["cell"] == cell
            )
            assert not any(event in ends for event in events[:last] if event.get("state") == "done")
        same_bytes(fleet, host, at_home, run_id)


def same_bytes(fleet: Fleet, host: str, at_home: Path, run_id: str) -> None:
    """Every file of every attempt, the cut off ones included, is at home as it is on the host."""
    look = "find bert interrupted -type f ! -name cell.pid -exec sha256sum {} + 2>/dev/null"
    there = fleet.lab.ssh(host, f"cd {STORE}/runs/{run_id} && {look}")
    lines = there.stdout.splitlines()
    assert len(lines) >= 8 * len(CELLS)
    for line in lines:
        digest, name = line.split(maxsplit=1)
        assert hashlib.sha256((at_home / name).read_bytes()).hexdigest() == digest, f"{host} {name}"
