"""The process that a lab hangs on: PID 1 of a PID namespace, with a network and a mount namespace of its own.

However it ends, the kernel ends every host, mount, address and cable with it. It serves one request after the other, a
line of JSON each, on the socket `control` in the lab's folder. Started by `lab.Lab.up`, never by hand:

    python -m tests.lab.anchor FOLDER [OWNER]

OWNER is the number of a process: when that ends, the lab ends and its folder is removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import base, kernel, machine

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = "198.18.0.1"  # RFC 2544's test addresses; they exist in the lab's own network namespace only
BRIDGE = "br0"
PATIENCE_S = 30.0
KEYGEN = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "")
TOO_SMALL_TO_WAIT = 0.02
# A look-up of names must fail at once, not time out. The environment file shifts a host's clock.
SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
UsePAM no
UseDNS no
PasswordAuthentication no
PermitUserEnvironment yes
Subsystem sftp internal-sftp
MaxStartups 200:30:400
MaxSessions 100
"""
SUDOERS = f"{base.USER} ALL=(ALL) NOPASSWD: ALL\n"


def address(number: int) -> str:
    """The address of the lab's n-th host."""
    return f"198.18.{number // 250 + 1}.{number % 250}"


class RefusedError(Exception):
    """A request that cannot be served; the message goes to whoever asked."""


class Host:
    """A host as the anchor knows it: its disk, its cable, and its PID 1 while it is up."""

    def __init__(self, name: str, number: int, disk: machine.Disk) -> None:
        self.name = name
        self.disk = disk
        self.address = address(number)
        self.cable = f"v{number}"
        # Lasting, as a card's is: neighbours remember it over a restart.
        self.mac = f"02:00:00:00:00:{number:02x}"
        self.pid = 0
        self.wire: subprocess.Popen[bytes] | None = None


