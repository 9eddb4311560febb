# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Wheels for a host, resolved from a lock file on the controller. Private to this collection."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from typing import Any, Dict, List

# PEP 508's names, and the C library; asked of the interpreter that will install.
FACTS = (
    "import json, os, platform, sys; v = sys.implementation.version; print(json.dumps({"
    "'implementation_name': sys.implementation.name, 'implementation_version': '%d.%d.%d' % v[:3], 'os_name': os.name,"
    "'platform_machine': platform.machine(), 'platform_release': platform.release(),"
    "'platform_system': platform.system(), 'platform_version': platform.version(),"
    "'python_full_version': platform.python_version(),"
    "'platform_python_implementation': platform.python_implementation(),"
    "'python_version': '%d.%d' % sys.version_info[:2], 'sys_platform': sys.platform, 'libc': platform.libc_ver()}))"
)
# What a package and its hashes are in a lock file, once continued lines are joined.
_PINNED = re.compile(r"(?P<package>[^\s;]+)\s*(?:;\s*(?P<marker>.*?))?\s+(?P<hashes>--hash=.*)$")
# PEP 513, 571 and 599: names from before a tag told the version of glibc.
_FORMER = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class WheelsError(Exception):
    """The lock file or the host's Python cannot be served."""


def applicable(lock: str, facts: Dict[str, Any]) -> str:
    """The packages of a lock file that its markers want for an interpreter, one a line with their hashes.

    Raises:
        WheelsError: A line is no package with hashes.
    """
    # On the controller, where Ansible itself needs it; hosts have none.
    from packaging.markers import Marker  # noqa: PLC0415

    kept = []
    for line in lock.replace("\\\n", " ").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not text:
            continue
        match = _PINNED.match(text)
        if match is None:
            raise WheelsError("%r is not a package with hashes" % text[:80])
        if match.group("marker") and not Marker(match.group("marker")).evaluate(dict(facts, extra="")):
            continue
        kept.append("%s %s" % (match.group("package"), " ".join(match.group("hashes").split())))
    return "".join(line + "\n" for line in kept)


def platforms(facts: Dict[str, Any]) -> List[str]:
    """The platform tags whose wheels a host can use, best first (PEP 600 and 656).

    Raises:
        WheelsError: It does not run Linux.
    """
    if facts["sys_platform"] != "linux":
        raise WheelsError("wheels are brought to hosts with Linux only, not %s" % facts["sys_platform"])
    machine = facts["platform_machine"]
    libc, version = facts["libc"]
    if libc != "glibc":
        return ["musllinux_1_%d_%s" % (minor, machine) for minor in (2, 1, 0)] + ["linux_" + machine]
    tags = []
    for minor in range(int(version.split(".")[1]), 4, -1):
        tags.append("manylinux_2_%d_%s" % (minor, machine))
        if minor in _FORMER:
            tags.append("%s_%s" % (_FORMER[minor], machine))
    return [*tags, "linux_" + machine]


def pip_arguments(facts: Dict[str, Any]) -> List[str]:
    """What tells `pip download` of which host it shall think."""
    implementation = {"cpython": "cp", "pypy": "pp"}.get(facts["implementation_name"], "py")
    words = ["--only-binary=:all:", "--python-version", facts["python_version"], "--implementation", implementation]
    for platform in platforms(facts):
        words += ["--platform", platform]
    return words


def pack(folder: str, archive: str) -> None:
    """Put a folder's wheels into one archive; not compressed, since wheels are."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(os.path.join(folder, name), arcname=name, recursive=False)


def unpack(archive: str, folder: str) -> None:
    """Unpack an archive made by `pack`. What is in the wheels is verified by their hashes in the lock file.

    Raises:
        WheelsError: A member is not a wheel.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is None or not re.match(r"[\w.+!-]+\.whl\Z", member.name):
                raise WheelsError("the archive of wheels holds %r" % member.name)
            with open(os.path.join(folder, member.name), "xb") as out:
                shutil.copyfileobj(stream, out)
