"""Publishing to a results repository from a playbook, with the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from playground import ROOT, RUN_ID, Site

sys.path.insert(0, str(ROOT / "harness/tests/results"))
from result_builder import result, run_folder

pytestmark = pytest.mark.integration

LOG = "mlperf_log_detail.txt"


@pytest.fixture
def home(tmp_path: Path) -> Site:
    """A site whose run has come home."""
    site = Site(tmp_path)
    site.variables["results_store_executable"] = str(Path(sys.executable).parent / "loadfleet")
    logs = {LOG: b"raw\n", "mlperf_log_summary.txt": b"summary\n"}
    entries = {name: {"sha256": sha256(log).hexdigest(), "bytes": len(log)} for name, log in logs.items()}
    run = run_folder(site.results, result(files=entries))
    for name, log in logs.items():
        (run / "localhost" / "bert" / "Offline" / "performance" / name).write_bytes(log)
    (site.results / "latest").symlink_to(RUN_ID)
    return site


def test_a_run_is_published_once(home: Site, tmp_path: Path) -> None:
    bare = tmp_path / "store.git"
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(bare)], check=True)

    first = home.play("publish", results_store_url=bare.as_uri(), results_store_branch="lab")
    again = home.play("publish", results_store_url=bare.as_uri(), results_store_branch="lab")
    off = home.play("publish")

    assert first.code == again.code == off.code == 0, first.text + again.text + off.text
    assert f"published {RUN_ID} to {bare.as_uri()} (lab): commit " in first.text
    assert first.recap("localhost")["changed"] == 1
    assert again.recap("localhost")["changed"] == 0
    assert "nothing new" in again.text
    assert off.recap("localhost")["ok"] == 1  # the arguments were looked at
    log = subprocess.run(
        ["git", "-C", str(bare), "log", "--format=%s", "lab"], capture_output=True, text=True, check=True
    )
    assert log.stdout == f"Publish {RUN_ID}\n"


def test_what_fails_is_said_without_the_secret(home: Site) -> None:
    play = home.play("publish", "-vvv", results_store_url="https://me:hunter2@127.0.0.1:9/lab.git")

    assert play.code == 2
    assert "https://127.0.0.1:9/lab.git cannot be reached" in play.text
    assert "hunter2" not in play.text


def test_check_mode_publishes_nothing(home: Site, tmp_path: Path) -> None:
    play = home.play("publish", "--check", results_store_url=str(tmp_path / "store"))

    assert play.code == 0, play.text
    assert "would publish" in play.text
    assert not (tmp_path / "store").exists()


def test_a_run_that_is_not_there(home: Site, tmp_path: Path) -> None:
    play = home.play(
        "publish", results_store_url=str(tmp_path / "store"), benchmark_run_id="20200101T000000Z-bert-0000"
    )

    assert play.code == 2
    assert "no results at" in play.text
    assert "results_store_run_ids" in play.text


def test_the_price_of_a_host_is_in_its_results(tmp_path: Path) -> None:
    site = Site(tmp_path).with_stub()

    play = site.play("run", benchmark_run_id=RUN_ID, system_description_price_eur=1200)

    assert play.code == 0, play.text
    spec = json.loads((site.results / RUN_ID / "localhost" / "run.json").read_text())
    assert spec["system"]["price_eur"] == 1200.0
