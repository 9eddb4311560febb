"""A place to break artefacts in: a catalogue, a store and a web server of its own, and the real command."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "harness/tests/store"))

from archive_helpers import odd, tar_of, zip_of  # type: ignore[import-not-found]  # noqa: E402
from store_helpers import Handler, sha256  # type: ignore[import-not-found]  # noqa: E402

from loadfleet.store import Store  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BUILD", "LOADFLEET", "PHOTOS", "ROOT", "Bench", "Run", "odd", "sha256", "tar_of", "waiting", "zip_of"]

LOADFLEET = str(Path(sys.executable).parent / "loadfleet")
PHOTOS = bytes(range(256)) * 10_000  # 2.56 MB: what the data set `photos` consists of
BUILD = "loadfleet.store.unpack:build"


class Held(Handler):  # type: ignore[misc]
    """A server that can be told to wait in the middle of an answer."""

    def do_GET(self) -> None:  # noqa: N802
        if not self.behave or not isinstance(self.behave[0], tuple):
            super().do_GET()
            return
        half, asked, go_on = self.behave.pop(0)
        self.seen.append((self.path, self.headers.get("Range")))
        content = self.files[self.path]
        self.send_response(200)
        for name, value in self.fields.get(self.path, {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if half:
            self.wfile.write(content[: len(content) // 2])
        asked.set()
        go_on.wait(30)
        self.wfile.write(content[len(content) // 2 if half else 0 :])


@dataclass(frozen=True)
class Run:
    """A command as it is shown, and what came of it."""

    shown: str
    status: int
    text: str


@dataclass
class Bench:
    """One case's surroundings; a context manager."""

    path: Path
    store: Path = field(init=False)
    server: type[Handler] = field(init=False)
    environment: dict[str, str] = field(init=False)

    def __enter__(self) -> Bench:
        class Fresh(Held):
            files: ClassVar[dict[str, bytes]] = {}
            fields: ClassVar[dict[str, dict[str, str]]] = {}
            behave: ClassVar[list[Any]] = []
            seen: ClassVar[list[tuple[str, str | None]]] = []
            headers_seen: ClassVar[list[dict[str, str]]] = []

        self.server = Fresh
        self._listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
        self._listening.handle_error = _hung_up  # type: ignore[assignment, method-assign]
        threading.Thread(target=self._listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.store = self.path / "store"
        (self.path / "catalogue/datasets").mkdir(parents=True)
        kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        self.environment = {
            **kept, "LOADFLEET_CATALOGUE": str(self.path / "catalogue"), "LOADFLEET_STORE": str(self.store),
            "HOME": str(self.path), "NO_COLOR": "1", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null",
        }  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown()
        self._listening.server_close()

    def listen_too(self) -> http.server.ThreadingHTTPServer:
        """Another server with the same files; not started yet."""
        listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.server)
        listening.handle_error = _hung_up  # type: ignore[assignment, method-assign]
        return listening

    def hold(self, *, half: bool = False) -> tuple[threading.Event, threading.Event]:
        """Let the next answer wait, before its content or after a half: who asked is told, and who may go on."""
        asked, go_on = threading.Event(), threading.Event()
        self.server.behave.append((half, asked, go_on))
        return asked, go_on

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.server_port}"

    def serve(self, content: bytes, name: str = "photos.tar") -> dict[str, Any]:
        """Put a file on the server; the source that names it."""
        self.server.files[f"/{name}"] = content
        return {"type": "url", "url": f"{self.url}/{name}"}

    def write(self, content: bytes, name: str) -> Path:
        """Put a file into the case's folder."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def declare(
        self,
        *sources: dict[str, Any],
        content: bytes = PHOTOS,
        name: str = "photos",
        place: str = "photos.tar",
        **changes: Any,
    ) -> None:
        """Add a data set of one file."""
        file = {"name": place, "sha256": sha256(content), "size": len(content), "sources": list(sources)}
        self.catalogue(name, {"files": [{**file, **changes}]})

    def unpacking(self, archive: bytes, **parameters: Any) -> None:
        """Add a data set `photos` with an archive on the server, and `unpacked`, which is made of it."""
        self.declare(self.serve(archive), content=archive)
        build = {"entry_point": BUILD, "version": 1, "parameters": {"archive": "photos/photos.tar", **parameters}}
        requires = [{"kind": "dataset", "name": "photos"}]
        self.catalogue("unpacked", {"build": {**build, "requires": requires}, "files": [{"name": "1.jpg"}]})

    def catalogue(self, name: str, artifact: dict[str, Any]) -> Path:
        """Add a data set to the catalogue."""
        path = self.path / f"catalogue/datasets/{name}.yml"
        data = {"name": name, "title": name, "licence": "CC0-1.0", "artifact": artifact}
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return path

    def run(self, words: str, *, around: list[str] | None = None) -> Run:
        """Run `loadfleet WORDS`, in a wrapper that is not shown."""
        done = subprocess.run(
            [*(around or []), LOADFLEET, *words.split()], cwd=self.path, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        return Run(f"loadfleet {words}", done.returncode, done.stdout.strip())

    def ensure(self, words: str = "photos", *, around: list[str] | None = None) -> Run:
        """Run `loadfleet cache ensure dataset WORDS`."""
        return self.run(f"cache ensure dataset {words}", around=around)

    def start(self, words: str = "photos") -> subprocess.Popen[str]:
        """Begin `loadfleet cache ensure dataset WORDS`."""
        command = [LOADFLEET, "cache", "ensure", "dataset", *words.split()]
        return subprocess.Popen(
            command, cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def entry(self, name: str = "photos") -> Path:
        """The folder of a data set that is in the store."""
        return next((self.store / "artifacts/dataset").glob(f"{name}-*"))

    @property
    def shortened(self) -> dict[str, str]:
        """What the page shows instead of what differs from run to run."""
        return {str(self.store): "<store>", str(self.path): "<folder>", self.url: "http://data.example.org"}

    def short(self, text: str) -> str:
        for long, short in sorted(self.shortened.items(), key=lambda item: -len(item[0])):
            text = text.replace(long, short)
        return text

    def state(self) -> str:
        """What is in the store, in a sentence; every file is hashed.

        Raises:
            AssertionError: Something is there that is neither an entry nor the beginning of a download.
        """
        assert self.hidden() == []
        store = Store(self.store)
        entries = [
            f"{entry.kind} {entry.name} ({'damaged' if entry.problems() else 'good'})" for entry in store.entries()
        ]
        folders = list((self.store / "artifacts").glob("*/*"))
        assert len(folders) == len(entries), folders
        left = [f"{each.size:,} bytes of a download" for each in store.leftovers()]
        return "In the store: " + (", ".join([*entries, *left]) or "nothing") + "."

    def hidden(self) -> list[Path]:
        """What something unfinished would have left."""
        suffixes = {".part", ".origin"}
        downloads = [path for path in (self.store / "downloads").glob("*") if path.suffix not in suffixes]
        return [*(self.store / "artifacts").glob("*/.*"), *downloads]


def _hung_up(*_: object) -> None:
    """Clients hang up on purpose."""


def waiting(seconds: float = 20.0) -> Iterator[None]:
    """Turns of a loop that waits for something; fails when it takes too long."""
    import time  # noqa: PLC0415

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
    raise AssertionError("waited too long")
