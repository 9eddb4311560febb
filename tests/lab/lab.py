"""A lab: several hosts on this machine, reached over real SSH, for tests and for trying things out by hand.

Each host has a network, PID, mount, UTS and IPC namespace of its own, a root filesystem (a layer in memory over one
shared Debian), an address, a host key and an sshd. Their network has no uplink: what is not on a host has to be brought
there over SSH. All of it hangs on one process (see anchor.py) and is gone with it; nothing but the folder of the lab is
visible to the machine, and `down` removes that.

What it is not: hosts share the kernel, so CPU, memory, sysctls and kernel are the machine's; there is no systemd.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.lab import base, kernel
from tests.lab.anchor import address, end_sessions
from tests.lab.base import USER, NotPossibleError

__all__ = ["ROOT", "Lab", "LabError", "NotPossibleError", "end_sessions", "require"]
ROOT = Path(__file__).resolve().parents[2]
# Unix sockets have paths of at most 108 bytes; ssh puts up to 60 of its own behind the folder `cp`.
LONGEST_FOLDER = 45
TOOLS = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}


class LabError(RuntimeError):
    """The lab refused something, or has ended."""


def require() -> Path:
    """The base filesystem, when this machine can have a lab.

    Raises:
        NotPossibleError: It cannot; says what to do.
    """
    if os.geteuid() != 0:
        raise NotPossibleError("a lab makes namespaces and mounts, which needs root; fix: run it as root (sudo)")
    if sys.platform != "linux":
        raise NotPossibleError("a lab is made of Linux namespaces; fix: run it on Linux")
    missing = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if missing:
        raise NotPossibleError(
            f"the lab needs {', '.join(sorted(missing))}; fix: sudo apt-get install -y {' '.join(sorted(missing))}"
        )
    return base.ensure()


class Lab:
    """A lab on this machine; another process can take hold of it by its folder.

    Args:
        folder: Of the lab. Must be short, see LONGEST_FOLDER.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def up(cls, folder: Path, hosts: int | list[str] = 3, *, owner: int | None = None, sudo: bool = False) -> Lab:
        """Start a lab and return when every host's sshd answers.

        Args:
            folder: A new folder for it.
            hosts: Their names, or how many: sut1, sut2, ...
            owner: Process whose end ends the lab, however it ends; None for a lab that stays until `down`.
            sudo: Whether the login user may become root without a password. By default it is an ordinary user.

        Raises:
            NotPossibleError: This machine cannot have one.
            LabError: It did not come up.
        """
        rootfs = require()
        lab = cls(folder)
        if len(str(folder)) > LONGEST_FOLDER:
            raise LabError(f"{folder} is longer than {LONGEST_FOLDER} characters, too long for ssh's sockets in it")
        if lab.is_up():
            raise LabError(f"there is a lab in {folder} already")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        for name in ("cp", "fs", "log"):
            (folder / name).mkdir(mode=0o700)
        names = [f"sut{number}" for number in range(1, hosts + 1)] if isinstance(hosts, int) else hosts
        state: dict[str, Any] = {"base": str(rootfs), "hosts": names, "sudo": sudo}
        lab._write("lab.json", state)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(folder / "key")]
        subprocess.run(keygen, check=True)
        command = [sys.executable, "-m", "tests.lab.anchor", str(folder), *([str(owner)] if owner else [])]
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            start_new_session=True,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(folder)
            raise LabError(f"the lab did not come up: {done.stderr.strip()}")
        state |= json.loads(done.stdout)
        lab._write("lab.json", state)
        lab._write("hosts.yml", lab._inventory(state))  # JSON is YAML
        (folder / "group_vars").symlink_to(ROOT / "inventory/group_vars")
        return lab

    def down(self) -> None:
        """End everything at once and remove the folder. A lab that has ended already is no error."""
        if self.is_up():
            end_sessions(self.folder)
            with contextlib.suppress(ProcessLookupError):
                anchor = os.pidfd_open(self.anchor)
                signal.pidfd_send_signal(anchor, signal.SIGKILL)
                select.select([anchor], [], [], 30)
                os.close(anchor)
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_up(self) -> bool:
        """Whether its anchor lives."""
        try:
            state = self._state()
            return kernel.started(int(state["anchor"])) == str(state["started"])
        except (OSError, KeyError):
            return False

    @property
    def anchor(self) -> int:
        """Number of the process that the lab hangs on."""
        return int(self._state()["anchor"])

    @property
    def hosts(self) -> list[str]:
        """Names of all hosts."""
        return list(self._state()["hosts"])

    @property
    def running(self) -> list[str]:
        """Names of the hosts that are up."""
        return list(self._ask("state")["up"])

    @property
    def inventory(self) -> Path:
        """For `ansible-playbook -i`: group sut, with the repository's group_vars."""
        return self.folder / "hosts.yml"

    def start(self, *names: str) -> None:
        """Boot hosts that are down, with the disks they had."""
        self._ask("start", names=names)

    def kill(self, name: str) -> None:
        """Cut a host's power. Its disk stays as it was, unsynced writes included, which a real one would lose."""
        self._ask("kill", name=name)

    def unplug(self, name: str) -> None:
        """Pull a host's network cable."""
        self._ask("link", name=name, up=False)

    def plug(self, name: str) -> None:
        """Plug a host's network cable in again."""
        self._ask("link", name=name, up=True)

    def slow(self, name: str, kbit: int | None) -> None:
        """Limit a host's network to so many kbit/s in each direction; None for no limit."""
        self._ask("rate", name=name, kbit=kbit)

    def delay(self, name: str, milliseconds: float) -> None:
        """Hold a host's frames for so long in each direction, so that a round trip takes twice that; 0 for no delay."""
        self._ask("delay", name=name, milliseconds=milliseconds)

    def small_disk(self, name: str, path: str, size: int, *, readonly: bool = False) -> None:
        """Put an empty disk of so many bytes, the login user's, on a folder of a host; 0 takes it away."""
        self._ask("disk", name=name, path=path, size=size, readonly=readonly)

    def show(self, name: str, path: str, text: str) -> None:
        """Let a host read this text in the place of a file, such as /proc/meminfo; none shows the file again."""
        self._ask("show", name=name, path=path, text=text)

    def clock(self, name: str, seconds: float) -> None:
        """Shift a host's clock, as the login user's sessions see it that begin from now on; 0 puts it right.

        Hosts share the kernel's clock, and a time namespace shifts only the monotonic clocks. So this is libfaketime,
        loaded by sshd's environment file into everything the login user starts (Ansible's modules, the harness). Times
        that a program asks for are shifted, and those it reads from files; times that the kernel itself writes into
        files are not. Programs that run already and root's (sudo) see the right time, as do those linked statically.
        """
        self._ask("clock", name=name, seconds=seconds)

    def root(self, name: str, *argv: str) -> str:
        """Run a command on a host as root, past the network; what it printed.

        Raises:
            LabError: It failed.
        """
        done = self._ask("run", name=name, argv=argv)
        if done["code"]:
            raise LabError(f"{name}: {shlex.join(argv)}: exit status {done['code']}: {done['err'] or done['out']}")
        return str(done["out"])

    def ssh(self, name: str, command: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command line on a host as its login user, over a connection of its own."""
        words = [*self.ssh_command(name, "-o", "BatchMode=yes"), command]
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout
        )

    def ssh_command(self, name: str, *options: str) -> list[str]:
        """The words of an `ssh` to a host."""
        state = self._state()
        arguments = [*shlex.split(self._ssh_arguments(state)), "-i", str(self.folder / "key")]
        where = f"HostName={address(state['hosts'].index(name) + 1)}"
        return ["ssh", "-F", "none", *arguments, "-o", where, *options, f"{USER}@{name}"]

    def _ssh_arguments(self, state: dict[str, Any]) -> str:
        proxy = [
            sys.executable,
            "-S",
            "-E",
            str(ROOT / "tests/lab/connect.py"),
            str(state["anchor"]),
            str(state["net"]),
        ]
        options = {
            "ProxyCommand": shlex.join([*proxy, "%h", "%p"]),
            "ProxyUseFdpass": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
        }
        return shlex.join(word for name, value in options.items() for word in ("-o", f"{name}={value}"))

    def _inventory(self, state: dict[str, Any]) -> dict[str, Any]:
        common = {
            "ansible_user": USER,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.folder / "key"),
            "ansible_ssh_common_args": self._ssh_arguments(state),
            "ansible_control_path_dir": str(self.folder / "cp"),
        }
        hosts = {name: {"ansible_host": address(number)} for number, name in enumerate(state["hosts"], 1)}
        return {"sut": {"vars": common, "hosts": hosts}}

    def _state(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.folder / "lab.json").read_text(encoding="utf-8"))
        return value

    def _write(self, name: str, value: dict[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

    def _ask(self, verb: str, **request: Any) -> Any:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self.folder / "control"))
                with connection.makefile("rw", encoding="utf-8") as stream:
                    stream.write(json.dumps({"verb": verb, **request}) + "\n")
                    stream.flush()
                    line = stream.readline()
        except OSError:
            line = ""
        if not line:
            raise LabError(f"no lab in {self.folder}, or it has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(answer["error"])
        return answer["answer"]
