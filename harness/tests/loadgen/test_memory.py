"""A long run takes no more memory than a short one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_QUERIES = 200_000


def growth(which: str, folder: Path) -> int:
    """Bytes that the process grew by between the first and the last tenth of the run."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "many_queries.py"), which, str(_QUERIES), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    resident = json.loads(done.stdout.splitlines()[-1])
    return int(resident[-1] - resident[0])


def test_the_harness_keeps_nothing_of_a_query(tmp_path: Path) -> None:
    ours, loadgen_s = growth("harness", tmp_path / "harness"), growth("plain", tmp_path / "plain")
    # LoadGen keeps eight bytes a query; as many again of ours would be 1.4 MB here.
    assert ours - loadgen_s < 1_000_000
