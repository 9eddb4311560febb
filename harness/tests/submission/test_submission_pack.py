from __future__ import annotations

import json
import os
import shutil
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet.errors import InputError
from loadfleet.submission.check import check
from loadfleet.submission.create import create
from loadfleet.submission.packing.pack import SIDES, attempts, pack
from loadfleet.submission.packing.verify import verify
from loadfleet.submission.tree.generate import Request

if TYPE_CHECKING:
    from pathlib import Path

    from submission_builder import Results

REQUEST = Request(submitter="Example")


def test_the_archive_is_the_same_bytes_when_rebuilt(results: Results, tmp_path: Path) -> None:
    run = results.run(scenarios=("Offline", "SingleStream"))
    first = create([run], tmp_path / "a", REQUEST)
    time.sleep(0.01)
    for path in sorted((tmp_path / "a" / "tree").rglob("*")):
        os.utime(path)
        path.chmod(0o700)
    second = create([run], tmp_path / "b", REQUEST)
    third = pack(tmp_path / "a" / "tree", tmp_path / "c", check(tmp_path / "a" / "tree", "v6.1", "Example"))

    archives = {item.archive.read_bytes() for item in (first.packed, second.packed, third)}
    assert len(archives) == 1
    with tarfile.open(first.packed.archive) as archive:
        entries = archive.getmembers()
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {(0, 0, "", "")}
    assert len({entry.mtime for entry in entries}) == 1
    assert "open/Example/systems/example-board.json" in [entry.name for entry in entries]


def test_the_same_content_keeps_its_number(results: Results, tmp_path: Path) -> None:
    run = results.run()
    first = create([run], tmp_path / "out", REQUEST)
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("mlperf_submission_*")}

    again = create([run], tmp_path / "out", REQUEST)

    assert (first.packed.attempt, first.packed.reused) == (1, False)
    assert (again.packed.attempt, again.packed.reused) == (1, True)
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("mlperf_submission_*")} == before


def test_other_content_gets_the_next_number(results: Results, tmp_path: Path) -> None:
    create([results.run()], tmp_path / "out", REQUEST)
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("mlperf_submission_1*")}

    second = create([results.run("20261122T050000Z-bert-0002", f1=77.0)], tmp_path / "out", REQUEST)

    assert second.packed.attempt == 2
    assert attempts(tmp_path / "out") == [1, 2]
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("mlperf_submission_1*")} == before


