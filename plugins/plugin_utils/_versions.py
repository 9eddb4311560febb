# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Lock files for other versions of a package than the shipped one. Private to this collection.

A version or a constraint (PEP 440) is resolved once, on the controller, into a lock file with a hash for every package;
the answer is kept by what was asked, so that the same request means the same packages for every host and every day.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import locked, sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.specifiers import SpecifierSet

CACHE = "~/.cache/loadfleet/locks"
PATIENCE_S = 600
# The oldest Python that environments are made with; a lock file serves all from it on.
PYTHON = "3.11"
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)", re.MULTILINE)
_RESOLVER = os.path.join(os.path.dirname(__file__), "../../roles/python_venv/files/resolver.lock")
# What pip is configured with, in uv's words.
_OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}


class VersionError(Exception):
    """A version that cannot be had, in words, with the fix."""


def constraint(value: object) -> SpecifierSet:
    """What a user wrote: a version, or comma-separated constraints.

    Raises:
        VersionError: It is neither.
    """
    # ansible-core brings it; what only looks at this file does without.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

    if not isinstance(value, str):
        words = "is a number, which cannot tell 1.2 from 1.20; fix: put it in quotes, or use -e NAME=%s" % value
        raise VersionError(words)
    text = value.strip()
    try:
        found = SpecifierSet("==" + text if text[:1].isalnum() else text)
    except InvalidSpecifier:
        found = SpecifierSet()
    if not len(found):
        raise VersionError(
            "is no version and no constraint; fix: write a version as 1.20.1 or 1.20.*, or constraints as >=1.20,<1.22"
        )
    return found


def main_package(lock: str) -> tuple[str, list[str]]:
    """The package that a lock file is for, and the versions it names: the one that was asked for directly.

    Raises:
        VersionError: Several were, and none is called like the file.
    """
    text = _read(lock)
    pins = list(_PINNED.finditer(text))
    direct = []
    for match, after in zip(pins, [*(one.start() for one in pins[1:]), len(text)], strict=True):
        if re.search(r"^ *#(?: via|  ) -r ", text[match.end() : after], re.MULTILINE):
            direct.append(match.group("name"))
    stem = os.path.splitext(os.path.basename(lock))[0]
    alike = [name for name in direct if name == stem] or [name for name in direct if name in stem] or direct
    if len(set(alike)) != 1:
        words = "could be of %s, which %s names; fix: name the backend that is meant in benchmark_backend"
        raise VersionError(words % (" or ".join(sorted(set(alike))) or "no package", lock))
    return alike[0], [match.group("version") for match in pins if match.group("name") == alike[0]]


def resolved(lock: str, version: object, constraints: Sequence[str] = (), cache: str = CACHE) -> str:
    """The lock file to use for a version.

    Args:
        lock: The shipped lock file. Used as it is when nothing is asked, or when its own version fits; else its other
            packages stay as they are wherever the wanted version allows.
        version: A version or constraints; empty for the lock's own.
        constraints: Lock files of what is installed into the same environment, whose versions hold.
        cache: Folder on the controller where resolved lock files are kept by what was asked.

    Raises:
        VersionError: There is no such version, it does not go with the others, or nothing can resolve it.
    """
    if version is None or version == "":
        return lock
    lock = os.path.expanduser(lock)
    wanted = constraint(version)
    package, pinned = main_package(lock)
    if all(wanted.contains(one, prereleases=True) for one in pinned):
        return lock
    asked = [package, str(wanted), sha256(lock), *(sha256(os.path.expanduser(one)) for one in constraints), PYTHON]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    folder = os.path.join(os.path.expanduser(cache), "%s-%s" % (package, key))
    path = os.path.join(folder, os.path.basename(lock))
    if os.path.exists(path):
        return path
    # Private, since what lies there gets installed.
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with locked(os.path.join(folder, ".lock"), PATIENCE_S):
        if not os.path.exists(path):
            _resolve(package, str(wanted), lock, constraints, folder, path)
    return path


