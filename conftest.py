"""Holds the test suite to leaving nothing behind: no process and no mount, whatever the tests broke and killed."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = "LOADFLEET_TEST_SESSION"
_PATIENCE_S = 20.0  # processes that were told to end may still be at it


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Every process inherits the mark in its environment, detached agents and shared SSH sessions included."""
    mark = os.environ[_MARK] = uuid.uuid4().hex
    mounts = _mounts()
    yield
    deadline = time.monotonic() + _PATIENCE_S
    while (processes := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not processes, "processes that outlived the tests"
    assert _mounts() <= mounts, "mounts that outlived the tests"


def _marked(mark: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{process.name}: {command}")
        except OSError:
            continue  # it has ended, or it is someone else's
    return found


def _mounts() -> set[str]:
    return {line.split(" - ")[0].split(" ", 3)[3] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
