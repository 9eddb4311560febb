"""Fixtures of the playbook tests."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from playground import Play, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Play]]:
    """A host that was prepared once, with the real harness, for all tests that only look at it."""
    path = tmp_path_factory.mktemp("prepared")
    site = Site(path)
    first = site.play("prepare")
    yield site, first
    shutil.rmtree(site.store, ignore_errors=True)
