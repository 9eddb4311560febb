"""A machine without any network runs the main job from one archive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Job, Site

pytestmark = pytest.mark.e2e

# What docs/air-gapped.md tells people to type. The kernel's table of routes has its heading and nothing else.
STEPS = """
test "$(tail -n +2 /proc/net/route | wc -l)" -eq 0
tar -xf "$BUNDLE" apply.py
"$PYTHON" apply.py "$BUNDLE" --store "$SITE/store"
cd "$SITE/loadfleet-offline/loadfleet"
export PIP_NO_INDEX=1 PIP_FIND_LINKS="$SITE/loadfleet-offline/wheelhouse"
make setup PYTHON="$PYTHON"
make bert ARGS="-e @$SITE/loadfleet-offline/settings.yml -e store_path=$SITE/store -e benchmark_query_count=20"
"""


def interpreter() -> str:
    """The Python that this environment was made from."""
    return os.path.realpath(sys.executable)


def without_network(script: str, site: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    """Run in a network namespace of its own, with no home, no package source and an index that does not answer."""
    site.mkdir()
    (site / "home").mkdir()
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--net", "bash", "-euxc", script],
        env={
            **kept, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(site / "home"),
            "SITE": str(site), "BUNDLE": str(bundle), "PYTHON": interpreter(), "ANSIBLE_NOCOLOR": "1",
            "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1",
        },
        cwd=site, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(first: Job, site: Site) -> Path:
    path = site.path / "site.tar"
    command = [sys.executable, "-m", "loadfleet", "bundle", "create", "-o", str(path), "--store", str(site.store)]
    done = subprocess.run([*command, "--json"], cwd=site.root, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["artifacts"][0] == "model minilm-squad"
    return path


def test_the_main_job_runs_from_a_bundle_without_a_network(bundle: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = without_network(STEPS, site, bundle)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "make bert ARGS=" in done.stdout
    assert "Result: 2 cells ran well" in done.stdout
    assert "failed=0" in done.stdout
    (result,) = (site / "loadfleet-offline/loadfleet/results/latest").glob(
        "localhost/bert/Offline/performance/result.json"
    )
    assert json.loads(result.read_text())["validity"]["loadgen"] == "VALID"


def test_a_tampered_byte_is_refused_before_anything_is_there(bundle: Path, tmp_path: Path) -> None:
    def flip() -> None:
        with bundle.open("r+b") as stream:
            stream.seek(bundle.stat().st_size // 2)
            byte = stream.read(1)
            stream.seek(-1, os.SEEK_CUR)
            stream.write(bytes([byte[0] ^ 1]))

    flip()
    try:
        site = tmp_path / "site"
        done = without_network(
            'tar -xf "$BUNDLE" apply.py; "$PYTHON" apply.py "$BUNDLE" --store "$SITE/store"', site, bundle
        )
    finally:
        flip()
    assert done.returncode == 2, done.stdout
    assert "is damaged: its digest is not the manifest's" in done.stdout
    assert "Traceback" not in done.stdout
    assert sorted(path.name for path in site.iterdir()) == ["apply.py", "home"]
