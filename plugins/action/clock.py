# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Compares a host's clock with the controller's, from both sides of the connection."""

from __future__ import annotations

import re
import time
from typing import Any

from ansible.plugins.action import ActionBase

# A shell's few milliseconds instead of a module's half second: the shorter the round trip, the better the answer.
COMMAND = "date +%s.%N"


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Measure; the round trip that took the least time tells most."""
        super().run(tmp, task_vars)
        found = [self._sample() for _ in range(max(1, int(self._task.args.get("samples", 5))))]
        samples = [sample for sample in found if sample]
        if not samples:
            return {"changed": False, "offset_ms": None, "uncertainty_ms": None, "samples": 0}
        round_trip, offset = min(samples)
        return {
            "changed": False,
            "offset_ms": round(1e3 * offset, 3),
            "uncertainty_ms": round(1e3 * round_trip / 2, 3),
            "samples": len(samples),
        }

    def _sample(self) -> tuple[float, float] | None:
        """Round trip and offset in seconds; None when the host does not tell the time in fractions of a second.

        The host reads its clock somewhere between our two readings: taking the middle is wrong by half the round trip
        at most.
        """
        # The duration is of a clock that nobody sets.
        wall, begin = time.time(), time.perf_counter()
        done = self._low_level_execute_command(COMMAND, sudoable=False)
        round_trip = time.perf_counter() - begin
        match = re.search(r"^(\d{9,}\.\d+)\s*$", done["stdout"], re.MULTILINE)
        return (round_trip, float(match.group(1)) - wall - round_trip / 2) if match else None
