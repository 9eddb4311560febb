"""What a user reads of bad inventories and hosts, as docs/bad-hosts.md shows it: message, exit status, what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.bad_hosts import CASES, Case, attempt
from tests.lab.bench import QUICK, Bench, said
from tests.lab.lab import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def bench(labs: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Three prepared hosts that all cases share: each mends what it broke."""
    bench = Bench(labs(3), tmp_path_factory.mktemp("bench"), dict(QUICK))
    bench.set_up()
    return bench


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_is_read(bench: Bench, case: Case) -> None:
    play, problems = attempt(bench, case)
    assert problems == [], said(play.text)


def test_the_page_shows_every_case() -> None:
    text = (ROOT / "docs/bad-hosts.md").read_text(encoding="utf-8")
    parts = {part.partition("\n")[0]: " ".join(part.split()) for part in text.split("\n## ")[1:]}
    assert list(parts) == [case.title for case in CASES], "run python tools/bad_hosts.py"
    for case in CASES:
        for words in (*case.says, f"[exit status {case.status}]", *case.left.split("\n")):
            assert words in parts[case.title] or words.startswith("Nothing"), (case.name, words)
