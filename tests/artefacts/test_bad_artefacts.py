"""What a user reads of bad artefacts, as docs/bad-artefacts.md shows it: message, exit status, state of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.artefacts.bad_artefacts import CASES, Case, attempt
from tests.artefacts.bench import ROOT, Bench

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_is_read(tmp_path: Path, case: Case) -> None:
    with Bench(tmp_path) as bench:
        run, problems = attempt(bench, case)
    assert problems == [], run.text


def test_the_page_shows_every_case() -> None:
    text = (ROOT / "docs/bad-artefacts.md").read_text(encoding="utf-8")
    parts = {part.partition("\n")[0]: " ".join(part.split()) for part in text.split("\n## ")[1:]}
    assert list(parts) == [case.title for case in CASES], "run python tools/bad_artefacts.py"
    for case in CASES:
        for words in (*case.says, f"[exit status {case.status}]", case.state, case.then):
            assert words in parts[case.title], case.title
