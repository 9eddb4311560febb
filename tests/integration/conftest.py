"""Fixtures of the playbook tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playground import Site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """This machine as the only host, nothing prepared."""
    return Site(tmp_path)
