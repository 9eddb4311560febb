"""Whatever stands in a submission, the answer is a verdict: never an exception, never an acceptance of rubbish."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from submission_mutations import Tree

from loadfleet.submission import checks, walk
from loadfleet.submission.check import Report, check
from loadfleet.submission.checks.base import Check, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JUNK = [
    b"",
    b"\0",
    b"\xff\xfe" * 300,
    b"[]",
    b"null",
    b'"x"',
    b"1",
    b"NaN",
    b"[" * 100_000,
    b"{}",
    b'{"a":',
    b'{"a": "\\ud800"}',
    b":::MLLOG {}\n",
    b":::MLLOG []\n",
    b':::MLLOG {"key": [], "value": 1, "metadata": {"is_error": 1}}\n',
    b':::MLLOG {"key": "\\ud800", "value": "\\udfff", "metadata": {"is_error": true}}\n',
    b':::MLLOG {"key": "x", "value": [1, 2, "time_ms": 1}\n',
    b"9" * 10_000,
    "é".encode("latin1"),
    b"hash=" + b"0" * 64,
    b"{'f1': 1}" * 10_000,
]
VALUES = [
    "[]",
    "{}",
    "null",
    '"x"',
    '"\\ud800"',
    "-1",
    "1e999",
    "NaN",
    "true",
    "1" + "0" * 400,
    "1" + "0" * 5000,
    "1.5",
]


def whole(report: Report) -> None:
    """Every form of the answer can be written."""
    json.dumps(report.as_json())
    report.csv().encode()
    for finding in report.findings:
        finding.line().encode()
    assert not [finding for finding in report.findings if "can be made" in finding.rule], report.findings


def _files(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_in_any_file_is_refused(junk: bytes, accepted_closed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    for name in _files(root):
        path = root / name
        before = path.read_bytes()
        path.write_bytes(junk)

        report = check(root, "v6.1", "Example", jobs=1)

        whole(report)
        free = name.name in {"README.md", "user.conf", "calibration.md", "accuracy.txt"} or "src" in name.parts
        # An empty file is refused where one is needed; in files of free form anything else may stand.
        assert not report.accepted or free or _unread(name), name
        path.write_bytes(before)


def _unread(name: Path) -> bool:
    """Logs that only have to be there: the compliance test's answers, a summary without a number, an empty list."""
    if name.name == "mlperf_log_accuracy.json":
        return "performance" in name.parts or "TEST01" in name.parts
    return name.name == "mlperf_log_summary.txt" and name.parts[-2] == "accuracy"


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_never_raises(seed: int, accepted_closed: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - damage, no secret
    root = Path(shutil.copytree(accepted_closed, tmp_path / "tree"))
    for _ in range(3):
        path = root / chance.choice(_files(root))
        chance.choice(DAMAGES)(path, chance)

    whole(check(root, "v6.1", "Example", jobs=1))


def _flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes() or b"x")
    for _ in range(10):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)


def _cut(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data) + 1)])


def _remove(path: Path, chance: random.Random) -> None:
    path.unlink()
    if chance.random() < 0.3:
        path.mkdir()


def _swap(path: Path, chance: random.Random) -> None:
    other = chance.choice(sorted(path.parents[1].rglob("*")))
    if other.is_file() and other != path:
        shutil.copy(other, path)


def _value(path: Path, chance: random.Random) -> None:
    """Another value for one key of a log or a JSON file."""
    lines = path.read_text(errors="replace").splitlines(keepends=True) or [""]
    place = chance.randrange(len(lines))
    for mark in ('"value": ', '": '):
        head, found, tail = lines[place].partition(mark)
        if found:
            lines[place] = f"{head}{found}{chance.choice(VALUES)}{tail[tail.find(',') :]}"
            break
    path.write_text("".join(lines))


def _folder_moved(path: Path, chance: random.Random) -> None:
    folder = chance.choice(path.parents[:4])
    target = folder.with_name(chance.choice(["Server", "x" * 200, "bert-99", "-", "{system}", "*", "performance"]))
    if folder.is_dir() and not target.exists():
        folder.rename(target)
        (path.parent if path.parent.exists() else target).mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


