"""TEST01, accuracy: the verdicts of MLCommons' verify_accuracy.py, recorded from running it on the same logs."""

from __future__ import annotations

import json
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet.compliance import answers
from loadfleet.compliance.base import Finding, Logs
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import ACCURACY
from loadfleet.workloads import Accuracy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Entries = list[tuple[int, str]]
BEFORE: Entries = [(index, f"{index:02X}0000003F000000") for index in range(20)]
TEST: Entries = [BEFORE[index] for index in (3, 7, 11)]


def log(entries: Entries) -> str:
    lines = (f'{{ "seq_id" : {i}, "qsl_idx" : {index}, "data" : "{data}" }}' for i, (index, data) in enumerate(entries))
    return "[\n" + ",\n".join(lines) + "\n]\n"


@pytest.fixture
def verify(tmp_path: Path) -> Callable[..., Finding]:
    def run(before: str | Entries, test: str | Entries, element: str = "byte", **more: Any) -> Finding:
        for name, content in (("accuracy", before), ("test", test)):
            (tmp_path / name).mkdir(exist_ok=True)
            text = content if isinstance(content, str) else log(content)
            (tmp_path / name / ACCURACY).write_text(text)
        logs = Logs(test=tmp_path / "test", scenario="Offline", accuracy=tmp_path / "accuracy", **more)
        return answers.same(logs, {"element": element})

    return run


@pytest.mark.parametrize(
    ("before", "test", "element", "passed"),
    [
        pytest.param(BEFORE, TEST, "byte", True, id="as they are"),
        pytest.param(BEFORE, [*TEST, (4, "FF0000003F000000")], "byte", False, id="first element differs"),
        pytest.param(BEFORE, [*TEST, (4, "04FFFFFF3F000000")], "byte", True, id="rest of the answer differs"),
        pytest.param(BEFORE, [*TEST, (4, "04FFFFFF3F000000")], "int32", False, id="wider element differs"),
        pytest.param(BEFORE, [(99, "00")], "byte", False, id="no common sample"),
        pytest.param(BEFORE, [(99, "00"), (99, "00")], "byte", True, id="unknown sample twice alike"),
        pytest.param(BEFORE, [(99, "00"), (99, "01")], "byte", False, id="unknown sample twice, differing"),
        pytest.param(BEFORE, [*TEST, (99, "00")], "byte", True, id="one unknown sample"),
        pytest.param(BEFORE, [*TEST, (3, "FF0000003F000000")], "byte", False, id="sample again, differing"),
        pytest.param(BEFORE, [], "byte", False, id="nothing logged"),
        pytest.param([], TEST, "byte", False, id="nothing to compare with"),
        pytest.param(BEFORE, [(3, "")], "byte", False, id="empty answer"),
        pytest.param([(3, "")], [(3, "")], "byte", True, id="empty both times"),
        pytest.param([*BEFORE, (3, "FF")], TEST, "byte", True, id="first answer of the accuracy run counts"),
        pytest.param(BEFORE, json.dumps([{"qsl_idx": 3, "data": BEFORE[3][1].lower()}]), "byte", True, id="one line"),
        pytest.param([(1, "0000C07F")], [(1, "0000C07F")], "float32", False, id="NaN is not NaN"),
        pytest.param([(1, "00000000")], [(1, "00000080")], "float32", True, id="zero and negative zero"),
    ],
)
def test_verdicts(verify: Callable[..., Finding], before: Entries, test: Entries, element: str, passed: bool) -> None:
    finding = verify(before, test, element)
    assert finding.passed is passed
    assert finding.text().splitlines()[-1] == ("TEST PASS" if passed else "TEST FAIL")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "closing bracket"),
        (log(TEST)[:-3], "closing bracket"),
        (log(TEST)[:60], "closing bracket"),
        (log(TEST) + "x", "closing bracket"),
        (log(TEST).replace("},", "}", 1), "text between"),
        (log(TEST).replace("},", "},,", 1), "text between"),
        (log(TEST).replace('"qsl_idx"', '"index"', 1), "qsl_idx None"),
        (log(TEST).replace('"data"', '"date"', 1), "no readable data"),
        (log([(3, "zz")]), "no readable data"),
        ('[{"qsl_idx": 3, "data": [1]}]', "no readable data"),
        ('[{"qsl_idx": 1' + "0" * 5000 + ', "data": ""}]', "not JSON"),
        (log([(3, "0")]), "no readable data"),
        (log(TEST).replace(" : 0,", " : {0,", 1), "not JSON"),
    ],
)
def test_what_is_no_log_is_named(verify: Callable[..., Finding], text: str, words: str) -> None:
    with pytest.raises(BadResultError, match=words):
        verify(BEFORE, text)


def test_bytes_that_are_no_elements(verify: Callable[..., Finding]) -> None:
    with pytest.raises(BadResultError, match="sample 3 has 3 bytes, no multiple of 4"):
        verify([(3, "000000")], [(3, "000000")], "float32")


def value_of(log: Path) -> Accuracy:
    """A score that is the mean of the answers' first bytes."""
    entries = json.loads(log.read_text())
    value = sum(bytes.fromhex(entry["data"])[0] for entry in entries) / len(entries)
    return Accuracy("mean", value, {"mean": value}, f"mean={value}", len(entries), 20)


@pytest.mark.parametrize(("tolerance", "passed"), [(0.2, True), (0.01, False)])
def test_answers_that_differ_are_forgiven_when_both_accuracies_agree(
    verify: Callable[..., Finding], tolerance: float, passed: bool
) -> None:
    test = [(3, "03"), (7, "08"), (11, "0B"), (99, "FF")]  # 99 is not in the accuracy run: it is not scored
    finding = verify(BEFORE, test, score=value_of, tolerance=tolerance)
    assert finding.passed is passed
    assert finding.text().splitlines()[-1] == "TEST FAIL", "the checker then reads the two accuracies"
    assert finding.extra == {
        "baseline_accuracy.txt": "mean=7.0\n",
        "compliance_accuracy.txt": f"mean={22 / 3}\n",
    }
    assert "the same 3 samples give mean 7.0000 and 7.3333" in finding.words


def test_memory_does_not_grow_with_the_answers(verify: Callable[..., Finding], tmp_path: Path) -> None:
    answer = (struct.pack("<d", 1.5) * 10_000).hex()  # 160 kB a line, 64 MB in all
    for name in ("accuracy", "test"):
        (tmp_path / name).mkdir()
        with (tmp_path / name / ACCURACY).open("w") as stream:
            stream.write("[\n")
            for index in range(200):
                stream.write(f'{"," if index else ""}{{"seq_id":0,"qsl_idx":{index},"data":"{answer}"}}\n')
            stream.write("]\n")
    tracemalloc.start()
    finding = answers.same(Logs(tmp_path / "test", "Offline", accuracy=tmp_path / "accuracy"), {"element": "byte"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert finding.passed
    assert peak < 8 << 20
