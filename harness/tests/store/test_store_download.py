from __future__ import annotations

import hashlib
import json
import shutil
import socket
import time
from collections import namedtuple
from typing import TYPE_CHECKING, Any

import pytest
from store_helpers import CONTENT, Handler, sha256, visible

from loadfleet.errors import InputError, NotReadyError
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OneFile = "Callable[..., None]"


def url(server: type[Handler], path: str = "/data.bin") -> dict[str, str]:
    return {"type": "url", "url": f"{server.url}{path}"}


def part(store: Store, content: bytes = CONTENT) -> Path:
    (store.path / "downloads").mkdir(parents=True, exist_ok=True)
    return store.path / "downloads" / f"{sha256(content)}.part"


def test_a_url_source(store: Store, server: type[Handler], one_file: OneFile) -> None:
    server.files["/data.bin"] = CONTENT
    one_file(url(server))
    entry = store.ensure("dataset", "one")
    assert entry.changed is True
    assert entry.file().read_bytes() == CONTENT
    assert entry.path == store.path / "artifacts" / "dataset" / f"one-{sha256(CONTENT)[:12]}"
    assert (entry.digest, entry.source) == (f"sha256:{sha256(CONTENT)}", f"url {server.url}/data.bin")
    assert json.loads((entry.path / "entry.json").read_bytes())["files"][0]["size"] == len(CONTENT)
    assert list((store.path / "downloads").iterdir()) == []


def test_the_second_time_costs_no_request_and_no_hash(
    store: Store, server: type[Handler], one_file: OneFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/data.bin"] = CONTENT
    one_file(url(server))
    store.ensure("dataset", "one")
    monkeypatch.setattr("loadfleet.files.sha256", lambda _: pytest.fail("hashed"))
    again = store.ensure("dataset", "one")
    assert again.changed is False
    assert again == store.find("dataset", "one")
    assert len(server.seen) == 1


def test_a_partial_download_is_continued(store: Store, server: type[Handler], one_file: OneFile) -> None:
    server.files["/data.bin"] = CONTENT
    part(store).write_bytes(CONTENT[:1_000_000])
    one_file(url(server))
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT
    assert server.seen == [("/data.bin", "bytes=1000000-")]


def test_a_complete_partial_file_needs_no_request(store: Store, server: type[Handler], one_file: OneFile) -> None:
    part(store).write_bytes(CONTENT)
    one_file(url(server))
    assert store.ensure("dataset", "one").source == "an earlier download"
    assert server.seen == []


@pytest.mark.parametrize("rubbish", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)])
def test_a_wrong_partial_file_is_dropped_and_the_same_source_asked_again(
    store: Store, server: type[Handler], one_file: OneFile, rubbish: bytes
) -> None:
    server.files["/data.bin"] = CONTENT
    part(store).write_bytes(rubbish)
    one_file(url(server))
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT
    assert server.seen[-1] == ("/data.bin", None)


def test_a_server_that_ignores_ranges(store: Store, server: type[Handler], one_file: OneFile) -> None:
    server.files["/data.bin"] = CONTENT
    server.behave.append("norange")
    part(store).write_bytes(CONTENT[:1000])
    one_file(url(server))
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT
    assert len(server.seen) == 1


def test_a_server_that_dies_midway_is_asked_for_the_rest(
    store: Store, server: type[Handler], one_file: OneFile
) -> None:
    server.files["/data.bin"] = CONTENT
    server.behave += ["die", 503]
    one_file(url(server), with_size=False)
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT
    half = f"bytes={len(CONTENT) // 2}-"
    assert server.seen == [("/data.bin", None), ("/data.bin", half), ("/data.bin", half)]


def test_a_file_that_changed_on_the_server_is_not_glued_together(
    store: Store, server: type[Handler], one_file: OneFile
) -> None:
    server.files["/data.bin"] = b"old" * 1_000_000
    server.fields["/data.bin"] = {"ETag": '"1"'}
    server.behave += ["die", 404]
    one_file(url(server), with_size=False)
    with pytest.raises(NotReadyError):
        store.ensure("dataset", "one")
    assert part(store).stat().st_size == 1_500_000
    server.files["/data.bin"] = CONTENT
    server.fields["/data.bin"] = {"ETag": '"2"'}
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT
    assert server.headers_seen[-1]["If-Range"] == '"1"'
    assert len(server.seen) == 3, "the whole file came as the answer to the request for the rest"
    assert list((store.path / "downloads").iterdir()) == []


def test_a_server_that_ignores_if_range_is_asked_for_the_whole_file(
    store: Store, server: type[Handler], one_file: OneFile
) -> None:
    server.files["/data.bin"] = CONTENT
    server.fields["/data.bin"] = {"ETag": '"1"'}
    server.behave += ["die", 404]
    one_file(url(server))
    with pytest.raises(NotReadyError):
        store.ensure("dataset", "one")
    origin = part(store).with_suffix(".origin")
    origin.write_text(origin.read_text().replace('"1"', '"0"'))
    server.behave.append("stale")
    said: list[str] = []
    store.ensure("dataset", "one", report=said.append)
    assert any("has changed on the server" in line for line in said)


