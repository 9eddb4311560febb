"""What docs/checker.md says of the checker is what its tests do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import checker_table  # noqa: E402 - the path first


def test_the_tables_of_changes_are_current() -> None:
    assert checker_table.DOCUMENT.read_text(encoding="utf-8") == checker_table.render(), "run make docs"


def test_every_trees_verdict_is_in_them() -> None:
    rows = [line for line in checker_table.tables().splitlines() if re.match(r"\| (?!change|---)", line)]

    assert len(rows) >= 140
    assert all(re.search(r"\| (ok|refused) \| [^|]*\|$", row) for row in rows)
