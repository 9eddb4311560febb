"""Three prepared hosts of a lab on which one thing after the other is broken, and the commands of a user.

Ansible runs inside the lab's network, so that ssh says what it says anywhere: nothing stands in for the connection.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.lab.anchor import address
from tests.lab.base import USER
from tests.lab.fleet import STORE, Fleet, Play
from tests.lab.lab import end_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BROKEN = "sut2"
PATIENCE_S = 120.0
# What is measured does not matter here, and need not begin at one instant.
QUICK = {"benchmark_query_count": 16, "benchmark_start_lead_s": 3}
# Lines of ansible-playbook that tell nothing of what went wrong.
WELL = re.compile(r"(TASK \[|ok: \[|changed: \[|skipping: |included: |PLAY RECAP)")
# What says how a host is: files of the store with their sizes; compiled Python, locks and runs come and go.
LISTING = (
    f"find {STORE} -name __pycache__ -prune -o -path {STORE}/runs -prune -o -name '*.lock' -prune "
    "-o ! -type d -printf '%P %s\\n' | sort | sha256sum"
)


@dataclass
class Bench(Fleet):
    """A lab of three hosts, prepared once."""

    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    shown: str = ""
    disk: str = ""  # of the controller's results

    def set_up(self) -> None:
        """Prepare one host over SSH and give the others what it has: they are equal.

        From outside the lab's network, where the controller reaches what hosts cannot: later it has all that they need.
        """
        first, *others = self.lab.hosts
        self.rewrite()
        play = Fleet(self.lab, self.path, self.variables).play("prepare", "--limit", first)
        if play.code:
            raise AssertionError(play.text[-6000:])
        for host in others:
            # Times to the nanosecond: by them the store knows files that it has verified.
            take = shlex.join([*self.lab.ssh_command(first), f"tar -C /home/{USER} --format=posix -cf - .cache"])
            give = shlex.join([*self.lab.ssh_command(host), f"tar -C /home/{USER} -xf -"])
            subprocess.run(["sh", "-c", f"{take} | {give}"], stdin=subprocess.DEVNULL, check=True, capture_output=True)

    def rewrite(self, **changes: dict[str, Any]) -> None:
        """Write the inventory, with changes to single hosts."""
        common = {
            "ansible_user": USER,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.lab.folder / "key"),
            "ansible_ssh_common_args": f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={self.known_hosts}",
            "ansible_control_path_dir": str(self.lab.folder / "cp"),
        }
        self.hosts = {name: {"ansible_host": address(number)} for number, name in enumerate(self.lab.hosts, 1)}
        for name, values in changes.items():
            self.hosts.setdefault(name, {}).update(values)
        self.inventory.write_text(json.dumps({"sut": {"vars": common, "hosts": self.hosts}}), encoding="utf-8")

    @property
    def known_hosts(self) -> Path:
        return self.lab.folder / "known_hosts"

    @property
    def inventory(self) -> Path:
        return self.path / "hosts.yml"

    def command(self, playbook: str, *words: str, **variables: Any) -> list[str]:
        """As in the lab's Fleet, in the lab's network and with this inventory."""
        command = super().command(playbook, *words, **variables)
        if words[:1] != ("-i",):
            command[command.index("-i") + 1] = str(self.inventory)
        else:
            del command[2:4]
        inside = ["nsenter", f"--net=/proc/{self.lab.anchor}/ns/net", "--"]
        if self.disk:
            self.results.mkdir(exist_ok=True)
            mount = f"mount -t tmpfs -o {self.disk} none {shlex.quote(str(self.results))} && exec {shlex.join(command)}"
            command = ["unshare", "-m", "sh", "-c", mount]
        return [*inside, *command]

    def start(self, playbook: str, *words: str, **variables: Any) -> subprocess.Popen[str]:
        """As in the lab's Fleet; remembers what a user would have typed."""
        settings = [f"-e {shlex.quote(f'{name}={_plain(value)}')}" for name, value in variables.items()]
        where = [] if "-i" in words else ["-i", self.inventory.name]
        self.shown = " ".join(["ansible-playbook", f"playbooks/{playbook}.yml", *where, *words, *settings])
        return super().start(playbook, *words, **variables)

    def forget_neighbours(self) -> None:
        """Let the network know at once that a host has gone, which takes it half a minute by itself."""
        flush = ["nsenter", f"--net=/proc/{self.lab.anchor}/ns/net", "--", "ip", "neigh", "flush", "all"]
        subprocess.run(flush, check=True, capture_output=True)

    def again(self) -> None:
        """Forget connections that Ansible kept open: the next case begins as a user does."""
        end_sessions(self.lab.folder)

    @contextlib.contextmanager
    def mended(self, *commands: str, host: str = BROKEN) -> Iterator[None]:
        """Put a host right at the end of a block, by commands of root."""
        try:
            yield
        finally:
            for command in commands:
                self.lab.root(host, "sh", "-c", command)

    def listing(self, host: str) -> str:
        """How a host is; empty for one that is down."""
        return self.lab.root(host, "sh", "-c", LISTING) if host in self.lab.running else ""

    def droppings(self, host: str) -> str:
        """What was left lying about on a host."""
        places = f"{STORE}/downloads /home/{USER}/.ansible/tmp"
        return self.lab.root(host, "sh", "-c", f"find {places} -mindepth 1 2>/dev/null || :").strip()

    def runs(self, host: str) -> list[str]:
        """Runs that a host knows."""
        return self.lab.root(host, "sh", "-c", f"ls {STORE}/runs 2>/dev/null || :").split()

    def home(self) -> list[str]:
        """Runs on the controller."""
        return sorted(path.name for path in self.results.glob("2*")) if self.results.is_dir() else []

    def cells(self, run_id: str, host: str) -> dict[str, int]:
        """Results of a host that are home: exit code of each cell."""
        found = (self.results / run_id / host).glob("*/*/*/result.json")
        return {
            "/".join(path.parts[-4:-1]): int(json.loads(path.read_text(encoding="utf-8"))["exit_code"])
            for path in found
        }

    def running(self, host: str, run_id: str, cell: str = "") -> bool:
        """Whether a host measures this run (this cell) now."""
        cells = self.status(host, run_id).get("cells", [])
        return any(one["state"] == "running" and one["id"].endswith(cell) for one in cells)

    def until(self, when: Callable[[], bool]) -> None:
        """Wait for something that has to happen."""
        deadline = time.monotonic() + PATIENCE_S
        while not when():
            if time.monotonic() > deadline:
                raise AssertionError("it did not happen")
            time.sleep(0.2)

    @contextlib.contextmanager
    def results_on(self, options: str) -> Iterator[None]:
        """Let the controller of the block have its results on a disk of its own, which is gone at the end."""
        self.disk = options
        try:
            yield
        finally:
            self.disk = ""

    def watch(
        self, playbook: str, when: Callable[[], bool], then: Callable[[], object], *words: str, **variables: Any
    ) -> Play:
        """Run a playbook and do something to it once something has happened."""
        process = self.start(playbook, *words, **variables)
        deadline = time.monotonic() + PATIENCE_S
        while not when() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if process.poll() is None:
            then()
        text, _ = process.communicate(timeout=PATIENCE_S)
        return Play(process.returncode, text)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def said(text: str) -> str:
    """What a user reads in an output of ansible-playbook: no banners, no hosts that are well.

    The table and what stands below it are kept, and everything that Ansible marks as a failure or a warning.
    """
    kept: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if re.match(r"PLAY( |$)", lines[0]):
            continue
        lines = [
            line
            for line in lines
            if not re.match(r"(TASK \[|ok: \[|changed: \[|skipping: |included: |PLAY RECAP)", line)
        ]
        if not lines or re.match(r"\w\S*\s+: ok=\d+", lines[0]):
            continue
        kept += ["", *lines] if kept else lines
    return "\n".join(kept)
