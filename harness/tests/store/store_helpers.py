"""A web server with manners to choose, and what the tests of the store share."""

from __future__ import annotations

import hashlib
import http.server
import re
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadfleet.store import Store

CONTENT = bytes(range(256)) * 20_000  # 5.12 MB: several reads


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `files` with the `fields` of each.

    `behave` lists what to do with the next requests: "die" half-way, "norange", "page", "long" (announces more than
    comes), "stale" (continues another version), or a status.
    """

    files: ClassVar[dict[str, bytes]] = {}
    fields: ClassVar[dict[str, dict[str, str]]] = {}
    behave: ClassVar[list[Any]] = []
    seen: ClassVar[list[tuple[str, str | None]]] = []
    headers_seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.seen.append((self.path, wanted))
        self.headers_seen.append(dict(self.headers))
        how = self.behave.pop(0) if self.behave else None
        if isinstance(how, int) or self.path not in self.files:
            self.send_error(how or 404)
            return
        content, start = self.files[self.path], 0
        fields = self.fields.get(self.path, {})
        changed = self.headers.get("If-Range", fields.get("ETag")) != fields.get("ETag")
        if how == "page":
            content, wanted, fields = b"<html><TITLE>Log\n in</TITLE></html>", None, {"Content-Type": "text/html"}
        if wanted and how != "norange" and (how == "stale" or not changed):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) - start + 1000 * (how == "long")))
        self.end_headers()
        body = content[start:]
        self.wfile.write(body[: len(body) // 2] if how == "die" else body)

    def log_message(self, *_: Any) -> None:
        pass


def visible(store: Store) -> list[str]:
    """Every folder of an entry, finished or not."""
    return sorted(str(path.relative_to(store.path)) for path in (store.path / "artifacts").glob("*/*"))


def copy_inputs(inputs: Mapping[str, Path], output: Path, _parameters: Mapping[str, Any]) -> None:
    """A build: the files of all required entries."""
    for folder in inputs.values():
        for path in folder.iterdir():
            if path.name != "entry.json":
                (output / path.name).write_bytes(path.read_bytes())