class Anchor:
    """The lab's state and what can be asked of it. Method names are the requests' verbs."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        disks = {name: machine.Disk(Path(settings["base"]), folder / "fs" / name) for name in settings["hosts"]}
        self.hosts = {name: Host(name, number, disks[name]) for number, name in enumerate(settings["hosts"], 1)}
        self.sudo: bool = settings["sudo"]

    def prepare(self) -> None:
        """Make the network, the mounts and each host's own files."""
        kernel.unshare(kernel.NEWNS)
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("proc", "/proc", "proc")
        kernel.mount("tmpfs", self.folder / "fs", "tmpfs", 0, "mode=755")
        ip("link set lo up", f"link add {BRIDGE} type bridge", f"addr add {GATEWAY}/15 dev {BRIDGE}")
        ip(f"link set {BRIDGE} up")
        known = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in self.hosts.values())
        generators = [self._furnish(host, known) for host in self.hosts.values()]
        if any(generator.wait() for generator in generators):
            raise RefusedError("ssh-keygen made no host keys")
        keys = {
            host: (host.disk.upper / "etc/ssh/ssh_host_ed25519_key.pub").read_text() for host in self.hosts.values()
        }
        lines = [f"{host.name},{host.address} {' '.join(key.split()[:2])}\n" for host, key in keys.items()]
        (self.folder / "known_hosts").write_text("".join(lines), encoding="utf-8")

    def _furnish(self, host: Host, known: str) -> subprocess.Popen[bytes]:
        upper, public = host.disk.upper, (self.folder / "key.pub").read_text(encoding="utf-8")
        for place in ("../work", "../root", "etc/ssh", f"home/{base.USER}/.ssh"):
            (upper / place).mkdir(parents=True)
        texts = {
            "etc/hostname": f"{host.name}\n",
            "etc/machine-id": f"{os.urandom(16).hex()}\n",
            "etc/hosts": known,
            "etc/ssh/sshd_config": SSHD_CONFIG,
            f"home/{base.USER}/.ssh/authorized_keys": public,
        }
        if self.sudo:
            (upper / "etc/sudoers.d").mkdir(mode=0o750)
            texts[f"etc/sudoers.d/{base.USER}"] = SUDOERS
        for place, text in texts.items():
            (upper / place).write_text(text, encoding="utf-8")
        for place in ("", ".ssh", ".ssh/authorized_keys"):
            path = upper / f"home/{base.USER}" / place
            path.chmod(0o600 if path.is_file() else 0o700)
            os.chown(path, base.USER_ID, base.USER_ID)
        return subprocess.Popen([*KEYGEN, "-C", host.name, "-f", str(upper / "etc/ssh/ssh_host_ed25519_key")])

    def start(self, names: list[str]) -> None:
        """Boot hosts, all at once; returns when each one's sshd answers."""
        hosts = [self._host(name, up=False) for name in names]
        held, go = os.pipe()
        booted, booting = os.pipe()  # closes on exec: the last copy goes when the last host becomes its sshd
        lines = []
        for host in hosts:
            host.pid = launch(host, self.folder / "log" / host.name, held, go)
            lines.append(f"link add {host.cable} type veth peer name eth0 address {host.mac} netns {host.pid}")
            lines.append(f"link set {host.cable} master {BRIDGE} up")
        ip(*lines)
        for descriptor in (held, go, booting):
            os.close(descriptor)
        os.read(booted, 1)
        os.close(booted)
        silent, deadline = list(hosts), time.monotonic() + PATIENCE_S
        while silent := [host for host in silent if not answers(host)]:
            if time.monotonic() > deadline or any(not Path(f"/proc/{host.pid}").exists() for host in silent):
                raise RefusedError(f"{', '.join(host.name for host in silent)} did not come up, see {self.folder}/log")
            time.sleep(TOO_SMALL_TO_WAIT)

    def kill(self, name: str) -> None:
        """Cut a host's power: every process of it ends at once; its disk stays as it is."""
        host = self._host(name)
        os.kill(host.pid, signal.SIGKILL)
        os.waitpid(host.pid, 0)
        self._is_down(host)

    def link(self, name: str, *, up: bool) -> None:
        """Pull a host's cable or plug it in."""
        ip(f"link set {self._host(name).cable} {'up' if up else 'down'}")

    def rate(self, name: str, kbit: int | None) -> None:
        """Limit what a host's cable carries, in each direction."""
        host = self._host(name)
        inside = ["nsenter", "-t", str(host.pid), "-n"]
        for prefix, card in (([], host.cable), (inside, "eth0")):
            limit = ["root", "tbf", "rate", f"{kbit}kbit", "burst", "32kb", "latency", "400ms"]
            verb = ["replace", "dev", card, *limit] if kbit else ["del", "dev", card, "root"]
            call([*prefix, "tc", "qdisc", *verb])

    def delay(self, name: str, milliseconds: float) -> None:
        """Hold every frame for a while, in each direction; 0 restores the cable."""
        host = self._host(name)
        if host.wire:
            host.wire.terminate()
            host.wire.wait()
            host.wire = None
        if milliseconds:
            command = [sys.executable, "-m", "tests.lab.wire", host.cable, BRIDGE, str(milliseconds)]
            host.wire = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            if host.wire.stdout is None or not host.wire.stdout.readline():
                raise RefusedError("the relay did not start, see log/anchor")

    def disk(self, name: str, path: str, size: int, *, readonly: bool = False) -> None:
        """Mount a disk of so many bytes on a folder of a host, empty and the login user's; 0 takes it away."""
        host = self._host(name)

        def change() -> None:
            kernel.enter(f"/proc/{host.pid}/ns/mnt", kernel.NEWNS)
            if size:
                Path(path).mkdir(parents=True, exist_ok=True)
                owner = f"size={size},mode=755,uid={base.USER_ID},gid={base.USER_ID}"
                kernel.mount("tmpfs", path, "tmpfs", kernel.MS_RDONLY if readonly else 0, owner)
            else:
                kernel.unmount(path, kernel.MNT_DETACH)

        in_child(change)

    def show(self, name: str, path: str, text: str) -> None:
        """Let a host read this text in the place of a file, such as one of /proc; an empty one shows the file again."""
        host = self._host(name)

        def change() -> None:
            kernel.enter(f"/proc/{host.pid}/ns/mnt", kernel.NEWNS)
            if text:
                source = Path("/run") / path.strip("/").replace("/", "-")
                source.write_text(text, encoding="utf-8")
                kernel.mount(source, path, "", kernel.MS_BIND)
            else:
                kernel.unmount(path, kernel.MNT_DETACH)

        in_child(change)

    def clock(self, name: str, seconds: float) -> None:
        """Shift the clock that the login user's sessions see from now on."""
        root = Path(f"/proc/{self._host(name).pid}/root")
        environment = root / f"home/{base.USER}/.ssh/environment"
        if seconds:
            library = next((root / "usr/lib").glob("*/faketime/libfaketime.so.1"))
            words = {
                "LD_PRELOAD": f"/{library.relative_to(root)}",
                "FAKETIME": f"{seconds:+f}s",
                # As after a wrong setting of a real clock: what counts seconds goes on as it was.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            environment.write_text("".join(f"{name}={value}\n" for name, value in words.items()), encoding="utf-8")
        else:
            environment.unlink(missing_ok=True)

    def run(self, name: str, argv: list[str]) -> dict[str, Any]:
        """Run a command on a host as root, past the network."""
        enter = ["nsenter", "-t", str(self._host(name).pid), "-m", "-u", "-i", "-n", "-p", "--"]
        done = subprocess.run([*enter, *argv], capture_output=True, text=True, check=False, cwd="/", timeout=60)
        return {"code": done.returncode, "out": done.stdout, "err": done.stderr}

    def state(self) -> dict[str, Any]:
        """Which hosts are up."""
        return {"up": [host.name for host in self.hosts.values() if host.pid]}

    def serve(self, owner: int | None, listener: socket.socket) -> None:
        """Answer requests until the owner has ended."""
        watched: list[Any] = [listener] if owner is None else [listener, owner]
        while True:
            ready = select.select(watched, [], [], 0.2)[0]
            self._reap()
            if owner in ready:
                return
            if listener in ready:
                connection, _ = listener.accept()
                # Whoever asked may be gone.
                with (
                    connection,
                    contextlib.suppress(BrokenPipeError),
                    connection.makefile("rw", encoding="utf-8") as stream,
                ):
                    stream.write(json.dumps(self._answer(stream.readline())) + "\n")
                    stream.flush()

    def _answer(self, line: str) -> dict[str, Any]:
        verbs: dict[str, Callable[..., Any]] = {
            verb.__name__: verb
            for verb in (
                self.start, self.kill, self.link, self.rate, self.delay, self.disk, self.show, self.clock, self.run,
                self.state,
            )
        }  # fmt: skip
        try:
            request = json.loads(line)
            return {"answer": verbs[request.pop("verb")](**request)}
        except RefusedError as error:
            return {"error": str(error)}
        except Exception as error:
            # Whoever asked must hear of it, and the lab goes on.
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"}

    def _host(self, name: str, *, up: bool = True) -> Host:
        self._reap()
        if name not in self.hosts:
            raise RefusedError(f"the lab has no host {name}; it has {', '.join(self.hosts)}")
        host = self.hosts[name]
        if bool(host.pid) != up:
            raise RefusedError(f"{name} is {'up' if host.pid else 'down'}")
        return host

    def _reap(self) -> None:
        """As PID 1 must; a host may also have ended by itself (reboot, power-off)."""
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                for host in self.hosts.values():
                    if host.pid == pid:
                        self._is_down(host)

    @staticmethod
    def _is_down(host: Host) -> None:
        host.pid = 0
        if host.wire:
            host.wire.terminate()
            host.wire.wait()
            host.wire = None
        # The kernel removes the cable with the host's network namespace, but when it likes.
        subprocess.run(["ip", "link", "del", host.cable], stderr=subprocess.DEVNULL, check=False)


def launch(host: Host, log: Path, held: int, go: int) -> int:
    """Fork a host in its new namespaces; its process number. It boots when the pipe `go` -> `held` ends."""
    told, tell = os.pipe()

    def middle() -> None:
        os.setsid()
        redirect(log)
        kernel.unshare(kernel.NEWUTS | kernel.NEWIPC | kernel.NEWPID | kernel.NEWNET)
        os.write(tell, str(fork(boot)).encode())

    def boot() -> None:
        os.close(go)
        machine.boot(host.name, host.disk, host.address, GATEWAY, held)

    in_child(middle)
    # One read, not to the end: the host holds its copy until it boots.
    pid = int(os.read(told, 16))
    os.close(told)
    os.close(tell)
    return pid


def fork(function: Callable[[], object]) -> int:
    """Run a function in a child that ends with it; the child's number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        function()
        code = 0
    except BaseException:
        # The child must never run on into its parent's code.
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def in_child(function: Callable[[], object]) -> None:
    """Run a function in a child and wait for it.

    Raises:
        RefusedError: It raised something, which is in the log.
    """
    if os.waitpid(fork(function), 0)[1]:
        raise RefusedError("that did not work, see log/anchor")


def redirect(log: Path) -> None:
    """Let go of the caller's streams: it may be waiting for their end."""
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (out, 2)):
        os.dup2(source, target)


