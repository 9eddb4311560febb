"""One host of the lab, from inside: builds its root, waits for its cable, becomes its sshd.

Nothing of the machine is bound into it: devices are made anew, and the root filesystem is an overlay.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab import kernel

if TYPE_CHECKING:
    from pathlib import Path

# The kernel is everybody's. Without these not even root of a host changes the machine: MKNOD (raw disks), SYS_MODULE,
# SYS_RAWIO, SYS_ADMIN (mounts), SYS_TIME, SYSLOG, MAC_OVERRIDE, MAC_ADMIN.
FORBIDDEN = (27, 16, 17, 21, 25, 34, 32, 33)
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Disk:
    """Where a host's root filesystem comes from and where it is mounted."""

    base: Path
    folder: Path  # holds upper/, work/ and root/

    @property
    def upper(self) -> Path:
        return self.folder / "upper"


def boot(name: str, disk: Disk, address: str, gateway: str, cable: int) -> None:
    """Run as PID 1 of a new PID namespace, in new network, UTS and IPC namespaces; does not return.

    Args:
        name: Host name.
        disk: Its root filesystem.
        address: IPv4 address, of a /15.
        gateway: Where the default route leads: nowhere, but facts on the default interface need one.
        cable: File descriptor that ends when eth0 has been plugged in.
    """
    kernel.unshare(kernel.NEWNS)  # here and not in the parent: pivot_root moves every process of a mount namespace
    root = disk.folder / "root"
    layers = f"lowerdir={disk.base},upperdir={disk.upper},workdir={disk.folder / 'work'}"
    kernel.mount("overlay", root, "overlay", 0, layers)
    _kernel_filesystems(root)
    _devices(root / "dev")
    kernel.pivot_root(root, "mnt")
    kernel.unmount("/mnt", kernel.MNT_DETACH)
    os.chdir("/")
    socket.sethostname(name)
    os.read(cable, 1)
    lines = (
        "link set lo up",
        "link set eth0 up",
        f"addr add {address}/15 dev eth0",
        f"route add default via {gateway}",
    )
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
    kernel.drop_capabilities(FORBIDDEN)
    os.execve("/usr/sbin/sshd", ("/usr/sbin/sshd", "-D", "-e"), {"PATH": PATH})  # noqa: S606


def _kernel_filesystems(root: Path) -> None:
    kernel.mount("proc", root / "proc", "proc")
    kernel.mount(root / "proc/sys", root / "proc/sys", "", kernel.MS_BIND)
    kernel.mount("none", root / "proc/sys", "", kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)
    kernel.mount("sysfs", root / "sys", "sysfs", kernel.MS_RDONLY)
    kernel.mount("tmpfs", root / "run", "tmpfs", 0, "mode=755")
    (root / "run/sshd").mkdir(mode=0o755)
    # The kernel's own says when the machine was booted; a host that was started again has another one.
    boot_id = root / "run/boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n", encoding="utf-8")
    kernel.mount(boot_id, root / "proc/sys/kernel/random/boot_id", "", kernel.MS_BIND)


def _devices(dev: Path) -> None:
    kernel.mount("tmpfs", dev, "tmpfs", 0, "mode=755")
    os.umask(0)
    for name, (major, minor) in DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    os.umask(0o022)
    for name, target in LINKS.items():
        (dev / name).symlink_to(target)
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620,gid=5"),
        ("shm", "tmpfs", "mode=1777"),
    ):
        (dev / name).mkdir()
        kernel.mount(kind, dev / name, kind, 0, options)
