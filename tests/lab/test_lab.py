"""The lab itself: what hosts are and are not, each fault, and that nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import __main__ as by_hand
from tests.lab import lab as lab_module
from tests.lab.lab import ROOT, Lab, LabError, NotPossibleError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.lab


def out(lab: Lab, name: str, command: str) -> str:
    done = lab.ssh(name, command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def seconds(lab: Lab, name: str, command: str = "true") -> float:
    begin = time.monotonic()
    out(lab, name, command)
    return time.monotonic() - begin


def test_hosts_are_hosts_of_their_own(lab: Lab) -> None:
    facts = "hostname; hostname -I; cat /etc/machine-id /proc/sys/kernel/random/boot_id; readlink /proc/self/ns/net"
    seen = [out(lab, name, facts).splitlines() for name in lab.hosts]
    assert [lines[0] for lines in seen] == ["sut1", "sut2", "sut3"]
    for what in zip(*seen, strict=True):
        assert len(set(what)) == 3, what
    assert "agent" not in out(lab, "sut1", "ps -e -o args")
    out(lab, "sut1", "echo mine > note")
    assert lab.ssh("sut2", "cat note").returncode == 1
    assert "bench" in out(lab, "sut2", "ping() { getent hosts $1; }; ping sut1 && id -un")


def test_a_host_has_no_way_out_and_no_way_in(lab: Lab) -> None:
    reach = "import socket; socket.create_connection(('{}', 22), 1)"
    for place, words in (("192.0.2.1", "TimeoutError"), ("example.org", "Temporary failure in name resolution")):
        done = lab.ssh("sut1", f'python3 -c "{reach.format(place)}"')
        assert done.returncode == 1
        assert words in done.stderr
    assert out(lab, "sut1", f'python3 -c "{reach.format("sut2")}"') == ""
    mounts = out(lab, "sut1", "cat /proc/self/mountinfo")
    kinds = {line.split(" - ")[1].split()[0] for line in mounts.splitlines()}
    assert kinds == {"overlay", "proc", "sysfs", "tmpfs", "devpts"}
    routes = subprocess.run(["ip", "route", "get", "198.18.1.1"], capture_output=True, text=True, check=False).stdout
    assert "br0" not in routes


def test_the_login_user_is_an_ordinary_one(lab: Lab) -> None:
    assert lab.ssh("sut1", "sudo -n true").returncode == 1
    assert lab.root("sut1", "id", "-un").strip() == "root"
    with pytest.raises(LabError, match="exit status 1"):
        lab.root("sut1", "false")


def test_not_even_root_of_a_host_changes_the_machine(labs: Callable[..., Lab]) -> None:
    lab = labs(1, sudo=True)
    assert out(lab, "sut1", "sudo -n id -un") == "root"
    for command in (
        "date -s 2001-01-01",
        "mount -t tmpfs none /mnt",
        "mknod /disk b 8 0",
        "tee /proc/sys/vm/swappiness",
    ):
        assert lab.ssh("sut1", f"echo 60 | sudo -n {command}").returncode != 0, command
    lab.down()


def test_an_unknown_host_key_is_refused(lab: Lab) -> None:
    known = lab.folder / "known_hosts"
    right = known.read_text()
    lines = right.splitlines()
    known.write_text("\n".join([lines[0].split()[0] + " " + " ".join(lines[1].split()[1:]), *lines[1:], ""]))
    done = lab.ssh("sut1", "true")
    known.write_text(right)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_a_power_cut_ends_everything_and_keeps_the_disk(labs: Callable[..., Lab]) -> None:
    lab = labs(2)
    out(lab, "sut1", "echo kept > note; setsid sleep 1000 >/dev/null 2>&1 &")
    first = out(lab, "sut1", "cat /proc/sys/kernel/random/boot_id")
    lab.kill("sut1")
    assert lab.running == ["sut2"]
    with pytest.raises(LabError, match="sut1 is down"):
        lab.unplug("sut1")
    lab.start("sut1")
    assert out(lab, "sut1", "cat note") == "kept"
    assert "sleep 1000" not in out(lab, "sut1", "ps -e -o args")
    assert out(lab, "sut1", "cat /proc/sys/kernel/random/boot_id") != first
    lab.down()


def test_a_session_survives_a_pulled_cable(lab: Lab) -> None:
    ticks = "for i in $(seq 30); do echo $i; sleep 0.05; done"
    with subprocess.Popen(
        [*lab.ssh_command("sut2"), ticks], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0
    ) as session:
        assert session.stdout is not None
        assert session.stdout.read(2) == b"1\n"
        lab.unplug("sut2")
        try:
            assert "NO-CARRIER" in lab.root("sut2", "ip", "link", "show", "eth0")
            with pytest.raises(subprocess.TimeoutExpired):
                session.wait(3)
        finally:
            lab.plug("sut2")
        assert session.stdout.read().split()[-1] == b"30"


def test_a_cable_can_be_slow_and_long(lab: Lab) -> None:
    quick = min(seconds(lab, "sut3") for _ in range(3))
    lab.delay("sut3", 40)
    assert seconds(lab, "sut3") > quick + 0.4, "a login takes some ten round trips"
    lab.delay("sut3", 0)
    lab.slow("sut3", 2000)
    assert seconds(lab, "sut3", "head -c 400000 /dev/urandom | base64") > 1.5
    lab.slow("sut3", None)
    assert min(seconds(lab, "sut3") for _ in range(3)) < quick + 0.8


def test_a_disk_can_be_full(lab: Lab) -> None:
    lab.small_disk("sut1", "/home/bench/small", 1 << 20)
    done = lab.ssh("sut1", "head -c 2000000 /dev/zero > small/zeros")
    assert "No space left" in done.stderr
    lab.small_disk("sut1", "/home/bench/small", 0)
    assert out(lab, "sut1", "ls small; rmdir small") == ""


def test_a_clock_can_be_wrong(lab: Lab) -> None:
    ask = "python3 -c 'import time; print(time.time(), time.monotonic())'"

    def clocks() -> tuple[float, float]:
        wall, monotonic = out(lab, "sut1", ask).split()
        return float(wall) - time.time(), float(monotonic) - time.monotonic()

    lab.clock("sut1", -7200)
    wall, monotonic = clocks()
    assert abs(wall + 7200) < 5
    assert abs(monotonic) < 5
    lab.clock("sut1", 0)
    assert abs(clocks()[0]) < 5


def test_unknown_names_and_second_labs_are_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match="has no host sut9; it has sut1, sut2, sut3"):
        lab.kill("sut9")
    with pytest.raises(LabError, match="there is a lab in"):
        Lab.up(lab.folder, 1)
    with pytest.raises(LabError, match="longer than"):
        Lab.up(Path("/tmp") / ("long" * 20), 1)  # noqa: S108
    with pytest.raises(LabError, match="has ended"):
        Lab(Path("/nonexistent")).start("sut1")


@dataclass
class Traces:
    """What of a lab the machine could be left with. Other labs may come and go meanwhile."""

    namespaces: set[str]
    visible: dict[str, list[str]]

    @classmethod
    def of(cls, folder: Path) -> Traces:
        namespaces, commands = set(), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(folder) in words and "-c" not in words.split():
                    commands.append(words)
                namespaces |= {str((process / "ns" / kind).readlink()) for kind in ("net", "pid", "mnt", "uts", "ipc")}
            except OSError:
                continue  # it has ended meanwhile
        links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]
        folders = [str(folder)] if folder.exists() else []
        found = {"commands": commands, "links": links, "mounts": mounts, "folders": folders}
        return cls(namespaces, found)


OWNER = """
import os, sys
from pathlib import Path
from tests.lab.lab import Lab
lab = Lab.up(Path(sys.argv[1]), 2, owner=os.getpid())
print(lab.anchor, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["down", "owner", "anchor"])
def test_nothing_is_left_behind(end: str) -> None:
    folder = Path("/tmp") / f"lfl-t{os.getpid()}-{end}"  # noqa: S108
    before = Traces.of(folder)
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        anchor = int(owner.stdout.readline())
        lab = Lab(folder)
        lab.delay("sut1", 1)
        out(lab, "sut2", "setsid sleep 1000 >/dev/null 2>&1 &")
        # As Ansible leaves it: a master that outlives the play, and with it the lab's network.
        shared = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={folder}/cp/shared")
        command = [*lab.ssh_command("sut1", *shared), "true"]
        subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        during = Traces.of(folder)
        own = during.namespaces - before.namespaces
        assert len(own) >= 3 * 5 - 2, "the lab has three of its own, each host five"
        assert len(during.visible["commands"]) >= 2, "the anchor and the shared session"
        assert during.visible["mounts"] == [], "none in the machine's own mount namespace"
        assert during.visible["links"] == before.visible["links"], "none in the machine's own network namespace"
        if end == "down":
            lab.down()
        elif end == "anchor":
            os.kill(anchor, signal.SIGKILL)
            time.sleep(0.5)
            lab_module.end_sessions(folder)
            lab.down()
        owner.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        after = Traces.of(folder)
        if after.visible == before.visible and not own & after.namespaces:
            break
        time.sleep(0.1)
    assert after.visible == before.visible
    assert not own & after.namespaces


