"""A bundle brings everything, whole; and nothing of a bundle that is not what was made appears anywhere."""

from __future__ import annotations

import json
import os
import stat
import tarfile
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from airgap_helpers import RAW, edit_manifest, link, members, plain, resealed, tree

from loadfleet.airgap import apply, wheels
from loadfleet.airgap import create as creating
from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.airgap.create import Created

MADE = 1 << 26


def refused(bundle: Path, place: Path) -> str:
    """Apply to a site that does not exist; the message, after a look that there still is none."""
    with pytest.raises((InputError, NotReadyError)) as error:
        apply(bundle, place / "new/site", Store(place / "new/store", offline=True), report=print)
    assert not (place / "new").exists()
    return str(error.value)


def test_everything_arrives_and_is_used_without_a_network(made: Created, tmp_path: Path, clone: Path) -> None:
    store = Store(tmp_path / "site store", offline=True)
    done = apply(made.path, tmp_path / "site", store, report=print)
    assert sorted(path.name for path in done.wheelhouse.iterdir()) == [
        "click-8.1-py3-none-any-3.11.whl", "loadfleet-0.1.0-py3-none-any.whl",
        "onnxruntime-1.20-cp311-cp311-manylinux_2_28_x86_64.whl",
    ]  # fmt: skip
    assert (tmp_path / "site/loadfleet/collections/a/b/roles").resolve() == tmp_path / "site/loadfleet/roles"
    assert stat.S_IMODE((done.clone / "tests/run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((done.clone / "Makefile").stat().st_mode) == 0o644
    kept = {name: data for name, data in tree(clone).items() if name.split("/")[0] not in {".venv", "results"}}
    assert tree(done.clone) == {name: data for name, data in kept.items() if "__pycache__" not in name}
    assert [(each.kind, each.name, each.changed) for each in done.entries] == [
        ("model", "tiny", True), ("dataset", "raw", True), ("dataset", "prepared", True),
    ]  # fmt: skip
    for kind, name in (("model", "tiny"), ("dataset", "raw"), ("dataset", "prepared")):
        entry = store.ensure(kind, name)
        assert not entry.changed
        assert store.verify(entry) == []
    assert store.ensure("dataset", "prepared").file("words.txt").read_text() == "two"
    settings = yaml.safe_load(done.settings.read_text())
    assert settings["python_venv_offline"] is settings["artifact_from_controller"] is True
    assert settings["artifact_controller_store"] == str(store.path)
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["loadfleet", "settings.yml", "wheelhouse"]


def test_the_manifest_names_everything(made: Created) -> None:
    content = {header.name: data for header, data in members(made.path)}
    manifest = json.loads(content["manifest.json"])
    assert manifest["schema_version"] == 1
    assert [(item["path"], item["size"]) for item in manifest["files"]] == [
        (name, len(data)) for name, data in content.items() if name != "manifest.json"
    ]
    assert [item["path"] for item in manifest["links"]] == ["project/collections/a/b/roles"]
    assert {item["name"]: item["digest"][:7] for item in manifest["artifacts"]} == dict.fromkeys(
        ("tiny", "raw", "prepared"), "sha256:"
    )
    assert not [header for header, _ in members(made.path) if not header.isreg()], "the archive has no links"


def test_the_same_things_make_the_same_archive(made: Created, clone: Path, tmp_path: Path) -> None:
    wanted = creating.Wanted("bert", ("tiny",), ("prepared",), "onnxruntime", (wheels.Target("3.11"),))
    again = creating.create(wanted, clone, Store(tmp_path / "source"), tmp_path / "again.tar", print)
    first, second = members(made.path), members(again.path)
    assert [header.get_info() for header, _ in first[1:]] == [header.get_info() for header, _ in second[1:]]
    assert [data for _, data in first[1:]] == [data for _, data in second[1:]]
    assert [path.name for path in made.path.parent.iterdir()] == ["site.tar"]


def test_no_byte_can_change(made: Created, tmp_path: Path) -> None:
    whole = made.path.read_bytes()
    bundle = tmp_path / "changed.tar"
    borders = {0, 511, 512, 575, 577, 1023, 1024, 1536, len(whole) - 1, len(whole) - 5000}
    for offset in sorted(borders | set(range(100, len(whole), len(whole) // 60))):
        bundle.write_bytes(whole[:offset] + bytes([whole[offset] ^ 4]) + whole[offset + 1 :])
        assert "copy the bundle again" in refused(bundle, tmp_path), offset


def test_a_changed_file_is_named(made: Created, tmp_path: Path) -> None:
    whole = made.path.read_bytes()
    bundle = tmp_path / "changed.tar"
    at = whole.rindex(RAW * 3) + 100
    bundle.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    assert "artifacts/model/tiny/model.onnx is damaged" in refused(bundle, tmp_path)


def test_a_bundle_cut_off_or_continued_is_refused(made: Created, tmp_path: Path) -> None:
    whole = made.path.read_bytes()
    bundle = tmp_path / "cut.tar"
    for length in (0, 10, 1024, 3000, len(whole) // 2, len(whole) - 10_240, len(whole) - 1):
        bundle.write_bytes(whole[:length])
        refused(bundle, tmp_path)
    bundle.write_bytes(whole + b"\0")
    assert "not those that were sealed" in refused(bundle, tmp_path)


def drop(content: list[Any]) -> None:
    del content[5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "lacks"),
        (lambda content: content.append(plain("project/extra")), "'project/extra', which is not in its manifest"),
        (lambda content: content.append(content[3]), "or there twice"),
        (lambda content: content.append(plain("../../evil")), "not in its manifest"),
        (lambda content: content.append(plain("/tmp/evil")), "not in its manifest"),  # noqa: S108
        (lambda content: content.append(link("project/link", "/etc/passwd")), "no plain file"),
        (lambda content: content.append(link("project/hard", "apply.py", tarfile.LNKTYPE)), "no plain file"),
        (lambda content: content.insert(4, link("project", "/etc")), "no plain file"),
        (lambda content: content.pop(0), "does not begin with its manifest"),
    ],
)
def test_members_that_do_not_belong_are_refused(
    made: Created, tmp_path: Path, change: Callable[[list[Any]], Any], message: str
) -> None:
    assert message in refused(resealed(made.path, tmp_path / "changed.tar", change), tmp_path)


def renamed(path: str) -> Callable[[dict[str, Any]], None]:
    def edit(value: dict[str, Any]) -> None:
        value["files"][3]["path"] = path

    return edit


def linked(path: str, target: str) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["links"].append({"path": path, "target": target})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (renamed("../evil"), "leads out"),
        (renamed("/etc/evil"), "leads out"),
        (renamed("project/../../evil"), "leads out"),
        (renamed("project/./x"), "leads out"),
        (renamed("elsewhere/x"), "leads out"),
        (renamed("artifacts/dataset/unnamed/x"), "leads out"),
        (renamed("apply.py"), "twice"),
        (linked("project/etc", "/etc"), "leads out"),
        (linked("project/up", "../x"), "leads out"),
        (linked("project/a/up", "../../x"), "leads out"),
        (linked("project/a/up", "b/../../../x"), "leads out"),
        (linked("wheelhouse/x", "y"), "leads out"),
        (linked("project/tests", "roles"), "go through the link"),
        (lambda value: value.update(schema_version=2), "schema_version 2"),
        (lambda value: value.pop("files"), "cannot be understood"),
        (lambda value: value["files"][2].update(sha256="0"), "cannot be understood"),
        (lambda value: value["files"][2].update(size=1), "its manifest says 1"),
        (lambda value: value["files"][2].update(size=-1), "cannot be understood"),
    ],
)
def test_manifests_that_lead_out_are_refused(
    made: Created, tmp_path: Path, edit: Callable[[dict[str, Any]], Any], message: str
) -> None:
    assert message in refused(resealed(made.path, tmp_path / "changed.tar", edit_manifest(edit)), tmp_path)


def test_entries_that_the_catalogue_has_otherwise_are_refused(made: Created, overlay: Path, tmp_path: Path) -> None:
    entry = overlay / "datasets/prepared.yml"
    entry.write_text(entry.read_text().replace("two", "three"))
    assert "use the same version of Loadfleet" in refused(made.path, tmp_path)


def test_what_is_there_stays(made: Created, tmp_path: Path) -> None:
    site, store = tmp_path / "site", Store(tmp_path / "site store", offline=True)
    first = apply(made.path, site, store, report=print)
    (first.clone / "mine").write_text("mine")
    before = tree(site)
    with pytest.raises(InputError, match="is there already"):
        apply(made.path, site, store, report=print)
    broken = tmp_path / "broken.tar"
    broken.write_bytes(made.path.read_bytes()[:-1])
    with pytest.raises(InputError, match="sealed"):
        apply(broken, site, store, clone=tmp_path / "other", report=print)
    assert tree(site) == before
    assert not (tmp_path / "other").exists()
    again = apply(made.path, site, store, clone=tmp_path / "other", report=print)
    assert not any(entry.changed for entry in again.entries)
    assert (tmp_path / "other/Makefile").is_file()


def test_a_store_that_cannot_be_written_leaves_no_clone(made: Created, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(NotReadyError, match="cannot be used"):
        apply(made.path, tmp_path / "site", Store(tmp_path / "store"), report=print)
    assert not (tmp_path / "site").exists()


def test_an_entry_damaged_in_the_store_is_not_packed(made: Created, clone: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "source")
    entry = store.ensure("dataset", "raw")
    path, status = entry.file(), entry.file().stat()
    path.chmod(0o644)
    path.write_bytes(RAW[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    wanted = creating.Wanted("bert", ("tiny",), ("raw",), "onnxruntime", (wheels.Target("3.11"),))
    with pytest.raises(NotReadyError, match="is damaged"):
        creating.create(wanted, clone, store, tmp_path / "there/other.tar", print)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["site.tar"]


def test_memory_does_not_grow_with_files(made: Created, clone: Path, tmp_path: Path) -> None:
    with (clone / "large").open("wb") as stream:
        stream.truncate(MADE)
    wanted = creating.Wanted("bert", ("tiny",), ("raw",), "onnxruntime", (wheels.Target("3.11"),))
    tracemalloc.start()
    try:
        large = creating.create(wanted, clone, Store(tmp_path / "source"), tmp_path / "large.tar", print)
        apply(large.path, tmp_path / "site", Store(tmp_path / "site store"), report=print)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "site/loadfleet/large").stat().st_size == MADE
    assert peak < MADE / 4, f"{peak:,} bytes were held"
