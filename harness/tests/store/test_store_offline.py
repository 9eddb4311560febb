"""Offline means offline: a process that ends at the first socket or program that is not allowed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from store_helpers import CONTENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import Store

GUARD = """
import os, sys
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind")
def guard(event, arguments):
    if event in NETWORK or event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"):
        os.write(2, f"FORBIDDEN {event} {arguments}".encode())
        os._exit(99)
sys.addaudithook(guard)
from loadfleet.cli import main
main()
"""
EVERYWHERE = (
    {"type": "url", "url": "http://127.0.0.1:9/data.bin"},
    {"type": "url", "url": "https://data.example.org/a.tar", "sha256": "0" * 64, "member": "m"},
    {"type": "package", "package": "p", "version": "1", "sha256": "0" * 64, "member": "m"},
    {"type": "npm", "package": "p", "version": "1", "sha256": "0" * 64},
    {"type": "debian", "package": "pp", "version": "1", "sha256": "0" * 64, "member": "m"},
    {"type": "operator", "hint": "somewhere"},
)


def guarded(store: Store, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", GUARD, "cache", "ensure", "dataset", "one", "--store", str(store.path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_offline_opens_no_socket_and_starts_no_client(
    store: Store, one_file: Callable[..., None], tmp_path: Path
) -> None:
    one_file(*EVERYWHERE)
    online = guarded(store)
    assert (online.returncode, "FORBIDDEN socket." in online.stderr) == (99, True), "the guard guards"
    done = guarded(store, "--offline", "--mirror", "http://127.0.0.1:9/mirror")
    assert done.returncode == 3, done.stderr
    answers = done.stderr[done.stderr.index("no source has") :]
    assert answers.count("not asked: offline") == 6
    assert "you have to supply it: somewhere" in answers
    assert "leave out artifact_offline (`--offline`)" in answers
    (tmp_path / "given").write_bytes(CONTENT)
    done = guarded(store, "--offline", "--supplied", f"one={tmp_path}/given")
    assert done.returncode == 0, done.stderr
