"""A long run takes no more memory than a short one."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from pathlib import Path

_QUERIES = 200_000


def growth(which: str, folder: Path) -> float:
    """Bytes that the process grows by in a tenth of the run; the median, since buffers grow now and then by a lot."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "many_queries.py"), which, str(_QUERIES), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    resident = json.loads(done.stdout.splitlines()[-1])
    return statistics.median(after - before for before, after in itertools.pairwise(resident))


def test_the_harness_keeps_nothing_of_a_query(tmp_path: Path) -> None:
    ours, loadgen_s = growth("harness", tmp_path / "harness"), growth("plain", tmp_path / "plain")
    # LoadGen keeps eight bytes a query, which makes 160,000 a tenth; as many again of ours would be seen.
    assert ours - loadgen_s < 100_000