def test_the_rest_from_another_address_is_asked_for_without_a_version(
    store: Store, server: type[Handler], one_file: OneFile
) -> None:
    server.files.update({"/a": CONTENT, "/b": CONTENT})
    server.fields.update({"/a": {"ETag": '"a"'}, "/b": {"ETag": '"b"'}})
    server.behave += ["die", 404]
    one_file(url(server, "/a"), url(server, "/b"))
    assert store.ensure("dataset", "one").source == f"url {server.url}/b"
    assert "If-Range" not in server.headers_seen[-1]
    assert server.seen[-1] == ("/b", f"bytes={len(CONTENT) // 2}-")


def test_a_web_page_instead_of_the_file_is_told(store: Store, server: type[Handler], one_file: OneFile) -> None:
    server.files["/data.bin"] = CONTENT
    server.behave.append("page")
    one_file(url(server))
    with pytest.raises(NotReadyError, match="answers with a web page instead of the file: 'Log in'"):
        store.ensure("dataset", "one")
    assert not part(store).exists()


def test_a_wrong_content_length_is_told(store: Store, server: type[Handler], one_file: OneFile) -> None:
    server.files["/data.bin"] = CONTENT
    server.behave += ["long"] * 4
    one_file(url(server))
    with pytest.raises(NotReadyError, match="another file: 5,121,000 bytes instead of 5,120,000"):
        store.ensure("dataset", "one")
    assert visible(store) == []
    one_file(url(server), with_size=False)
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT, "only the checksum counts"


def test_what_a_dying_server_gave_is_kept_for_the_next_try(
    store: Store, server: type[Handler], one_file: OneFile
) -> None:
    server.files["/data.bin"] = CONTENT
    server.behave += ["die", 500, 500, 500]
    one_file(url(server))
    with pytest.raises(NotReadyError, match="HTTP 500"):
        store.ensure("dataset", "one")
    assert part(store).stat().st_size == len(CONTENT) // 2
    assert visible(store) == []
    store.ensure("dataset", "one")
    assert server.seen[-1] == ("/data.bin", f"bytes={len(CONTENT) // 2}-")


@pytest.mark.parametrize("with_size", [True, False])
def test_wrong_content_is_removed_and_the_next_source_asked(
    store: Store, server: type[Handler], one_file: OneFile, *, with_size: bool
) -> None:
    server.files["/wrong"] = b"y" * len(CONTENT)
    server.files["/longer"] = CONTENT + b"more"
    server.files["/right"] = CONTENT
    one_file(url(server, "/wrong"), url(server, "/longer"), url(server, "/right"), with_size=with_size)
    said: list[str] = []
    entry = store.ensure("dataset", "one", report=said.append)
    assert entry.source == f"url {server.url}/right"
    assert entry.file().read_bytes() == CONTENT
    assert any("another file: sha256" in line for line in said)


def test_all_sources_failing_lists_each_and_how_to_help(store: Store, server: type[Handler], one_file: OneFile) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/data.bin"
        server.files["/wrong"] = b"rubbish"
        one_file(url(server), url(server, "/wrong"), {"type": "url", "url": closed})
        begun = time.monotonic()
        with pytest.raises(NotReadyError) as caught:
            store.ensure("dataset", "one")
    message = caught.value.message
    assert time.monotonic() - begun < 5
    assert f"url {server.url}/data.bin: HTTP 404 Not Found" in message
    assert f"url {server.url}/wrong: another file: 7 bytes instead of 5,120,000" in message
    assert f"url {closed}: Connection refused" in message
    assert sha256(CONTENT) in message
    assert "artifact_mirrors" in caught.value.fix
    assert visible(store) == []


def test_a_mirror_is_asked_first_by_digest_then_by_name(
    store: Store, server: type[Handler], one_file: OneFile, tmp_path: Path
) -> None:
    one_file(url(server, "/elsewhere"))
    server.files["/mirror/data.bin"] = CONTENT
    mirrored = Store(store.path, mirrors=[str(tmp_path / "empty"), f"{server.url}/mirror/"])
    assert mirrored.ensure("dataset", "one").source == f"mirror {server.url}/mirror/"
    assert [path for path, _ in server.seen] == [f"/mirror/{sha256(CONTENT)}", "/mirror/data.bin"]


