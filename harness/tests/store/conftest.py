from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import yaml
from store_helpers import CONTENT, Handler, sha256

from loadfleet.store import Store, download

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Handler]]:
    """The handler's class, with `url` set; its state starts empty."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSE_S", 0.01)

    class Fresh(Handler):
        files: ClassVar[dict[str, bytes]] = {}
        fields: ClassVar[dict[str, dict[str, str]]] = {}
        behave: ClassVar[list[Any]] = []
        seen: ClassVar[list[tuple[str, str | None]]] = []
        headers_seen: ClassVar[list[dict[str, str]]] = []
        url: ClassVar[str]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fresh) as listening:
        Fresh.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Fresh
        listening.shutdown()
        thread.join()


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "catalogue"
    (folder / "datasets").mkdir(parents=True)
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(folder))
    return folder


@pytest.fixture
def add(overlay: Path) -> Callable[..., None]:
    """Add a data set: `add("name", files=[...])`, `add("name", build={...}, files=[...])`."""

    def add(name: str, **artifact: Any) -> None:
        data = {"name": name, "title": name, "licence": "MIT", "tags": ["test"], "artifact": artifact}
        (overlay / "datasets" / f"{name}.yml").write_text(yaml.safe_dump(data))

    return add


@pytest.fixture
def one_file(add: Callable[..., None]) -> Callable[..., None]:
    """Add a data set "one" of the file data.bin, which holds CONTENT, with the given sources."""

    def one_file(*sources: dict[str, Any], content: bytes = CONTENT, with_size: bool = True) -> None:
        file = {"name": "data.bin", "sha256": sha256(content), "sources": list(sources)}
        add("one", files=[{**file, "size": len(content)} if with_size else file])

    return one_file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
