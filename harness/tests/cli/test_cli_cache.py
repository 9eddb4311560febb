from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner, Result

from loadfleet.cli import cli, main
from loadfleet.errors import BadResultError, InputError, LoadfleetError, NotReadyError
from loadfleet.processes import record
from loadfleet.store import Store

if TYPE_CHECKING:
    from pathlib import Path

CONTENTS = {"first": b"first content", "second": b"second"}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A catalogue of two data sets, and an empty store that the commands use."""
    folder = tmp_path / "catalogue" / "datasets"
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / f"{name}.bin").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        file = {"name": "data.bin", "sha256": digest, "size": len(content)}
        source = {"type": "embedded", "path": f"{name}.bin"}
        data = {"name": name, "title": f"The {name}", "licence": "MIT", "tags": ["tiny"]}
        artifact = {"files": [{**file, "sources": [source]}]}
        (folder / f"{name}.yml").write_text(yaml.safe_dump({**data, "artifact": artifact}))
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(folder.parent))
    monkeypatch.setenv("LOADFLEET_STORE", str(tmp_path / "store"))
    return Store(tmp_path / "store")


@pytest.fixture
def both(store: Store) -> None:
    for name in CONTENTS:
        store.ensure("dataset", name)


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["cache", *arguments], input=answer)


def error_of(*arguments: str, answer: str | None = None) -> LoadfleetError:
    error = run(*arguments, answer=answer).exception
    assert isinstance(error, LoadfleetError)
    return error


def test_ensure_prints_the_path_and_says_whether_it_changed(store: Store) -> None:
    first = run("ensure", "dataset", "first")
    found = store.find("dataset", "first")
    assert found is not None
    assert first.stdout == f"{found.path}\n"
    assert "asking embedded first.bin" in first.stderr
    again = json.loads(run("ensure", "dataset", "first", "--json").stdout)
    assert {key: again[key] for key in ("kind", "name", "path", "digest", "changed", "source")} == {
        "kind": "dataset",
        "name": "first",
        "path": str(found.path),
        "digest": f"sha256:{hashlib.sha256(b'first content').hexdigest()}",
        "changed": False,
        "source": "embedded first.bin",
    }


def test_ensure_dry_run(store: Store) -> None:
    result = run("ensure", "dataset", "first", "--dry-run", "--json")
    answer = json.loads(result.stdout)
    assert answer["changed"] is True
    assert answer["lacks"] == [], "it is embedded"
    assert "would fetch data.bin" in result.stderr
    assert not store.path.exists()


def test_ensure_with_mirror_and_another_store(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "data.bin").write_bytes(b"first content")
    options = ["--mirror", str(tmp_path / "absent"), "--mirror", str(tmp_path / "mirror"), "--offline"]
    answer = run("ensure", "dataset", "first", *options, "--store", str(tmp_path / "other"), "--json")
    facts = json.loads(answer.stdout)
    assert facts["source"] == f"mirror {tmp_path / 'mirror'}"
    assert facts["path"].startswith(str(tmp_path / "other"))


def test_ensure_with_a_supplied_file(tmp_path: Path) -> None:
    (tmp_path / "brought").write_bytes(b"first content")
    answer = run("ensure", "dataset", "first", "--supplied", f"first={tmp_path}/brought", "--json")
    assert json.loads(answer.stdout)["source"] == f"supplied {tmp_path}/brought"


@pytest.mark.parametrize(
    ("given", "words"),
    [("first", "is not NAME=PATH"), ("frist=/a", "nothing in the catalogue"), ("v6.1=/a", "is no model or data set")],
)
def test_ensure_with_a_supplied_file_of_nothing(given: str, words: str) -> None:
    error = error_of("ensure", "dataset", "first", "--supplied", given)
    assert isinstance(error, InputError)
    assert words in error.message


@pytest.mark.parametrize(("arguments", "kind"), [(("dataset", "frist"), InputError), (("datset", "first"), InputError)])
def test_ensure_of_something_unknown(arguments: tuple[str, ...], kind: type[LoadfleetError]) -> None:
    assert isinstance(error_of("ensure", *arguments), kind)


@pytest.mark.usefixtures("both")
def test_show_lists_name_size_age_digest_and_source(store: Store) -> None:
    header, *rows = run("show").stdout.splitlines()
    columns = "KIND NAME SIZE AGE LAST USED STATE USED BY DIGEST SOURCE"
    assert header.split() == columns.split()
    digest = hashlib.sha256(b"first content").hexdigest()[:12]
    assert rows[0].split() == f"dataset first 13 B now now current - {digest} embedded first.bin".split()
    assert len(rows) == 2
    answer = json.loads(run("show", "second", "--json").stdout)
    assert [row["name"] for row in answer["entries"]] == ["second"]
    assert (answer["size"], answer["store"]) == (6, str(store.path))


def test_show_of_an_empty_store(store: Store) -> None:
    result = run("show")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"nothing in {store.path}" in result.stderr


@pytest.mark.usefixtures("both")
def test_show_tells_old_unlisted_and_touched_entries(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def states() -> dict[str, str]:
        return {row["name"]: row["state"] for row in json.loads(run("show", "--json").stdout)["entries"]}

    path = tmp_path / "catalogue" / "datasets" / "first.yml"
    data = yaml.safe_load(path.read_text())
    data["artifact"]["files"][0]["sha256"] = "0" * 64
    path.write_text(yaml.safe_dump(data))
    second = store.find("dataset", "second")
    assert second is not None
    os.utime(second.file(), ns=(1, 1))
    assert states() == {"first": "old", "second": "touched"}
    store.ensure("dataset", "second")
    monkeypatch.delenv("LOADFLEET_CATALOGUE")
    assert states() == {"first": "unlisted", "second": "unlisted"}


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("tags", [("first",), ("dataset", "first"), ("tiny", "first"), ("The first",)])
def test_find_prints_a_bare_path(store: Store, tags: tuple[str, ...]) -> None:
    found = store.find("dataset", "first")
    assert found is not None
    assert run("find", *tags).stdout == f"{found.path}\n"
    assert json.loads(run("find", *tags, "--json").stdout)["files"] == ["data.bin"]


@pytest.mark.usefixtures("both")
def test_find_refuses_to_guess() -> None:
    error = error_of("find", "tiny")
    assert isinstance(error, InputError)
    assert "dataset first, dataset second" in error.message


def test_find_of_what_is_not_here() -> None:
    error = error_of("find", "dataset", "first")
    assert isinstance(error, NotReadyError)
    assert "loadfleet cache ensure" in error.fix


@pytest.mark.usefixtures("both")
def test_find_passes_over_a_touched_entry(store: Store) -> None:
    found = store.find("dataset", "first")
    assert found is not None
    os.utime(found.file(), ns=(1, 1))
    assert isinstance(error_of("find", "first"), NotReadyError)


@pytest.mark.usefixtures("both")
def test_rm_asks(store: Store) -> None:
    assert "nothing removed" in run("rm", "first", answer="n\n").stdout
    assert isinstance(error_of("rm", "first", answer=""), InputError)
    assert len(store.entries()) == 2
    assert "Remove 1 of 2 entries?" in run("rm", "first", answer="y\n").stdout
    assert [entry.name for entry in store.entries()] == ["second"]


@pytest.mark.usefixtures("both")
def test_rm_with_json_needs_yes(store: Store) -> None:
    assert isinstance(error_of("rm", "tiny", "--json"), InputError)
    answer = json.loads(run("rm", "tiny", "--json", "--yes").stdout)
    assert [each["name"] for each in answer["removed"]] == ["first", "second"]
    assert store.entries() == []


@pytest.mark.usefixtures("both")
def test_rm_dry_run_removes_nothing(store: Store) -> None:
    result = run("rm", "--all", "--dry-run")
    assert result.stdout.count("would remove dataset") == 2
    assert len(store.entries()) == 2


@pytest.mark.usefixtures("both")
def test_rm_of_everything_must_be_said(store: Store) -> None:
    assert isinstance(error_of("rm", "--yes"), InputError)
    assert len(store.entries()) == 2
    assert run("rm", "--all", "--yes").exit_code == 0
    assert store.entries() == []


def running(store: Store, run_id: str, name: str, pid: int | None) -> None:
    """A run that read a data set, and whose agent is the given process."""
    found = store.find("dataset", name)
    assert found is not None
    folder = store.path / "runs" / run_id
    folder.mkdir(parents=True)
    cell = {"dataset": {"name": name, "digest": found.digest}, "model": {"name": "m", "digest": "sha256:0"}}
    (folder / "plan.json").write_text(json.dumps({"cells": [cell]}))
    if pid:
        record(folder / "agent.pid", pid)


@pytest.mark.usefixtures("both")
def test_show_tells_pins_and_runs(store: Store) -> None:
    running(store, "20260102T030405Z-bert-00aa", "first", None)
    assert run("pin", "first").stdout == "dataset first: pinned\n"
    assert run("pin", "first").stdout == "dataset first: already pinned\n"
    _, row, _ = run("show").stdout.splitlines()
    assert "current, pinned  1 run  " in row
    answer = json.loads(run("show", "first", "--json").stdout)["entries"][0]
    assert (answer["pinned"], answer["takes"]) == (True, 13)
    assert answer["used_by"] == {"runs": ["20260102T030405Z-bert-00aa"], "entries": []}
    assert json.loads(run("unpin", "first", "--json").stdout)["entries"][0]["changed"] is True
    assert json.loads(run("show", "first", "--json").stdout)["entries"][0]["pinned"] is False
    assert isinstance(error_of("pin", "nothing"), InputError)


@pytest.mark.usefixtures("both")
def test_rm_keeps_what_is_pinned_or_in_use(store: Store) -> None:
    run("pin", "first")
    running(store, "20260102T030405Z-bert-00aa", "second", os.getpid())
    error = error_of("rm", "--all", "--yes")
    assert isinstance(error, InputError)
    assert "dataset first is pinned; dataset second is in use by the run 20260102T030405Z-bert-00aa" in error.message
    assert "would remove dataset first" in run("rm", "--all", "--even-pinned", "--dry-run").stdout
    answer = json.loads(run("rm", "--all", "--even-pinned", "--yes", "--json").stdout)
    assert [each["name"] for each in answer["removed"]] == ["first"]
    assert [each["reason"] for each in answer["kept"]] == ["in use by the run 20260102T030405Z-bert-00aa"]
    assert answer["freed"] == 13
    assert [entry.name for entry in store.entries()] == ["second"]


@pytest.mark.usefixtures("both")
def test_rm_of_what_nobody_has_used_for_long(store: Store) -> None:
    found = store.find("dataset", "first")
    assert found is not None
    then = time.time() - 86400 * 31
    os.utime(found.path / "entry.json", (then, then))
    assert "nothing in" in run("rm", "--older-than", "32d", "--yes").stderr
    assert run("rm", "--older-than", "30d", "--yes").exit_code == 0
    assert [entry.name for entry in store.entries()] == ["second"]
    for text in ("soon", "30", "-1d", "9999999999d"):
        error = error_of("rm", "--older-than", text)
        assert isinstance(error, InputError)
        assert "30d" in error.fix


def test_rm_of_what_was_left(store: Store) -> None:
    (store.path / "downloads").mkdir(parents=True)
    left = store.path / "downloads" / f"{'a' * 64}.part"
    left.write_bytes(b"12345")
    assert "5 B was left by interrupted processes" in run("show").stderr
    assert f"would remove a part of a download, 5 B, {left}" in run("rm", "--leftovers", "--dry-run").stdout
    assert json.loads(run("rm", "--leftovers", "--yes", "--json").stdout)["freed"] == 5
    assert not left.exists()


def test_rm_of_what_runs_made(store: Store) -> None:
    made = store.path / "compiled" / "runtime" / "model-1"
    made.mkdir(parents=True)
    (made / "graph").write_bytes(b"1234567")
    assert "7 B are compiled models and choices of a backend" in run("show").stderr
    assert json.loads(run("show", "--json").stdout)["made"] == 7
    assert f"would remove a compiled model, 7 B, {made}" in run("rm", "--made", "--dry-run").stdout
    assert made.exists()
    answer = json.loads(run("rm", "--made", "--yes", "--json").stdout)
    assert answer["freed"] == 7
    assert answer["dropped"] == [{"path": str(made), "what": "a compiled model", "size": 7}]
    assert not made.exists()


def test_ensure_pins_and_knows_a_quota(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADFLEET_STORE_QUOTA", "10B")
    assert "store_quota lets" in error_of("ensure", "dataset", "first").message
    monkeypatch.setenv("LOADFLEET_STORE_QUOTA", "1kB")
    assert json.loads(run("ensure", "dataset", "first", "--json").stdout)["changed"] is True
    for dry_run in (["--dry-run"], []):
        assert json.loads(run("ensure", "dataset", "first", "--pin", *dry_run, "--json").stdout)["changed"] is True
    assert json.loads(run("ensure", "dataset", "first", "--pin", "--json").stdout)["changed"] is False
    assert store.pinned(store.entries()[0])
    assert isinstance(error_of("ensure", "dataset", "first", "--quota", "much"), InputError)


@pytest.mark.usefixtures("both")
def test_ensure_uses_shared_stores(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADFLEET_SHARED_STORE", f"{tmp_path}/absent{os.pathsep}{store.path}")
    monkeypatch.setenv("LOADFLEET_STORE", str(tmp_path / "other"))
    assert json.loads(run("ensure", "dataset", "first", "--json").stdout)["source"] == f"shared store {store.path}"
    assert "current, shared" in run("show").stdout
    answer = json.loads(run("show", "--json").stdout)
    assert (answer["size"], answer["takes"], answer["entries"][0]["shared"]) == (13, 0, str(store.path))


def test_adopt_takes_what_other_tools_have(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CM_REPOS", "MLC_REPOS", "CK_TOOLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    assert "no cache of CM, MLC or CK" in error_of("adopt").message
    assert "is no folder" in error_of("adopt", str(tmp_path / "absent")).message
    for kind, content in {"right": b"third", "wrong": b"other", "half": b"more"}.items():
        digest = hashlib.sha256(b"third" if kind == "wrong" else content).hexdigest()
        file = {"name": f"{kind}.bin", "sha256": digest, "size": len(content) + (kind == "wrong"), "sources": []}
        files = [file, {**file, "name": "absent.bin", "size": 77}] if kind == "half" else [file]
        if kind == "wrong":
            file["size"] = 6
        data = {"name": kind, "title": kind, "licence": "MIT", "artifact": {"files": files}}
        (tmp_path / "catalogue" / "datasets" / f"{kind}.yml").write_text(yaml.safe_dump(data))
    cache = tmp_path / "MLC/repos/local/cache/get-dataset-x_1"
    cache.mkdir(parents=True)
    for name, content in {"a": b"third", "b": b"wrong!", "c": b"more"}.items():
        (cache / name).write_bytes(content)
    planned = json.loads(run("adopt", "--dry-run", "--json").stdout)["entries"]
    assert {each["name"]: each["adopted"] for each in planned} == {"right": False, "wrong": False, "half": False}
    assert store.entries() == []
    result = run("adopt", str(cache))
    assert result.exit_code == 0
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert lines["dataset right"] == f"found {cache}/a"
    assert lines["dataset half"] == "absent.bin not found"
    assert lines["dataset wrong"].startswith("not taken: no source has wrong.bin")
    assert [entry.name for entry in store.entries()] == ["right"]
    assert "right" not in run("adopt", str(cache)).stdout


@pytest.mark.usefixtures("both")
def test_verify_hashes_and_fails_on_damage(store: Store) -> None:
    assert run("verify").stdout.splitlines() == ["dataset first: good", "dataset second: good"]
    found = store.find("dataset", "first")
    assert found is not None
    found.file().chmod(0o644)
    found.file().write_bytes(b"FIRST content")
    os.utime(found.file(), ns=(found.files[0].mtime_ns, found.files[0].mtime_ns))
    assert store.find("dataset", "first") is not None, "a stat cannot see this damage"
    error = error_of("verify")
    assert isinstance(error, BadResultError)
    assert "dataset first" in error.message
    result = run("verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["good"] is False
    assert run("verify", "second").exit_code == 0
    assert store.find("dataset", "first") is None, "the damage is noted"
    assert run("ensure", "dataset", "first").exit_code == 0
    assert run("verify").exit_code == 0


def test_errors_become_one_message_and_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["loadfleet", "cache", "ensure", "dataset", "frist", "--json"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert "did you mean first" in json.loads(printed.out)["fix"]
    assert printed.err.startswith("loadfleet: no dataset named 'frist'")
