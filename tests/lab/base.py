"""The root filesystem that all lab hosts share: a small Debian (or Ubuntu), made once and kept outside the work tree.

It is made by mmdebstrap from the package sources that this machine itself uses; no mirror is named anywhere. Hosts see
it read-only, below a layer of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = (
    "ca-certificates",
    "iproute2",
    "libfaketime",  # a host's clock, see Lab.clock
    "libstdc++6",  # what the role system_packages would install; hosts reach no package source
    "openssh-server",
    "procps",
    "python3",
    "python3-venv",
    "sudo",
)
USER = "bench"
USER_ID = 1000
# Manuals and translations are two fifths of the size.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")


class NotPossibleError(RuntimeError):
    """This machine cannot have a lab; the message says what is missing and what to do."""


def ensure() -> Path:
    """The root filesystem's folder; making it takes a minute or two, once per machine and list of packages.

    Raises:
        NotPossibleError: mmdebstrap is missing or fails.
    """
    release = _release()
    recipe = {"release": release, "packages": PACKAGES, "user": [USER, USER_ID], "version": 1}
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    folder = cache() / f"base-{key}"
    if folder.is_dir():
        return folder
    if shutil.which("mmdebstrap") is None:
        raise NotPossibleError(
            "the lab's hosts need a root filesystem, and mmdebstrap is not installed; "
            "fix: sudo apt-get install -y --no-install-recommends mmdebstrap"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            _bootstrap(fresh, release["VERSION_CODENAME"])
            _configure(fresh)
            fresh.rename(folder)
    return folder


def cache() -> Path:
    """Where root filesystems are kept: below XDG_CACHE_HOME, never in the work tree."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loadfleet-lab"


def _release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    found = {name: facts.get(name, "").strip('"') for name in ("ID", "VERSION_CODENAME")}
    if not all(found.values()):
        raise NotPossibleError("the lab's hosts are made from Debian's packages, and this machine runs no Debian")
    return found


def _sources() -> str:
    """This machine's package sources, in one of apt's two formats."""
    folder = Path("/etc/apt/sources.list.d")
    for found in (sorted(folder.glob("*.sources")), [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list"))]):
        text = "\n".join(path.read_text(encoding="utf-8") for path in found if path.is_file())
        if text.strip():
            return text
    raise NotPossibleError("apt has no package sources on this machine (/etc/apt/sources.list.d)")


def _bootstrap(folder: Path, codename: str) -> None:
    command = ["nice", "-n", "19", "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    done = subprocess.run(
        [*command, codename, str(folder), "-"], input=_sources(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise NotPossibleError(f"mmdebstrap could not make a root filesystem:\n{done.stderr.strip()[-2000:]}")


def _configure(root: Path) -> None:
    # '*' and not '!': sshd refuses keys of a locked account.
    account = ["useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "--uid", str(USER_ID), USER]
    subprocess.run(["chroot", str(root), *account], check=True)
    for name in ("hostname", "machine-id", "resolv.conf"):
        (root / "etc" / name).unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/resolv.conf").touch()
    # Hosts know no package source: what a role would install has to be there, or its refusal is what is tested.
    for path in [root / "etc/apt/sources.list", *(root / "etc/apt/sources.list.d").iterdir()]:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
