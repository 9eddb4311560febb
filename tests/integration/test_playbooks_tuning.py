"""Tuning around a run: applied before, recorded in it, put back in every case, on a machine below a folder."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playground import RUN_ID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit/plugins"))
from fake_machine import machine, snapshot

if TYPE_CHECKING:
    from playground import Site

pytestmark = pytest.mark.integration


@pytest.fixture
def root(site: Site) -> Path:
    root = machine(site.path)
    site.with_stub().variables |= {
        "platform_tuning_profile": "throughput-server",
        "platform_tuning_root": str(root),
        "platform_tuning_settings": {"swappiness": 7},
    }
    return root


def given(site: Site) -> dict[str, object]:
    """What the host was asked to run."""
    run: dict[str, object] = json.loads((site.store / "localhost/runs" / RUN_ID / "run.json").read_text())
    return run


def test_a_run_is_tuned_says_so_and_leaves_the_host_as_it_was(site: Site, root: Path) -> None:
    before = snapshot(root)
    play = site.play("run", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    platform = given(site)["platform"]
    assert isinstance(platform, dict)
    assert platform["profile"] == "throughput-server"
    assert platform["values"]["governor"] == "performance"
    assert platform["values"]["swappiness"] == "7"
    assert "limits" in platform["applied"]
    assert snapshot(root) == before
    assert not (root / "var/lib/loadfleet/platform_tuning.json").exists()


@pytest.mark.parametrize("mood", ["refuse", "bad", "die"])
def test_a_host_that_fails_is_put_back_too(site: Site, root: Path, mood: str) -> None:
    before = snapshot(root)
    play = site.with_stub(mood).play("run", benchmark_run_id=RUN_ID)
    assert play.code == 2
    assert given(site)["platform"] is not None
    assert snapshot(root) == before


def test_kept_settings_are_found_again_and_put_back_by_hand(site: Site, root: Path) -> None:
    before = snapshot(root)
    site.variables["platform_tuning_restore"] = False
    assert site.play("run", benchmark_run_id=RUN_ID).code == 0
    tuned = snapshot(root)
    assert tuned["proc/sys/vm/swappiness"] == "7\n"
    # As after a crash of the controller: the same run again finds everything in place, and restores at its end.
    site.variables["platform_tuning_restore"] = True
    again = site.play("run", benchmark_run_id=RUN_ID)
    assert again.code == 0, again.text
    assert snapshot(root) == before
    site.variables["platform_tuning_restore"] = False
    assert site.play("run", benchmark_run_id=RUN_ID).code == 0
    foreseen = site.play("restore", "--check", "--diff")
    assert "+proc/sys/vm/swappiness: 60" in foreseen.text
    assert snapshot(root) == tuned
    back = site.play("restore")
    assert back.recap("localhost")["changed"] == 1
    assert snapshot(root) == before
    assert site.play("restore").recap("localhost")["changed"] == 0


def test_strict_refuses_before_anything_is_measured(site: Site, root: Path) -> None:
    (root / "proc/sys/kernel/numa_balancing").unlink()
    before = snapshot(root)
    loose = site.play("run", "--check")
    assert loose.code == 0, loose.text
    assert "numa_balancing: wanted 0, is nothing (not there" in loose.text
    play = site.play("run", benchmark_run_id=RUN_ID, platform_tuning_strict=True)
    assert play.code == 2
    assert "nothing was changed: numa_balancing" in play.text
    assert snapshot(root) == before
    assert not (site.store / "localhost/runs").exists()


def test_an_unknown_platform_is_refused(site: Site, root: Path) -> None:
    play = site.play("run", platform_tuning_profile="throughput")
    assert play.code == 2
    assert "did you mean throughput-server" in play.text
    assert root.exists()


def test_without_a_profile_no_module_is_called(site: Site) -> None:
    play = site.with_stub().play("run", "-v", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    assert "Apply the platform's settings" not in play.text
    assert "Put the" not in play.text
    assert given(site)["platform"] is None


def test_stopping_a_run_puts_the_host_back(site: Site, root: Path) -> None:
    before = snapshot(root)
    controller = site.with_stub("slow").start("run", benchmark_run_id=RUN_ID)
    status = site.store / "localhost/runs" / RUN_ID / "status.json"
    deadline = time.monotonic() + 60
    while not status.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait()
    assert snapshot(root) != before
    play = site.play("stop", benchmark_run_id=RUN_ID, python_venv_path=str(site.path))
    assert play.code == 0, play.text
    assert snapshot(root) == before