def _resolve(package: str, wanted: str, lock: str, constraints: Sequence[str], folder: str, path: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as place:
        asked, answer = os.path.join(place, "asked.in"), os.path.join(place, "answer.lock")
        with open(asked, "w", encoding="utf-8") as stream:
            stream.write(package + wanted + "\n")
        # A lock file that is there is what uv prefers to stay with.
        shutil.copyfile(lock, answer)
        options, environment = _sources()
        command = [*_uv(), "pip", "compile", "--quiet", "--no-config"]
        # The wheels that a site without a network has are those for its own Python.
        here = "--no-index" in options
        command += (
            ["--python-version", "%d.%d" % sys.version_info[:2]]
            if here
            else ["--universal", "--python-version", PYTHON]
        )
        command += ["--generate-hashes", "--no-annotate", "--no-header", "--only-binary", ":all:", *options]
        for one in constraints:
            command += ["--constraints", os.path.expanduser(one)]
        done = subprocess.run(
            [*command, "--output-file", answer, asked],
            capture_output=True, text=True, check=False, timeout=PATIENCE_S, env={**os.environ, **environment},
        )  # fmt: skip
        if done.returncode != 0:
            raise VersionError(_reason(package, wanted, done.stderr or done.stdout))
        with open(answer, encoding="utf-8") as stream:
            text = stream.read()
        with open(answer, "w", encoding="utf-8") as stream:
            stream.write("# %s%s, resolved on the controller.\n%s" % (package, wanted, text))
        os.replace(answer, path)


def _reason(package: str, wanted: str, output: str) -> str:
    lines = (re.sub(r"^\W*(error|cause|hint)?\W*", "", line).strip() for line in output.splitlines())
    text = re.sub(r"^No solution found.*?(?=Because)| While the active Python version.*", "", " ".join(lines))
    if re.search(r"there (is|are) no versions? of|are available|not found in the package registry", text):
        what, fix = "no version of %s fits %s" % (package, wanted), "choose one of `pip index versions %s`" % package
    elif re.search(r"unsatisfiable|cannot be used", text):
        what, fix = "%s%s does not go with the harness's packages" % (package, wanted), "choose a version that does"
    else:
        what, fix = "%s%s could not be resolved" % (package, wanted), "see the package source in `pip config list`"
    return "cannot be had: %s (%s); fix: %s" % (what, text[-600:] or "the resolver said nothing", fix)


def _sources() -> tuple[list[str], dict[str, str]]:
    """Options and environment that let uv look where this machine's pip looks."""
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS")):
        return [], {}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, timeout=60
    )
    settings: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, value = line.split("=", 1) if "=" in line else (line, "")
        scope, key = name.rsplit(".", 1) if "." in name else ("", name)
        # The environment is listed first and wins.
        if scope in (":env:", "global", "install", "download") and key not in settings:
            settings[key] = value.strip("'\"")
    words = ["--index-strategy", "unsafe-best-match"]
    for key, option in _OPTIONS.items():
        # pip's lists are separated by blanks, or by lines that it shows as \n.
        for one in settings.get(key, "").replace("\\n", " ").split():
            words += [option, one]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        words.append("--no-index")
    return words, {"SSL_CERT_FILE": settings["cert"]} if settings.get("cert") else {}


def _uv() -> list[str]:
    """The resolver: the machine's own uv, else one in an environment of its own, made when it is first needed."""
    found = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    if found:
        return [found]
    lock = os.path.realpath(_RESOLVER)
    folder = os.path.expanduser("~/.cache/loadfleet/venvs/resolver-%s" % sha256(lock)[:12])
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    command = os.path.join(folder, "bin", "uv")
    with locked(folder + ".lock", PATIENCE_S):
        if not os.path.exists(command):
            python = os.path.join(folder, "bin", "python")
            install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", lock]
            for step in ([sys.executable, "-m", "venv", "--clear", folder], install):
                done = subprocess.run(step, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
                if done.returncode != 0:
                    said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
                    raise VersionError(
                        "cannot be resolved: the controller has no uv, and `%s` said %s; fix: install uv there"
                        % (shlex.join(step[:4]), said[0])
                    )
    return [command]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise VersionError("cannot be looked up: lock file %s: %s" % (path, error.strerror)) from None
