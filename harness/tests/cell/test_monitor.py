"""The monitor's status is written by two threads."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from loadfleet.cell.monitor import Monitor

if TYPE_CHECKING:
    from pathlib import Path


def test_threads_do_not_take_each_other_s_status_away(tmp_path: Path) -> None:
    monitor, failed = Monitor(tmp_path, 1.0), []
    together = threading.Barrier(4)

    def write() -> None:
        together.wait()
        try:
            for number in range(300):
                monitor.phase(f"phase {number}")
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert json.loads((tmp_path / "status.json").read_text())["phase"] == "phase 299"
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
