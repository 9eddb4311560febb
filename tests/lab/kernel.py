"""The few system calls that the lab needs and Python 3.11 does not offer."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
_PR_CAPBSET_DROP = 24

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by the flags for new ones (of NEWPID: the children to come)."""
    _check(_libc.unshare(flags), "unshare")


def enter(namespace: Path | str, flag: int) -> None:
    """Enter the namespace of a file such as /proc/1/ns/net."""
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(descriptor, flag), f"setns {namespace}")
    finally:
        os.close(descriptor)


def mount(source: Path | str, target: Path | str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    words = [str(word).encode() or None for word in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None), f"mount {kind} {target}")


def unmount(target: Path | str, flags: int = 0) -> None:
    """umount2(2)."""
    _check(_libc.umount2(str(target).encode(), flags), f"umount {target}")


def pivot_root(root: Path, old: str) -> None:
    """Make a mounted folder the root of this mount namespace; the former root stays at `old`, relative to it."""
    os.chdir(root)
    _check(_libc.pivot_root(b".", old.encode()), "pivot_root")


def drop_capabilities(numbers: tuple[int, ...]) -> None:
    """Let neither this process nor what it starts, root included, ever have these capabilities."""
    for number in numbers:
        _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl PR_CAPBSET_DROP")


def started(pid: int) -> str:
    """When a process began: with its number this names it for good, since numbers are used again.

    Raises:
        FileNotFoundError: There is no such process.
    """
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
