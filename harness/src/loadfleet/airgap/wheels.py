"""The wheels of lock files for a Python and a platform, brought by pip from where the machine's configuration says."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet.airgap import project as projects
from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# glibc versions that had a name of their own before PEP 600
_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MANYLINUX = re.compile(r"manylinux_2_(\d+)_(\w+)")
_HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
_QUIET = ("--no-input", "--quiet", "--progress-bar=off", "--disable-pip-version-check")


@dataclass(frozen=True)
class Target:
    """A Python that wheels are wanted for.

    Attributes:
        python: Major and minor version, `3.11`.
        platforms: Platform tags, any of which will do; empty for this machine's.
    """

    python: str
    platforms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"3\.\d+", self.python):
            raise InputError(f"--python is {self.python!r}", fix="give major and minor version, e.g. --python 3.11")

    @property
    def options(self) -> list[str]:
        """What pip must be told; nothing for the Python that runs this."""
        if self.python == _HERE and not self.platforms:
            return []
        words = ["--implementation", "cp", "--python-version", self.python]
        for tag in dict.fromkeys(name for given in self.platforms for name in compatible(given)):
            words += ["--platform", tag]
        return words

    def environment(self) -> dict[str, str]:
        """Values of the markers in a lock file (PEP 508)."""
        machine = self.platforms[0].split("_", 3)[-1] if self.platforms else platform.machine()
        if self.platforms and not _MANYLINUX.fullmatch(self.platforms[0]):
            machine = self.platforms[0].partition("_")[2]
        return {
            "python_version": self.python,
            # the newest bug fix release there can be: locks ask for minor versions
            "python_full_version": f"{self.python}.99",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.99",
            "platform_python_implementation": "CPython",
            "platform_machine": machine,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
            "extra": "",
        }


def compatible(tag: str) -> list[str]:
    """A platform tag and those of older systems whose wheels it can use (PEP 600: glibc is upwards compatible)."""
    match = _MANYLINUX.fullmatch(tag)
    if match is None:
        return [tag]
    machine = match.group(2)
    tags = []
    for minor in range(int(match.group(1)), 4, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in _ALIASES:
            tags.append(f"{_ALIASES[minor]}_{machine}")
    return [*tags, f"linux_{machine}"]


def locks(project: Path, backend: str) -> list[Path]:
    """The lock files of the controller and of a host with that backend.

    Raises:
        InputError: There is none for the backend.
    """
    roles = project / "roles"
    known = sorted(path.stem for path in (roles / "backend/files").glob("*.lock"))
    if backend not in known:
        raise InputError(
            f"there is no lock file for the backend {backend!r}", fix=f"use one of: {', '.join(known) or 'none'}"
        )
    return [
        project / "requirements.lock",
        roles / "harness/files/requirements.lock",
        roles / "loadgen/files/requirements.lock",
        roles / f"backend/files/{backend}.lock",
    ]


def pins(lock: Path, environment: dict[str, str]) -> dict[tuple[str, str], str]:
    """The packages of a lock file that an environment installs: name and version -> requirement with its hashes.

    Raises:
        InputError: A line is not a pinned requirement.
    """
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    found: dict[tuple[str, str], str] = {}
    text = re.sub(r"\\\n", " ", lock.read_text(encoding="utf-8"))
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        head, *hashes = re.split(r"\s+--hash=", line.strip())
        try:
            requirement = Requirement(head)
            (version,) = re.findall(r"^==([^*]+)$", str(requirement.specifier))
        except (InvalidRequirement, ValueError):
            raise InputError(f"{lock}: {head!r} is not a pinned requirement", fix="run `make lock`") from None
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pinned = f"{requirement.name}=={version}"
            found[canonicalize_name(requirement.name), version] = " ".join([pinned, *(f"--hash={h}" for h in hashes)])
    return found


def download(lock_files: Sequence[Path], target: Target, folder: Path) -> None:
    """Bring the wheels of lock files into a folder, each verified against its lock.

    Raises:
        NotReadyError: pip is missing or cannot bring one; its last error.
    """
    environment = target.environment()
    wanted: dict[tuple[str, str], str] = {}
    for lock in lock_files:
        wanted |= pins(lock, environment)
    for batch in _batches(wanted):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as requirements:
            requirements.write("".join(f"{line}\n" for line in batch))
            requirements.flush()
            command = ["download", "--no-deps", "--require-hashes", "--only-binary=:all:", *target.options]
            what = f"the wheels for Python {target.python} {' '.join(target.platforms)}".rstrip()
            _pip([*command, "--dest", str(folder), "--requirement", requirements.name], what)


def other(lock: Path, version: str, beside: Path, target: Target, folder: Path) -> None:
    """Bring the wheels of another version of the package that a lock file is for, and of what that version needs.

    Args:
        lock: The lock file; its own version is brought by `download`.
        version: A version or constraints (PEP 440), as `backend_version` and `loadgen_version` take them.
        beside: Lock file of what is installed into the same environment: its versions hold.
        target: The Python that wheels are wanted for.
        folder: Where to.

    Raises:
        InputError: It is neither a version nor a constraint.
        NotReadyError: pip cannot bring one; its last error.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

    try:
        wanted = SpecifierSet(f"=={version}" if version[:1].isalnum() else version)
    except InvalidSpecifier:
        raise InputError(
            f"{version!r} is no version and no constraint", fix="write it as 1.20.1, or as >=1.20,<1.22"
        ) from None
    held = [line.split()[0] for line in pins(beside, target.environment()).values()]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        constraints.write("".join(f"{line}\n" for line in held))
        constraints.flush()
        command = ["download", "--only-binary=:all:", *target.options, "--constraint", constraints.name]
        package = _own(lock)
        _pip([*command, "--dest", str(folder), f"{package}{wanted}"], f"{package} {version} and what it needs")


