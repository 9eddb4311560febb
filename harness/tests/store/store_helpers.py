"""A web server with manners to choose, and what the tests of the store share."""

from __future__ import annotations

import hashlib
import http.server
import re
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from loadfleet.store import Store

CONTENT = bytes(range(256)) * 20_000  # 5.12 MB: several reads


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `files`; `behave` lists what to do with the next requests: "die" half-way, "norange", or a status."""

    files: ClassVar[dict[str, bytes]] = {}
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
        if wanted and how != "norange":
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        self.wfile.write(body[: len(body) // 2] if how == "die" else body)

    def log_message(self, *_: Any) -> None:
        pass


def visible(store: Store) -> list[str]:
    """Every folder of an entry, finished or not."""
    return sorted(str(path.relative_to(store.path)) for path in (store.path / "artifacts").glob("*/*"))