def test_a_gap_in_the_numbers_is_never_filled(results: Results, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mlperf_submission_7.tar.gz").write_bytes(b"older")

    assert create([results.run()], tmp_path / "out", REQUEST).packed.attempt == 8
    assert (tmp_path / "out" / "mlperf_submission_7.tar.gz").read_bytes() == b"older"


def test_an_interrupted_attempt_is_completed(results: Results, tmp_path: Path) -> None:
    run = results.run()
    packed = create([run], tmp_path / "out", REQUEST).packed
    (tmp_path / "out" / "mlperf_submission_1_summary.json").unlink()

    again = create([run], tmp_path / "out", REQUEST).packed

    assert again.attempt == packed.attempt
    assert (tmp_path / "out" / "mlperf_submission_1_summary.json").is_file()


def test_what_lies_beside_the_archive(results: Results, tmp_path: Path) -> None:
    created = create([results.run()], tmp_path / "out", REQUEST)
    texts = {side: (tmp_path / "out" / f"mlperf_submission_1{side}").read_text() for side in SIDES}

    summary = json.loads(texts["_summary.json"])
    assert (summary["accepted"], summary["sha256"]) == (True, created.packed.sha256)
    assert summary["results"][0]["value"] == pytest.approx(17.9875)
    assert "ansible-playbook playbooks/bert.yml" in texts[".run"]
    assert "numactl -N 0 loadfleet cell run cell.json" in texts[".run"]
    assert "bert/Offline/performance\t2026-11-22T02:18:52Z\t2026-11-22T02:28:56Z\t" in texts[".tstamps"]
    assert "17.9875 Samples/s" in texts[".md"]
    assert 'Example "X" CPU' in texts[".md"]
    assert not list((tmp_path / "out").glob(".mlperf*"))


def test_nothing_to_pack(tmp_path: Path) -> None:
    (tmp_path / "tree" / "open").mkdir(parents=True)

    with pytest.raises(InputError, match="no submitter 'Example'"):
        pack(tmp_path / "tree", tmp_path / "out", check(tmp_path / "tree", "v6.1", "Example"))


def test_what_people_wrote_stays_in_the_next_attempt(results: Results, tmp_path: Path) -> None:
    create([results.run()], tmp_path / "out", REQUEST)
    page = tmp_path / "out" / "mlperf_submission_1.md"
    page.write_text(page.read_text() + "We are proud of the cooling.\n")

    create([results.run("20261122T050000Z-bert-0002", f1=77.0)], tmp_path / "out", REQUEST)

    text = (tmp_path / "out" / "mlperf_submission_2.md").read_text()
    assert text.endswith("## Highlights\nWe are proud of the cooling.\n")
    assert "F1 77" in text


def test_a_pack_is_verified_as_it_would_be_received(results: Results, tmp_path: Path) -> None:
    packed = create([results.run(scenarios=("Offline", "SingleStream"))], tmp_path / "out", REQUEST).packed
    shutil.rmtree(tmp_path / "out" / "tree")

    done = verify(packed.archive)

    assert done.problems == ()
    assert done.good
    assert done.report is not None
    assert [row.accepted for row in done.report.rows] == [True, True]


@pytest.mark.parametrize("side", SIDES)
def test_a_pack_without_one_of_its_files_is_incomplete(side: str, results: Results, tmp_path: Path) -> None:
    packed = create([results.run()], tmp_path / "out", REQUEST).packed
    (tmp_path / "out" / f"mlperf_submission_1{side}").unlink()

    done = verify(packed.archive)

    assert not done.good
    assert f"mlperf_submission_1{side} is missing" in done.problems


def _member(name: str, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, "/etc/passwd"
    return entry


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda out: (out / "mlperf_submission_1.tar.gz").write_bytes(b"no archive"), "cannot be unpacked"),
        (lambda out: _cut(out / "mlperf_submission_1.tar.gz"), "the summary's bytes is"),
        (lambda out: (out / "mlperf_submission_1_summary.json").write_text("[]"), "names no round and submitter"),
        (lambda out: (out / "mlperf_submission_1.run").write_text("if\n"), "is no script"),
        (lambda out: (out / "mlperf_submission_1.tstamps").write_text("x\n"), "does not begin with run, host"),
        (lambda out: _replace(out / "mlperf_submission_1.tstamps", "02:28:56", "01:28:56"), "started"),
        (lambda out: _replace(out / "mlperf_submission_1.md", "looks OK", "has errors"), "does not say"),
        (
            lambda out: _replace(out / "mlperf_submission_1_summary.json", '"accepted": true', '"accepted": false'),
            "says refused, its content is accepted",
        ),
        (lambda out: _tar(out / "mlperf_submission_1.tar.gz", _member("open/link", tarfile.SYMTYPE)), "neither a file"),
        (lambda out: _tar(out / "mlperf_submission_1.tar.gz", _member("../x", tarfile.REGTYPE)), "cannot be unpacked"),
    ],
)
def test_a_damaged_pack_is_named(damage: Any, words: str, results: Results, tmp_path: Path) -> None:
    packed = create([results.run()], tmp_path / "out", REQUEST).packed
    damage(tmp_path / "out")

    done = verify(packed.archive)

    assert not done.good
    assert [problem for problem in done.problems if words in problem], done.problems
    assert not (tmp_path / "x").exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _tar(path: Path, entry: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(entry)


def test_something_else_is_no_pack(tmp_path: Path) -> None:
    for name in ("mlperf_submission_1.tar.gz", "other.tar.gz"):
        with pytest.raises(InputError, match="is no pack"):
            verify(tmp_path / name)
