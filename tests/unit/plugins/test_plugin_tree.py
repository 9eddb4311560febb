"""Logs arrive whole, verified and without losing what was there."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from ansible_collections.loadfleet.mlperf.plugins.action.bundle import Landing
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _tree


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "bert/Offline/accuracy").mkdir(parents=True)
    (folder / "bert/Offline/accuracy/mlperf_log_accuracy.json").write_bytes(b"[]" * 300_000)
    (folder / "status.json").write_text("{}")
    (folder / "journal.jsonl").write_text("one\n")
    for skipped in ("lease", "agent.pid", ".status.json.tmp"):
        (folder / skipped).write_text("x")
    (folder / "secret").symlink_to("/etc/passwd")
    return folder


def bring(run: Path, landing: Landing) -> list[str]:
    manifest = _tree.manifest(str(run))
    wanted = _tree.differing(landing.present, manifest)
    landing.land(manifest, wanted, lambda folder: _tree.copy(str(run), wanted, folder))
    return wanted


def test_links_and_the_agents_own_files_stay(run: Path) -> None:
    assert _tree.names(str(run)) == ["bert/Offline/accuracy/mlperf_log_accuracy.json", "journal.jsonl", "status.json"]


def test_an_archive_brings_the_same_bytes(run: Path, tmp_path: Path) -> None:
    names = _tree.names(str(run))
    packed = _tree.pack(str(run), names, str(tmp_path / "logs.tar.gz"))
    assert packed == _tree.manifest(str(run))
    _tree.unpack(str(tmp_path / "logs.tar.gz"), packed, str(tmp_path / "home"))
    assert _tree.manifest(str(tmp_path / "home")) == packed


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "./journal.jsonl"])
def test_a_member_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "logs.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(_tree.TreeError, match="not in its manifest"):
        _tree.unpack(str(tmp_path / "logs.tar.gz"), {name: {"sha256": "0", "bytes": 1}}, str(tmp_path / "home"))
    assert not (tmp_path / "evil").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "logs.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(_tree.TreeError):
        _tree.unpack(str(tmp_path / "logs.tar.gz"), {"link": {"sha256": "0", "bytes": 0}}, str(tmp_path / "home"))


def test_damage_and_absence_are_noticed(run: Path, tmp_path: Path) -> None:
    archive = str(tmp_path / "logs.tar.gz")
    packed = _tree.pack(str(run), ["journal.jsonl"], archive)
    wrong = {"journal.jsonl": dict(packed["journal.jsonl"], sha256="0" * 64)}
    with pytest.raises(_tree.TreeError, match="damaged"):
        _tree.unpack(archive, wrong, str(tmp_path / "home"))
    more = dict(packed, other={"sha256": "0", "bytes": 0})
    with pytest.raises(_tree.TreeError, match="lacks other"):
        _tree.unpack(archive, more, str(tmp_path / "home2"))


def test_a_second_look_brings_nothing(run: Path, tmp_path: Path) -> None:
    dest = tmp_path / "results/id/sut1"
    assert len(bring(run, Landing(str(dest)))) == 3
    landing = Landing(str(dest))
    assert _tree.differing(landing.present, _tree.manifest(str(run))) == []
    assert not landing.has_more_than(_tree.manifest(str(run)))
    assert sorted(path.name for path in dest.parent.iterdir()) == ["sut1"]


def test_grown_logs_are_replaced_and_others_kept_aside(run: Path, tmp_path: Path) -> None:
    dest = tmp_path / "results/id/sut1"
    bring(run, Landing(str(dest)))
    (run / "journal.jsonl").write_text("one\ntwo\n")
    (run / "status.json").write_text('{"phase": "finished"}')
    (run / "bert/Offline/accuracy/mlperf_log_accuracy.json").write_text("[1]")
    bring(run, Landing(str(dest)))
    aside = dest.parent / ".superseded/sut1/1"
    assert _tree.names(str(aside)) == ["bert/Offline/accuracy/mlperf_log_accuracy.json"]
    assert (aside / "bert/Offline/accuracy/mlperf_log_accuracy.json").stat().st_size == 600_000
    assert (dest / "journal.jsonl").read_text() == "one\ntwo\n"
    (run / "bert/Offline/accuracy/mlperf_log_accuracy.json").unlink()
    bring(run, Landing(str(dest)))
    assert not (dest / "bert/Offline/accuracy/mlperf_log_accuracy.json").exists()
    assert (dest.parent / ".superseded/sut1/2/bert/Offline/accuracy/mlperf_log_accuracy.json").read_text() == "[1]"


def test_a_failure_leaves_what_was_there(run: Path, tmp_path: Path) -> None:
    dest = tmp_path / "results/id/sut1"
    bring(run, Landing(str(dest)))
    before = _tree.manifest(str(dest))

    def fail(folder: str) -> None:
        (Path(folder) / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Landing(str(dest)).land(_tree.manifest(str(run)), [], fail)
    assert _tree.manifest(str(dest)) == before
    assert sorted(path.name for path in dest.parent.iterdir()) == ["sut1"]


def test_a_kill_between_the_renames_is_mended(run: Path, tmp_path: Path) -> None:
    dest = tmp_path / "results/id/sut1"
    bring(run, Landing(str(dest)))
    dest.rename(dest.parent / ".sut1.old")
    assert Landing(str(dest)).present == _tree.manifest(str(run))


def test_a_log_that_shrinks_meanwhile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(_tree.TreeError, match="early"):
        _tree.write(io.BytesIO(b"abc"), str(tmp_path / "log"), {"bytes": 5}, 0)
