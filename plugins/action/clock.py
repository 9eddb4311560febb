# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Compares a host's clock with the controller's, from both sides of the connection."""

from __future__ import annotations

import re
import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained

# A shell's few milliseconds instead of a module's half second: the shorter the round trip, the better the answer.
COMMAND = "date +%s.%N"


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Measure several times; each round trip narrows what is possible."""
        super().run(tmp, task_vars)
        found = [self._sample() for _sample in range(max(1, int(self._task.args.get("samples", 5))))]
        samples = [sample for sample in found if sample]
        if not samples:
            return {"changed": False, "offset_ms": None, "uncertainty_ms": None, "samples": 0}
        least, most = max(sample[0] for sample in samples), min(sample[1] for sample in samples)
        if least > most:
            # A clock was set meanwhile: the shortest round trip tells most.
            least, most = min(samples, key=lambda sample: sample[1] - sample[0])
        return {
            "changed": False,
            "offset_ms": round(1e3 * (least + most) / 2, 3),
            "uncertainty_ms": round(1e3 * (most - least) / 2, 3),
            "samples": len(samples),
        }

    def _sample(self) -> tuple[float, float] | None:
        """The least and the most that the host's clock may be ahead, in seconds; None when it tells no fractions.

        The host reads its clock somewhere between our two readings.
        """
        # The duration is of a clock that nobody sets.
        wall, begin = time.time(), time.perf_counter()
        done = self._low_level_execute_command(COMMAND, sudoable=False)
        round_trip = time.perf_counter() - begin
        match = re.search(r"^(\d{9,}\.\d+)\s*$", done["stdout"], re.MULTILINE)
        if not match:
            return None
        ahead = float(match.group(1)) - wall
        return ahead - round_trip, ahead
