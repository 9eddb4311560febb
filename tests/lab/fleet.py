"""Runs the real playbooks on a lab: hosts are prepared over SSH, without a network of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.lab import ROOT

if TYPE_CHECKING:
    from tests.lab.lab import Lab

STORE = "/home/bench/.cache/loadfleet"


@dataclass
class Play:
    """What a playbook did."""

    code: int
    text: str

    def recap(self, host: str) -> dict[str, int]:
        (line,) = re.findall(rf"^{re.escape(host)}\s+: (ok=.*)$", self.text, re.MULTILINE)
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}

    @property
    def words(self) -> str:
        """The output as one line: Ansible wraps messages."""
        return re.sub(r"\s+", " ", self.text)


@dataclass
class Fleet:
    """A lab, and the controller's folder for results."""

    lab: Lab
    path: Path
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        return self.path / "results"

    def command(self, playbook: str, *words: str, **variables: Any) -> list[str]:
        settings = {
            "results_path": str(self.results),
            "python_venv_offline": True,
            "artifact_from_controller": True,
            "benchmark_poll_interval": 0.5,
            **self.variables,
            **variables,
        }
        return [
            str(Path(sys.executable).parent / "ansible-playbook"),
            f"playbooks/{playbook}.yml", "-i", str(self.lab.inventory), "-e", json.dumps(settings), *words,
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.path / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            # As in ansible.cfg, but a host that is gone is noticed sooner.
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s "
            "-o ServerAliveInterval=3 -o ServerAliveCountMax=4",
            "ANSIBLE_SSH_RETRIES": "1",
        }
        return {**os.environ, **own}

    def play(self, playbook: str, *words: str, **variables: Any) -> Play:
        process = self.start(playbook, *words, **variables)
        text, _ = process.communicate(timeout=300)
        return Play(process.returncode, text)

    def start(self, playbook: str, *words: str, **variables: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(playbook, *words, **variables), cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def status(self, host: str, run_id: str) -> dict[str, Any]:
        """What the agent on a host says of a run; {} when there is none."""
        done = self.lab.ssh(host, f"cat {STORE}/runs/{run_id}/status.json")
        value: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return value