def test_two_labs_with_the_same_addresses_do_not_meet(lab: Lab, labs: Callable[..., Lab]) -> None:
    other = labs(["sut1"])
    out(lab, "sut1", "echo this > whose")
    assert other.ssh("sut1", "cat whose").returncode == 1
    assert other.inventory.read_text() != lab.inventory.read_text()
    other.down()
    assert out(lab, "sut1", "cat whose; rm whose") == "this"


def test_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.lab", *words]
        surroundings = {**os.environ, "XDG_RUNTIME_DIR": "/tmp", **environment}  # noqa: S108
        return subprocess.run(
            command, cwd=ROOT, env=surroundings, input="exit 7\n", capture_output=True, text=True, check=False
        )

    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")  # noqa: S108
    lab = Lab(by_hand.folder())
    assert not lab.is_up(), f"the lab in {lab.folder} is someone's; make lab-down ends it"
    assert call("shell").returncode == 3
    started = call("up", "1")
    assert started.returncode == 0, started.stderr
    assert f"-i {lab.inventory}" in started.stdout
    assert call("shell", "sut1", SHELL="/bin/sh").returncode == 7
    assert call("shell", SHELL="/bin/sh").returncode == 7
    assert call("shell", "sut2").returncode == 3
    assert call("fault", "kill", "sut1").returncode == 0
    assert lab.running == []
    assert call("fault", "slow", "sut1", "fast").returncode == 3
    assert call("down").returncode == call("down").returncode == 0
    assert not lab.folder.exists()


def test_a_machine_that_cannot_have_a_lab_is_told_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "mmdebstrap" else f"/bin/{tool}")
    with pytest.raises(NotPossibleError, match="fix: sudo apt-get install -y --no-install-recommends mmdebstrap"):
        lab_module.require()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotPossibleError, match="needs root"):
        lab_module.require()
    monkeypatch.setattr(sys, "argv", ["lab", "up", "1"])
    assert by_hand.main() == 3