@pytest.mark.parametrize("form", ["{}", "file://{}"])
@pytest.mark.parametrize("by_digest", [True, False])
def test_a_folder_as_mirror_serves_offline(
    store: Store, server: type[Handler], one_file: OneFile, tmp_path: Path, form: str, *, by_digest: bool
) -> None:
    folder = tmp_path / "a mirror"
    folder.mkdir()
    (folder / (sha256(CONTENT) if by_digest else "data.bin")).write_bytes(CONTENT)
    one_file(url(server))
    where = form.format(str(folder).replace(" ", "%20") if "file" in form else folder)
    entry = Store(store.path, mirrors=[where], offline=True).ensure("dataset", "one")
    assert entry.file().read_bytes() == CONTENT
    assert server.seen == []


def test_offline_never_asks_the_network(
    store: Store, server: type[Handler], one_file: OneFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("pip was run"))
    server.files["/data.bin"] = CONTENT
    package = {"type": "package", "package": "p", "version": "1", "sha256": "0" * 64, "member": "m"}
    one_file(url(server), package)
    with pytest.raises(NotReadyError) as caught:
        Store(store.path, mirrors=[server.url], offline=True).ensure("dataset", "one")
    assert caught.value.message.count("not asked: offline") == 3
    assert server.seen == []


def test_passwords_are_sent_but_never_shown_or_kept(store: Store, server: type[Handler], one_file: OneFile) -> None:
    server.files["/m/data.bin"] = CONTENT
    one_file()
    secret = server.url.replace("http://", "http://me:secret%21@") + "/m"
    said: list[str] = []
    entry = Store(store.path, mirrors=[secret]).ensure("dataset", "one", report=said.append)
    assert server.headers_seen[-1]["Authorization"] == "Basic bWU6c2VjcmV0IQ=="
    assert "secret" not in (entry.path / "entry.json").read_text() + "\n".join(said)


def test_proxies_of_the_environment_are_used(
    store: Store, server: type[Handler], one_file: OneFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    server.files["http://files.example/data.bin"] = CONTENT  # a proxy is asked for the whole URL
    one_file({"type": "url", "url": "http://files.example/data.bin"})
    assert store.ensure("dataset", "one").file().read_bytes() == CONTENT


Usage = namedtuple("Usage", "total used free")


def test_a_full_disk_is_refused_before_anything_is_fetched(
    store: Store, server: type[Handler], one_file: OneFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 0, 65_000_000))
    one_file(url(server))
    with pytest.raises(NotReadyError, match=r"65\.0 MB free, 69\.1 MB are needed: 5\.1 MB for dataset one, and 64"):
        store.ensure("dataset", "one")
    assert server.seen == []
    assert visible(store) == []


def test_a_file_of_unknown_size_is_refused_when_the_server_announces_too_much(
    store: Store, server: type[Handler], one_file: OneFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([10**12, 65_000_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 0, next(free)))
    server.files["/data.bin"] = CONTENT
    one_file(url(server), with_size=False)
    with pytest.raises(NotReadyError, match="are needed"):
        store.ensure("dataset", "one")
    assert visible(store) == []


def test_an_embedded_file_lies_beside_the_overlay_entry(store: Store, one_file: OneFile, overlay: Path) -> None:
    (overlay / "datasets" / "bits").mkdir()
    (overlay / "datasets" / "bits" / "data").write_bytes(CONTENT)
    one_file({"type": "embedded", "path": "bits/data"})
    assert store.ensure("dataset", "one").source == "embedded bits/data"


def test_a_file_of_which_only_the_md5_is_published(
    store: Store, server: type[Handler], add: Callable[..., None]
) -> None:
    server.files.update({"/wrong": b"x" * len(CONTENT), "/right": CONTENT})
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    add("one", files=[{"name": "data.bin", "md5": md5, "sources": [url(server, "/wrong"), url(server, "/right")]}])
    entry = store.ensure("dataset", "one")
    assert entry.source == f"url {server.url}/right"
    assert entry.files[0].sha256 == sha256(CONTENT)
    assert store.find("dataset", "one") is not None


def test_an_entry_of_several_files(store: Store, server: type[Handler], add: Callable[..., None]) -> None:
    contents = {"a.txt": b"first", "b.txt": b"second"}
    server.files.update({f"/{name}": content for name, content in contents.items()})

    def declared(name: str) -> dict[str, Any]:
        return {"name": name, "sha256": sha256(contents[name]), "sources": [url(server, f"/{name}")]}

    add("two", files=[declared("a.txt"), declared("b.txt")])
    entry = store.ensure("dataset", "two")
    assert {each.name: (entry.path / each.name).read_bytes() for each in entry.files} == contents
    assert entry.file("b.txt").read_bytes() == b"second"
    with pytest.raises(KeyError, match=r"holds a\.txt, b\.txt"):
        entry.file()


def test_an_entry_without_files_is_wrong_input(store: Store) -> None:
    with pytest.raises(InputError, match="backend null has no files to store"):
        store.ensure("backend", "null")
