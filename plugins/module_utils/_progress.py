# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Decides which lines a watched run prints, and how often it is looked at. Private to this collection."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

FINAL_PHASES = frozenset(("finished", "stopped", "interrupted", "refused"))
LONGEST_PAUSE_S = 30.0
STEP = 0.05
QUIET_S = 60.0


def pause(first: float, elapsed: float) -> float:
    """Seconds until the next look: short runs are looked at often, long ones every half minute at least."""
    return max(first, min(LONGEST_PAUSE_S, first * (1.0 + elapsed / 300.0)))


class Progress:
    """Remembers what was printed for one host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.seen: Dict[str, Tuple[str, float, float]] = {}

    def lines(self, status: Dict[str, Any], now: float) -> List[str]:
        """New lines to print for a status.

        A cell speaks when its state changes, when it has advanced by five points, or when it has advanced at all and
        was silent for a minute.
        """
        return [line for cell in status.get("cells") or [] for line in (self._line(cell, now),) if line]

    def _line(self, cell: Dict[str, Any], now: float) -> Optional[str]:
        name, state, share = str(cell.get("id")), str(cell.get("state")), float(cell.get("progress") or 0.0)
        before = self.seen.get(name)
        if state == "pending" or (before is not None and before[0] == state == "done"):
            return None
        if before is not None and before[0] == state:
            advanced = share - before[1]
            if advanced < STEP and not (advanced > 0 and now - before[2] >= QUIET_S):
                return None
        self.seen[name] = (state, share, now)
        return "%-12s %-30s %s" % (self.host, name, " ".join(self._words(cell, state, share)))

    @staticmethod
    def _words(cell: Dict[str, Any], state: str, share: float) -> List[str]:
        detail = str(cell.get("detail") or "")
        if state == "running":
            return ["%3d %%" % round(100 * share)] + ([" " + detail] if detail else [])
        verdict = str(cell.get("verdict") or ("ended" if state == "done" else state))
        reasons = "; ".join(str(reason) for reason in cell.get("reasons") or [])
        return [word for word in (verdict, detail and " " + detail, reasons and "(%s)" % reasons) if word]
