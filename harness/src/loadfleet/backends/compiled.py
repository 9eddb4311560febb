"""What a backend made of a model for this kind of machine, kept in the store so that it is made once.

`<folder>/<backend>/<model>-<digest12>/`: the digest is of everything that what is kept depends on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.backends import capabilities
from loadfleet.store.guards import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadfleet.backends.base import ModelFile

_MADE = "made.json"


def place(cache: Path, backend: str, model: ModelFile, **depends: Any) -> Path:
    """The folder of a model as one backend would keep it.

    Args:
        cache: Folder of all that is kept.
        backend: Name of the backend.
        model: What was compiled.
        depends: Versions and options that change the outcome; the model's digest and the processor are added.
    """
    stat = model.path.stat()
    content = model.digest or [str(model.path), stat.st_mtime_ns]
    identity = [content, stat.st_size, capabilities.fingerprint(), sorted(depends.items())]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return cache / backend / f"{model.path.parent.name}-{digest}"


def find(folder: Path) -> dict[str, Any] | None:
    """What `make` noted beside a kept file; None when there is none, or its files are not as they were left."""
    try:
        made: dict[str, Any] = json.loads((folder / _MADE).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in made["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return made if whole else None


def make(folder: Path, write: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    """Keep what `write` puts into an empty folder, all at once or not at all; what another process made counts.

    Returns:
        What `write` returned, and the sizes of its files.

    Raises:
        OSError: The store cannot be written; nothing is kept.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.parent / f".{folder.name}.lock", lambda: None):
        if made := find(folder):
            return made
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            staging.chmod(0o755)  # for whoever shares the store
            notes = write(staging)
            sizes = {path.name: path.stat().st_size for path in sorted(staging.iterdir())}
            made = {**notes, "files": sizes}
            (staging / _MADE).write_text(json.dumps(made, indent=2), encoding="utf-8")
            discard(folder)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return made


def discard(folder: Path) -> None:
    """Forget what was kept."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
