"""The agreed start: every host of a run begins its first cell at the same instant of the controller's clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Time for the last preparations.
_READY_S = 0.020
# A sleep ends late by the kernel's grace; the last part is spent looking at the clock. No longer than that: hosts that
# share processors would take them from each other, and a process that has slept is let in first. Of 16 on two cores the
# last one began 12 ms late (median of four), with 20 ms of looking 47 ms.
_SPIN_S = 0.002
# A wall clock may be set while we sleep: look at it again this often.
_LONGEST_SLEEP_S = 0.5


@dataclass
class Start:
    """Waits for an instant and remembers when the run really began.

    Attributes:
        agreed: Epoch seconds on this host's clock; None starts at once.
        before: Called 20 ms ahead of the start, or just before it when there is less time: the last preparations.
        began: Epoch seconds at which `wait` returned; 0 before.
    """

    agreed: float | None
    before: Callable[[], None]
    began: float = field(default=0.0, init=False)
    _mark: float = field(default=0.0, init=False)

    def wait(self) -> None:
        """Return at the agreed instant, or at once when there is none or it has passed."""
        agreed = self.agreed or 0.0
        _sleep_until(agreed - _READY_S)
        self.before()
        _sleep_until(agreed - _SPIN_S)
        while time.time() < agreed:
            pass
        self.began, self._mark = time.time(), time.monotonic()

    def times(self) -> dict[str, float]:
        """Keys of result.json's `time`, asked for when LoadGen has ended.

        `loadgen_s` and `loadgen_start`, and with an agreement `agreed_start` and `start_late_ms`.
        """
        times = {"loadgen_s": round(time.monotonic() - self._mark, 3), "loadgen_start": round(self.began, 6)}
        if self.agreed is not None:
            times |= {"agreed_start": self.agreed, "start_late_ms": round(1e3 * (self.began - self.agreed), 3)}
        return times


def _sleep_until(epoch: float) -> None:
    while (left := epoch - time.time()) > 0:
        time.sleep(min(left, _LONGEST_SLEEP_S))
