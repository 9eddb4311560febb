"""Fixtures of the lab tests.

A machine that cannot have a lab fails them; LOADFLEET_LAB=off leaves them out, and says so.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("LOADFLEET_LAB") != "off":
        return
    left_out = [item for item in items if item.get_closest_marker("lab")]
    items[:] = [item for item in items if not item.get_closest_marker("lab")]
    config.hook.pytest_deselected(items=left_out)
    if left_out:
        print(f"\nLOADFLEET_LAB=off: {len(left_out)} tests of the multi-host lab are left out", file=sys.__stderr__)


@pytest.fixture(scope="session")
def labs() -> Iterator[Callable[..., Lab]]:
    """Makes labs that a test may break: `labs(2)`, `labs(["near", "far"])`; they end with the session at the latest."""
    made: list[Lab] = []

    def make(hosts: int | list[str] = 3, *, sudo: bool = False) -> Lab:
        # Not pytest's own folder: its path is too long for ssh's sockets.
        folder = Path(tempfile.gettempdir()) / f"lfl-{os.getpid()}-{next(_numbers)}"
        made.append(Lab.up(folder, hosts, owner=os.getpid(), sudo=sudo))
        return made[-1]

    yield make
    for lab in made:
        lab.down()


@pytest.fixture(scope="session")
def lab(labs: Callable[..., Lab]) -> Lab:
    """Three hosts that all tests share: leave them as they were."""
    return labs(3)
