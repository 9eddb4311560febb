"""Where things are: the project's folder, a playbook in it, an inventory, a run's results."""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLLECTION = Path("ansible_collections") / "loadfleet" / "mlperf"
_SYSTEM_COLLECTIONS = Path("/usr/share/ansible/collections")


def find_project() -> Path:
    """The folder with `galaxy.yml` and `playbooks/`: the caller's folder or one above, else the installed collection.

    Raises:
        NotReadyError: There is none; the message names the places looked at.
    """
    places = list(_places())
    for place in places:
        if (place / "playbooks").is_dir() and ((place / "galaxy.yml").is_file() or (place / "MANIFEST.json").is_file()):
            return place
    raise NotReadyError(
        f"the playbooks were not found in {', '.join(str(place) for place in places)}",
        fix="Run it in a clone, install the collection with ansible-galaxy, or give the project's folder.",
    )


def _places() -> Iterator[Path]:
    here = Path.cwd()
    yield from (here, *here.parents)
    for folder in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder).expanduser() / _COLLECTION
    yield Path.home() / ".ansible" / "collections" / _COLLECTION
    yield _SYSTEM_COLLECTIONS / _COLLECTION
    yield from (Path(folder) / _COLLECTION for folder in sys.path if folder)


def find_playbook(project: Path, playbook: str | Path) -> Path:
    """Absolute path of a playbook given by path or by its name below `playbooks/`, with or without `.yml`.

    Raises:
        InputError: It does not exist; the message lists those that do.
    """
    given = Path(playbook)
    folders = (project / "playbooks", project, Path.cwd())
    for candidate in (given, given.with_name(f"{given.name}.yml")):
        for path in (folder / candidate for folder in folders):
            if path.is_file():
                return path.resolve()
    there = sorted(path.name for path in (project / "playbooks").glob("*.yml"))
    raise InputError(
        f"no playbook {str(playbook)!r} in {project / 'playbooks'} (there are: {', '.join(there) or 'none'})",
        fix="Give one of them, or a path.",
    )


def find_inventory(project: Path, inventory: str | Path) -> str:
    """An inventory as `-i` takes it: absolute path of a file or folder, or a host list with a comma.

    Raises:
        InputError: There is no such file or folder.
    """
    if "," in str(inventory):
        return str(inventory)
    for path in (Path.cwd() / inventory, project / inventory):
        if path.exists():
            return str(path.resolve())
    raise InputError(
        f"no inventory {str(inventory)!r} in {Path.cwd()} or {project}",
        fix="Give a file, a folder, or hosts with a comma such as `localhost,`.",
    )


def new_run_id(playbook: Path) -> str:
    """`YYYYMMDDTHHMMSSZ-<playbook>-<4 hex>`, in UTC."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{playbook.stem.lower()}-{secrets.token_hex(2)}"