def _own(lock: Path) -> str:
    """The package that a lock file is for: what was asked for directly, and is called like the file if several were."""
    text = lock.read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==(?:(?!^[A-Za-z0-9]).*\n)*? *#(?: via|  ) -r ", text, re.MULTILINE)
    alike = [name for name in found if name in lock.stem] or found
    if not alike:
        raise InputError(f"{lock} names no package of its own", fix="run `make lock`")
    return str(alike[0])


def _batches(wanted: dict[tuple[str, str], str]) -> Iterable[list[str]]:
    """Requirements in as few lists as hold no package twice: locks may differ in a version, which pip refuses."""
    batches: list[dict[str, str]] = []
    for (name, _version), line in sorted(wanted.items()):
        place = next((batch for batch in batches if name not in batch), None)
        if place is None:
            batches.append(place := {})
        place[name] = line
    return [list(batch.values()) for batch in batches]


def build_harness(project: Path, folder: Path) -> None:
    """Build the harness's own wheel from a clone.

    Raises:
        NotReadyError: pip or the build backend fails; its last error.
    """
    with tempfile.TemporaryDirectory() as place:
        for name in projects.paths(project):
            if name.startswith("harness/") and not name.startswith("harness/tests/"):
                copy = Path(place) / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(project / name, copy)
        here = ["--no-build-isolation"] if _has_backend() else []
        _pip(["wheel", "--no-deps", *here, "--wheel-dir", str(folder), f"{place}/harness"], "the harness's wheel")


def _has_backend() -> bool:
    import importlib.util  # noqa: PLC0415

    return importlib.util.find_spec("hatchling") is not None


def _pip(words: Sequence[str], what: str) -> None:
    command = [sys.executable, "-m", "pip", words[0], *_QUIET, *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["it said nothing"]
        raise NotReadyError(
            f"pip cannot bring {what}: " + " / ".join(each.removeprefix("ERROR:").strip() for each in errors[-2:]),
            fix="see pip's configuration (`pip config list`); for another platform name its tag with --platform, "
            "e.g. manylinux_2_28_x86_64",
        )
