#!/usr/bin/env python3
"""Applies the bundle this file came in, on a machine that has Python 3.11 or newer and nothing else.

tar -xf BUNDLE.tar apply.py
python3 apply.py BUNDLE.tar [--target DIR] [--store DIR] [--clone DIR]

Takes the harness and the two packages it needs for this out of the bundle into a temporary folder, compares their
digests with the bundle's manifest, and calls `loadfleet bundle apply`, which verifies everything.
"""

# Only the standard library, and nothing that Python 3.7 cannot parse: older ones shall be told what is missing.
from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from typing import Any

NEEDED = ("loadfleet", "click", "pyyaml")
CHUNK = 1 << 20


def main(words: list[str]) -> int:
    """Unpack the command and call it; its exit status."""
    if not words or words[0].startswith("-"):
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036  whoever calls this may have any
        print("apply.py: Loadfleet needs Python 3.11 or newer; fix: call this with a newer one", file=sys.stderr)
        return 3
    try:
        with tempfile.TemporaryDirectory(prefix="loadfleet-apply-") as folder:
            unpack(words[0], folder)
            command = [sys.executable, "-m", "loadfleet", "bundle", "apply", *words]
            return subprocess.run(command, env=dict(os.environ, PYTHONPATH=folder), check=False).returncode
    except (OSError, ValueError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        print(f"apply.py: {words[0]} cannot be read: {error}", file=sys.stderr)
        print("  fix: copy the bundle again from where it was made, and compare its sha256sum", file=sys.stderr)
        return 2


def unpack(bundle: str, folder: str) -> None:
    """Unpack the wheels that applying needs.

    Raises:
        ValueError: Something is missing or not what the manifest says.
    """
    with tarfile.open(bundle, "r:") as tar:
        manifest = tar.extractfile("manifest.json")
        if manifest is None:
            raise ValueError("it has no manifest")
        for item in choose(json.loads(manifest.read())["files"]):
            content = tar.extractfile(item["path"])
            with tempfile.TemporaryFile() as wheel:
                digest = hashlib.sha256()
                while content is not None:
                    piece = content.read(CHUNK)
                    if not piece:
                        break
                    digest.update(piece)
                    wheel.write(piece)
                if digest.hexdigest() != item["sha256"]:
                    raise ValueError(f"{item['path']} is not what the manifest says")
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(folder)  # noqa: S202  zipfile keeps members inside


def choose(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One wheel for each needed package, preferably one for this Python: the others work too, only slower."""
    chosen = []
    for name in NEEDED:
        found = [item for item in items if re.match(rf"wheelhouse/{name}-\d.*\.whl$", item["path"], re.IGNORECASE)]
        if not found:
            raise ValueError(f"it has no wheel of {name}")
        tag = f"-cp{sys.version_info[0]}{sys.version_info[1]}-"
        chosen.append(next((item for item in found if tag in item["path"]), found[0]))
    return chosen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