DAMAGES: list[Callable[[Path, random.Random], None]] = [_flip, _cut, _remove, _swap, _value, _folder_moved]


def test_a_check_that_raises_is_a_finding_that_names_it(submission: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Check):
        family = "broken"
        over = Result

        def findings(self, _: Any) -> Iterator[Any]:
            raise ZeroDivisionError("of all things")

    monkeypatch.setattr(walk, "ALL", (*checks.ALL, Broken))

    report = check(submission, "v6.1", "Example")

    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert {(finding.rule, finding.value) for finding in errors} == {
        ("the check Broken can be made", "ZeroDivisionError: of all things")
    }
    assert not report.accepted
    assert [row.accepted for row in report.rows] == [False, False]


def test_what_the_system_refuses_to_show_is_a_finding(submission: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = str(Tree(submission, "open").offline / "README.md")
    allowed = walk.Place.read_bytes

    def refuse(path: Any, *arguments: Any) -> Any:
        if str(path) == hidden:
            path.disk.unreadable[str(path)] = "Permission denied"
            return None
        return allowed(path, *arguments)

    monkeypatch.setattr(walk.Place, "read_bytes", refuse)

    findings = check(submission, "v6.1", "Example").findings

    assert ("every file and folder can be read", "Permission denied") in {(one.rule, one.value) for one in findings}


def many(tree: Path, number: int) -> Path:
    """A copy of a tree with that many systems."""
    root = tree / "open" / "Example"
    for i in range(1, number):
        shutil.copytree(root / "results" / "example-board", root / "results" / f"board-{i:03d}")
        shutil.copy(root / "systems" / "example-board.json", root / "systems" / f"board-{i:03d}.json")
    return tree


# In a process of its own: work is spread only where no other thread lives, and that of a test may have some.
SPREAD = """
import os, sys
from pathlib import Path
from loadfleet.submission import walk
from loadfleet.submission.check import check

def die(task):
    os._exit(9)

class Late(walk.ProcessPoolExecutor):  # the first process has died before the second task is handed over
    def submit(self, *arguments):
        future = super().submit(*arguments)
        future.exception(timeout=60)
        return future

if sys.argv[2].startswith("die"):
    walk._run = die
if sys.argv[2] == "die early":
    walk.ProcessPoolExecutor = Late
jobs = [1, 3] if sys.argv[2] == "compare" else [2]
reports = [check(Path(sys.argv[1]), "v6.1", "Example", jobs=number) for number in jobs]
assert all(report == reports[0] for report in reports), "processes and a single one differ"
print(reports[0].accepted, len(reports[0].rows), sum(not row.accepted for row in reports[0].rows))
print(*sorted({finding.rule for finding in reports[0].findings}), sep="\\n")
"""


def spread(tree: Path, what: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SPREAD, str(tree), what], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_processes_say_what_one_process_says(submission: Path) -> None:
    many(submission, 24)
    Tree(submission, "open").set("result_validity", "INVALID")

    verdict, *rules = spread(submission, "compare")

    assert verdict == "False 48 1"
    assert rules


@pytest.mark.parametrize("what", ["die", "die early"])
def test_a_process_that_dies_is_a_finding(submission: Path, what: str) -> None:
    verdict, *rules = spread(many(submission, 24), what)

    assert verdict.startswith("False")
    assert rules == ["the process that checks this part lives"]


def test_findings_of_one_kind_are_limited(submission: Path) -> None:
    folder = submission / "open" / "Example" / "src" / "odd"
    folder.mkdir()
    for number in range(walk.FINDING_LIMIT + 50):
        (folder / f".{number}").write_text("x")

    findings = check(submission, "v6.1", "Example").findings

    assert sum("no name may begin with a dot" in finding.rule for finding in findings) == walk.FINDING_LIMIT
    assert any(f"more than {walk.FINDING_LIMIT} findings" in finding.rule for finding in findings)
