"""Bringing logs home: large ones in little memory, damage noticed, nothing lost when a host or a transfer dies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from playground import ROOT, RUN_ID

if TYPE_CHECKING:
    from pathlib import Path

    from playground import Site

pytestmark = pytest.mark.integration

LOG = "bert/Offline/accuracy/mlperf_log_accuracy.json"
LARGE = 150_000_000
# Runs a command and prints the largest resident set of it and all it started, in kilobytes.
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=sys.stderr); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def lay(site: Site, host: str, size: int) -> Path:
    """A finished run on a host whose accuracy log has some size."""
    folder = site.store / host / "runs" / RUN_ID
    log = folder / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    line = b'{ "seq_id" : 1, "qsl_idx" : 1, "data" : "%s", "token_count" : 0 },\n' % (b"0123456789abcdef" * 384)
    with log.open("wb") as stream:
        for _ in range(size // len(line) + 1):
            stream.write(line)
    status = {"schema_version": 1, "run_id": RUN_ID, "phase": "finished", "exit_code": 0, "cells": []}
    (folder / "status.json").write_text(json.dumps(status))
    home = site.results / RUN_ID
    home.mkdir(parents=True, exist_ok=True)
    (home / "run.json").write_text(json.dumps({"hosts": site.hosts}))
    return log


def peak(site: Site) -> int:
    """Bytes of the largest process of a whole `collect`."""
    command = site.command("collect", benchmark_run_id=RUN_ID)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        cwd=ROOT,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * 1024


@pytest.mark.parametrize("connection", ["local", "elsewhere"])
def test_memory_does_not_grow_with_logs(site: Site, connection: str) -> None:
    site.connection = connection
    site.with_stub()
    lay(site, "localhost", 1000)
    small = peak(site)
    log = lay(site, "localhost", LARGE)
    large = peak(site)
    home = site.results / RUN_ID / "localhost" / LOG
    assert home.stat().st_size == log.stat().st_size > LARGE
    assert large - small < LARGE / 10, f"{small:,} bytes with a small log, {large:,} with one of {LARGE:,}"


def test_a_dead_host_is_named_and_what_it_delivered_is_kept(site: Site) -> None:
    site.connection, site.hosts = "elsewhere", ["alive", "dead"]
    cable = site.path / "cut-dead"
    site.with_stub()
    for host in site.hosts:
        lay(site, host, 1000)
    assert site.play("collect", benchmark_run_id=RUN_ID).code == 0
    delivered = {path: path.read_bytes() for path in (site.results / RUN_ID / "dead").rglob("*") if path.is_file()}
    for host in site.hosts:
        lay(site, host, 100_000)
    cable.touch()
    play = site.play("collect", benchmark_run_id=RUN_ID)
    assert play.code != 0
    assert play.recap("dead")["unreachable"] == 1
    assert play.recap("alive")["failed"] == play.recap("alive")["unreachable"] == 0
    assert (site.results / RUN_ID / "alive" / LOG).stat().st_size > 100_000
    kept = {path: path.read_bytes() for path in (site.results / RUN_ID / "dead").rglob("*") if path.is_file()}
    assert kept == delivered
    cable.unlink()
    assert site.play("collect", benchmark_run_id=RUN_ID).code == 0
    assert (site.results / RUN_ID / "dead" / LOG).stat().st_size > 100_000


def test_a_host_that_dies_in_its_run_does_not_cost_the_others(site: Site) -> None:
    site.connection, site.hosts = "elsewhere", ["alive", "dead"]
    cable = site.path / "cut-dead"
    site.with_stub().variables["benchmark_reconnect_timeout"] = 1
    process = site.start("run", benchmark_run_id=RUN_ID)
    status = site.store / "dead/runs" / RUN_ID / "status.json"
    while not status.exists() and process.poll() is None:
        pass
    cable.touch()
    text, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "TABLE alive: finished, exit 0" in text
    assert re.search(r"TABLE dead: nothing came back", text)
    assert (site.results / RUN_ID / "alive/bert/Offline/performance/result.json").is_file()
    cable.unlink()
    again = site.play("collect", benchmark_run_id=RUN_ID)
    assert (site.results / RUN_ID / "dead/status.json").is_file(), again.text


def test_a_host_without_room_for_an_archive_delivers_all_the_same(site: Site, tmp_path: Path) -> None:
    site.connection = "elsewhere"
    small = tmp_path / "small"
    small.mkdir()
    site.with_stub().variables["ansible_remote_tmp"] = str(small)
    # What does not compress below the two megabytes that the host's temporary folder has.
    log = lay(site, "localhost", 1000)
    log.write_bytes(os.urandom(6_000_000))
    mount = ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--mount", "sh", "-euc"]
    script = 'mount -t tmpfs -o size=2m none "$0"; "$@"; ls -A "$0"'
    done = subprocess.run(
        [*mount, script, str(small), *site.command("collect", benchmark_run_id=RUN_ID)],
        cwd=ROOT,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (site.results / RUN_ID / "localhost" / LOG).read_bytes() == log.read_bytes()
    assert not [path for path in (site.results / RUN_ID).iterdir() if path.name.startswith(".")]
    assert "ansible-tmp" not in done.stdout, "nothing is left on the host"
