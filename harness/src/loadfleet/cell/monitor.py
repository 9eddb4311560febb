"""Once a second: progress of the engine into status.json, CPU and memory into telemetry.jsonl."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.loadgen.engine import Progress

_PERIOD_S = 1.0


class Monitor:
    """A thread beside the measured run. It allocates little and takes the interpreter for well under 1 % of the time.

    Args:
        folder: The cell's folder.
        minimum_s: Duration LoadGen asks for; progress counts whichever of time and samples is further behind.
    """

    def __init__(self, folder: Path, minimum_s: float) -> None:
        self._folder = folder
        self._minimum = minimum_s
        self._phase = "loading"
        self._progress: Progress | None = None
        self._since = time.monotonic()
        self._stop = threading.Event()
        self._process = psutil.Process()
        self._cpu: list[float] = []
        self._peak = 0
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        psutil.cpu_percent()  # the first call only sets the mark the next one measures from
        self._write_status()
        self._thread.start()

    def phase(self, name: str, progress: Progress | None = None) -> None:
        """Enter a phase: loading, warming up, running, judging."""
        self._phase, self._progress, self._since = name, progress, time.monotonic()
        self._write_status()

    def summary(self) -> dict[str, Any]:
        """Mean CPU use of the machine while LoadGen ran (per cent) and this process's peak memory (bytes)."""
        mean = round(sum(self._cpu) / len(self._cpu), 1) if self._cpu else None
        return {"cpu_percent_mean": mean, "rss_peak_bytes": self._peak or None, "grade": None, "energy_j": None}

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        start = time.monotonic()
        with (self._folder / "telemetry.jsonl").open("a", encoding="utf-8", buffering=1) as stream:
            while not self._stop.wait(_PERIOD_S):
                cpu, rss = psutil.cpu_percent(), self._process.memory_info().rss
                self._peak = max(self._peak, rss)
                if self._phase == "running":
                    self._cpu.append(cpu)
                entry = {
                    "t": round(time.monotonic() - start, 2),
                    "phase": self._phase,
                    "cpu_percent": cpu,
                    "rss_bytes": rss,
                }
                stream.write(json.dumps(entry) + "\n")
                self._write_status()

    def _write_status(self) -> None:
        fraction, detail = self._words()
        status = {"phase": self._phase, "progress": round(fraction, 4), "detail": detail, "updated": time.time()}
        # No fsync: a status is worth nothing after a power cut, and a flush would disturb the run.
        # Two threads write it: a name in common would be moved away by one under the other's hands.
        temporary = self._folder / f".status.json.{threading.get_native_id()}"
        temporary.write_text(json.dumps(status), encoding="utf-8")
        temporary.replace(self._folder / "status.json")

    def _words(self) -> tuple[float, str]:
        if self._progress is None:
            return 0.0, self._phase
        elapsed = max(1e-3, time.monotonic() - self._since)
        seen = self._progress
        if seen.expected_units:
            # The longest samples go first: counting samples would promise an end far too late.
            fraction = seen.answered_units / seen.expected_units
            rate, left = seen.expected * fraction / elapsed, elapsed * (1 / fraction - 1) if fraction else 0.0
            return fraction, (
                f"{seen.answered:,} of {seen.expected:,} samples, {rate:,.1f} samples/s, {_duration(left)} left"
            )
        left = max(0.0, self._minimum - elapsed)
        fraction = min(1.0, elapsed / self._minimum if self._minimum else 0.0)
        return fraction, f"{seen.answered:,} samples, {seen.answered / elapsed:,.1f} samples/s, {_duration(left)} left"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
