"""TEST06 to TEST09 on logs made for them: the verdicts of MLCommons' run_verification.py of each test."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet.catalogue import rounds
from loadfleet.compliance import tests, verify
from loadfleet.compliance.base import Logs
from loadfleet.compliance.cell import bounds
from loadfleet.loadgen.logs import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RULES = rounds.load("v6.1")


def ints(*tokens: int) -> str:
    return struct.pack(f"<{len(tokens)}i", *tokens).hex().upper()


def floats(*values: float) -> str:
    return struct.pack(f"<{len(values)}f", *values).hex().upper()


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Verifies a test of v6.1; gives verdict, words, and the lines of the verification file."""

    def run(
        test: str, model: str, entries: Sequence[dict[str, Any]] | str, scenario: str = "Server", **more: Any
    ) -> tuple[bool | None, str, list[str]]:
        (tmp_path / "test").mkdir(exist_ok=True)
        text = entries if isinstance(entries, str) else json.dumps(entries)
        (tmp_path / "test" / ACCURACY).write_text(text)
        if before := more.pop("before", None):
            (tmp_path / "accuracy").mkdir(exist_ok=True)
            (tmp_path / "accuracy" / ACCURACY).write_text(json.dumps(before))
            more["accuracy"] = tmp_path / "accuracy"
        described = tests.describe(test, RULES, model, scenario)
        logs = Logs(tmp_path / "test", scenario, bounds=bounds(described), **more)
        outcome = verify.verify(described, logs, tmp_path)
        lines = (tmp_path / outcome.checks[0].file).read_text().splitlines()
        return outcome.passed, outcome.checks[0].words, lines

    return run


Run = Any


def answer(*tokens: int, **changes: Any) -> dict[str, Any]:
    entry = {"qsl_idx": 1, "data": ints(*tokens), "token_count": len(tokens), "token_data": ints(*tokens[:1])} | changes
    return {key: value for key, value in entry.items() if value is not None}


@pytest.mark.parametrize(
    ("entry", "lines"),
    [
        (answer(5, 6, 7), "True True True"),
        (answer(5, 6, 2), "True True True"),
        (answer(5, 6, 2, 2), "True False True"),
        (answer(5, 2, 2, 6), "True True True"),
        (answer(2, 2), "True True True"),  # the first token is not looked at
        (answer(2, 2, 2), "True False True"),
        (answer(5, 6, token_count=3), "True True False"),
        (answer(5, 6, token_data=ints(6)), "False True True"),
        (answer(5, 6, token_data=""), "True True True"),
    ],
)
def test_token_consistency(run: Run, entry: dict[str, Any], lines: str) -> None:
    passed, _, said = run("TEST06", "llama2-70b-99.9", [answer(1, 2), entry])
    first, end, count = lines.split()
    assert said[:3] == [
        f"First token check pass: {first}",
        f"EOS check pass: {end}",
        f"Sample length check pass: {count}",
    ]
    assert said[3] == f"TEST06 verification {'complete' if passed else 'failed'}"
    assert passed is ("False" not in lines)


def test_offline_has_no_first_token(run: Run) -> None:
    passed, _, said = run("TEST06", "llama3.1-8b", [answer(5, 6, token_data=None)], "Offline")
    assert (passed, said[0]) == (True, "First token check pass: Skipped")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "holds no answer"),
        ([answer(5, token_count=None)], "no token_count"),
        ([answer(5, token_count=float("inf"))], "no token_count"),
        ([answer(5, data=[1])], "no readable data"),
        ([answer(5, token_data=None)], "no readable token_data"),
        ([answer(5, data="000000")], "no whole number of tokens"),
    ],
)
def test_tokens_that_cannot_be_read_fail(run: Run, entries: Any, words: str) -> None:
    passed, said, _ = run("TEST06", "llama2-70b-99.9", entries)
    assert passed is False
    assert words in said


@pytest.mark.parametrize(
    ("printed", "passed"),
    [
        ("{'exact_match': 60.698, 'tokens_per_sample': 9}", True),
        ("{'exact_match': 60.697}", False),
        ("{'exact_match': 50.0}\n{'exact_match': 70.0}", False),
        ("{'exact_match': 6.9.8}", False),
        ("TEST PASS", False),
    ],
)
def test_the_score_of_the_performance_run(run: Run, printed: str, passed: bool) -> None:
    verdict, _, lines = run("TEST07", "gpt-oss-120b", [], "Offline", scored=printed)
    assert verdict is passed
    assert lines[-1] == ("TEST PASS" if passed else "TEST FAIL")


BEFORE = [
    {"qsl_idx": query, "data": floats(0, query, 0.2, 0.7, 0.5, 0, 1, query % 2, 1, 1, 0.5, 3)} for query in range(4)
]


@pytest.mark.parametrize(
    ("entries", "passed"),
    [
        ([{"qsl_idx": 1, "data": floats(0, 1, 0.2, 0.7, 0.5)}], True),
        ([{"qsl_idx": 1, "data": floats(0, 1, 0.2, 0.7, 0.5001)}], True),
        ([{"qsl_idx": 1, "data": floats(0, 1, 0.2, 0.7, 0.51)}], False),
        ([{"qsl_idx": 9, "data": floats(0, 9, 0.2, 0.7, 0.5)}], False),
        ([{"qsl_idx": 1, "data": floats(0, 1, 0.2, 0.7)}], False),
        ([], False),
    ],
)
def test_entropy_of_every_query(run: Run, entries: Any, passed: bool) -> None:
    verdict, _, lines = run("TEST08", "dlrm-v3", entries, "Offline", before=BEFORE)
    assert verdict is passed
    assert ("TEST PASS" in lines) is passed


@pytest.mark.parametrize(
    ("lengths", "passed"), [((246, 246), False), ((246, 247), True), ((301, 301), True), ((301, 302), False)]
)
def test_the_mean_length_of_answers(run: Run, lengths: tuple[int, ...], passed: bool) -> None:
    entries = [{"qsl_idx": index, "data": "AB000000" * length} for index, length in enumerate(lengths)]
    for text in (json.dumps(entries), "\n".join(json.dumps(entry) for entry in entries)):
        verdict, words, lines = run("TEST09", "e2e-rag-qna", text, "Offline")
        assert verdict is passed, words
        assert lines[-1] == ("TEST PASS" if passed else "TEST FAIL")


def test_an_answer_that_cannot_be_read_has_no_length(run: Run) -> None:
    entries = [{"qsl_idx": 0, "data": "zz"}, {"qsl_idx": 1}, {"qsl_idx": 2, "data": "AB000000" * 822}]
    passed, words, _ = run("TEST09", "e2e-rag-qna", entries, "Offline")
    assert passed is True
    assert "274.00 tokens" in words
