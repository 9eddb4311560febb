# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Tells whether a run measures on this host right now. Private to this collection."""

from __future__ import annotations

import fcntl
import os
from typing import Optional


def holder(store: str) -> Optional[str]:
    """The run that holds this host (the harness locks `<store>/locks/sut.lock` while it measures), None without one.

    Nothing is created or written. The shared lock by which this asks is let go at once.
    """
    try:
        with open(os.path.join(store, "locks", "sut.lock"), encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return stream.read().strip() or "of an unknown name"
    except OSError:
        return None
    return None
