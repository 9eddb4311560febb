from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from submission_mutations import Tree

from loadfleet.catalogue.rounds import load
from loadfleet.cli.submission import command
from loadfleet.errors import InputError
from loadfleet.submission.check import check
from loadfleet.submission.packing import truncate as module
from loadfleet.submission.tree.generate import Request, generate

if TYPE_CHECKING:
    from pathlib import Path

    from submission_builder import Results

RULES = load("v6.1")


@pytest.fixture
def full(results: Results, tmp_path: Path) -> Path:
    """A tree with accuracy logs in full."""
    return generate([results.run()], tmp_path / "out", Request(submitter="Example", truncate=False)).tree


def test_a_log_is_cut_and_its_hash_recorded(full: Path) -> None:
    folder = Tree(full, "open").offline / "accuracy"
    log, score = (folder / "mlperf_log_accuracy.json").read_bytes(), (folder / "accuracy.txt").read_bytes()

    (done,) = module.truncate(full, RULES, "Example")

    sha256 = hashlib.sha256(log).hexdigest()
    assert (folder / "mlperf_log_accuracy.json").read_bytes() == log[:4096] + b"\n\n...\n\n" + log[-4096:]
    assert (folder / "accuracy.txt").read_bytes() == score.rstrip(b"\n") + f"\n\nhash={sha256}\n".encode()
    assert (done.sha256, done.before, done.after, done.changed) == (sha256, len(log), 8199, True)


def test_again_changes_nothing(full: Path) -> None:
    module.truncate(full, RULES, "Example")
    before = {path: path.read_bytes() for path in full.rglob("*") if path.is_file()}

    (done,) = module.truncate(full, RULES, "Example")

    assert not done.changed
    assert {path: path.read_bytes() for path in full.rglob("*") if path.is_file()} == before


def test_generate_writes_the_same_bytes_at_once(full: Path, results: Results, tmp_path: Path) -> None:
    module.truncate(full, RULES, "Example")
    cut = generate([results.root / "20261122T021852Z-bert-0f1e"], tmp_path / "cut", Request(submitter="Example")).tree

    for name in ("mlperf_log_accuracy.json", "accuracy.txt"):
        assert (Tree(cut, "open").offline / "accuracy" / name).read_bytes() == (
            Tree(full, "open").offline / "accuracy" / name
        ).read_bytes()


def test_an_interruption_after_the_hash_is_mended(full: Path) -> None:
    folder = Tree(full, "open").offline / "accuracy"
    log = (folder / "mlperf_log_accuracy.json").read_bytes()
    module.truncate(full, RULES, "Example")
    (folder / "mlperf_log_accuracy.json").write_bytes(log)

    (done,) = module.truncate(full, RULES, "Example")

    assert done.changed
    assert (folder / "accuracy.txt").read_bytes().count(b"hash=") == 1
    assert done.after == 8199


def test_a_wrong_hash_is_replaced(full: Path) -> None:
    folder = Tree(full, "open").offline / "accuracy"
    with (folder / "accuracy.txt").open("a") as stream:
        stream.write("\nhash=0123\n")

    (done,) = module.truncate(full, RULES, "Example")

    assert [line for line in (folder / "accuracy.txt").read_text().splitlines() if line.startswith("hash=")] == [
        f"hash={done.sha256}"
    ]


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 8192, 8199, 3 << 20])
def test_sizes_around_the_limits(size: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    content = bytes(i % 251 for i in range(size))
    log.write_bytes(content)

    data, sha256, before = module.shortened(log)

    assert before == size
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert data == (content if size < 4096 else content[:4096] + b"\n\n...\n\n" + content[-4096:])


def test_an_unscored_log_is_refused(full: Path) -> None:
    (Tree(full, "open").offline / "accuracy" / "accuracy.txt").unlink()

    with pytest.raises(InputError, match=r"has no accuracy\.txt"):
        module.truncate(full, RULES, "Example")
    assert module.truncate(full, RULES, "Example", skip_unscored=True) == []


def test_an_unknown_submitter_is_refused(full: Path) -> None:
    with pytest.raises(InputError, match="no submitter 'Other'"):
        module.truncate(full, RULES, "Other")


def test_full_logs_are_kept(full: Path, tmp_path: Path) -> None:
    log = Tree(full, "open").offline / "accuracy" / "mlperf_log_accuracy.json"
    before, keep = log.read_bytes(), tmp_path / "kept"

    module.truncate(full, RULES, "Example", keep=keep)
    module.truncate(full, RULES, "Example", keep=keep)

    assert (keep / log.relative_to(full)).read_bytes() == before
    assert len(log.read_bytes()) == 8199


def test_another_log_that_is_kept_stays(full: Path, tmp_path: Path) -> None:
    log = Tree(full, "open").offline / "accuracy" / "mlperf_log_accuracy.json"
    kept = tmp_path / "kept" / log.relative_to(full)
    kept.parent.mkdir(parents=True)
    kept.write_text("another")
    before = log.read_bytes()

    with pytest.raises(InputError, match="another log"):
        module.truncate(full, RULES, "Example", keep=tmp_path / "kept")
    assert (kept.read_text(), log.read_bytes()) == ("another", before)


def test_the_command_keeps_them_beside_the_tree(full: Path) -> None:
    log = Tree(full, "open").offline / "accuracy" / "mlperf_log_accuracy.json"
    before = log.read_bytes()

    done = CliRunner().invoke(command, ["truncate", str(full), "--submitter", "Example"])

    assert done.exit_code == 0, done.output
    assert (full.with_name("tree-full-logs") / log.relative_to(full)).read_bytes() == before
    assert "tree-full-logs" in done.output


def test_recorded_hashes_are_compared_with_the_full_logs(full: Path, results: Results, tmp_path: Path) -> None:
    module.truncate(full, RULES, "Example", keep=tmp_path / "kept")
    folder = Tree(full, "open").offline / "accuracy"
    good = check(full, "v6.1", "Example", full_logs=tmp_path / "kept")
    text = (folder / "accuracy.txt").read_text()
    (folder / "accuracy.txt").write_text(text.partition("hash=")[0] + f"hash={'0' * 64}\n")
    wrong = check(full, "v6.1", "Example", full_logs=results.root)
    (folder / "accuracy.txt").write_text(text)
    log = folder / "mlperf_log_accuracy.json"
    log.write_bytes(log.read_bytes().replace(b"0000C841", b"0000C842", 1))
    changed = check(full, "v6.1", "Example", full_logs=tmp_path / "kept")

    assert good.accepted
    assert check(full, "v6.1", "Example").accepted, "nobody can tell without them"
    assert [one.rule for one in wrong.findings if one.severity == "error"] == ["one of the full logs has this hash"]
    assert [one.rule for one in changed.findings if one.severity == "error"] == [
        "the log is the full log of that hash, cut"
    ]


def test_a_folder_without_full_logs_is_wrong_input(full: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(InputError, match="holds no mlperf_log_accuracy"):
        check(full, "v6.1", "Example", full_logs=tmp_path / "empty")