def answers(host: Host) -> bool:
    """Whether its sshd greets."""
    with contextlib.suppress(OSError), socket.create_connection((host.address, 22), 1) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def ip(*lines: str) -> None:
    """Run lines of `ip -batch`."""
    call(["ip", "-batch", "-"], "\n".join(lines))


def call(command: list[str], text: str = "") -> None:
    """Run a command.

    Raises:
        RefusedError: With what it said.
    """
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(f"{' '.join(command)}: {done.stderr.strip()}")


def end_sessions(folder: Path) -> None:
    """End the SSH sessions that Ansible shares between tasks: each would hold the lab's network for a while."""
    for path in (folder / "cp").glob("*"):
        command = ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "lab"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def main(folder: Path, owner: str = "") -> None:
    watched = os.pidfd_open(int(owner)) if owner else None
    anchor = Anchor(folder, json.loads((folder / "lab.json").read_text(encoding="utf-8")))
    kernel.unshare(kernel.NEWNET | kernel.NEWPID)
    ready, tell = os.pipe()

    def inside() -> None:
        listener = socket.socket(socket.AF_UNIX)
        anchor.prepare()
        anchor.start(list(anchor.hosts))
        listener.bind(str(folder / "control"))
        listener.listen()
        os.write(tell, b"ready")
        os.close(tell)
        redirect(folder / "log/anchor")
        anchor.serve(watched, listener)
        end_sessions(folder)
        kernel.unmount(folder / "fs", kernel.MNT_DETACH)
        shutil.rmtree(folder)

    pid = fork(inside)
    os.close(tell)
    if os.read(ready, 5) != b"ready":
        sys.exit(1)
    print(json.dumps({"anchor": pid, "started": kernel.started(pid), "net": Path(f"/proc/{pid}/ns/net").stat().st_ino}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
