"""Runs the real playbooks on this machine, with a store, results and an inventory of the test's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STUB = Path(__file__).with_name("stub_loadfleet.py")
RUN_ID = "20261122T003500Z-bert-3f9a"


@dataclass
class Site:
    """One environment: hosts, store, results.

    `clocks` shifts the clocks of hosts, in seconds (connection `elsewhere`); `groups` are hosts of `sut`, by group.
    """

    path: Path
    connection: str = "local"
    hosts: list[str] = field(default_factory=lambda: ["localhost"])
    variables: dict[str, Any] = field(default_factory=dict)
    host_variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    clocks: dict[str, float] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def results(self) -> Path:
        return self.path / "results"

    @property
    def cut(self) -> Path:
        """While this file exists the hosts are out of reach (connection `elsewhere`)."""
        return self.path / "cut"

    def command(self, playbook: str, *words: str, **variables: Any) -> list[str]:
        inventory = {
            "sut": {
                "vars": {
                    "ansible_connection": self.connection,
                    "ansible_python_interpreter": sys.executable,
                    "store_path": str(self.store / "{{ inventory_hostname }}"),
                    "results_path": str(self.results),
                    # All hosts are this machine.
                    "fleet_gate_one_machine_ok": True,
                    **self.variables,
                },
                "hosts": {host: self.host_variables.get(host, {}) for host in self.hosts},
                "children": {
                    group: {"hosts": {host: self.host_variables.get(host, {}) for host in hosts}}
                    for group, hosts in self.groups.items()
                },
            }
        }
        (self.path / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
        return [
            str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml",
            "-i", str(self.path / "hosts.json"), "-e", json.dumps(variables), *words,
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.path / "ansible"),
            "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).with_name("connection")),
            "ANSIBLE_NOCOLOR": "1",
            "LOADFLEET_TEST_CUT": str(self.cut),
            "LOADFLEET_TEST_CLOCKS": json.dumps(self.clocks),
        }

    def play(self, playbook: str, *words: str, **variables: Any) -> Play:
        done = subprocess.run(
            self.command(playbook, *words, **variables), cwd=ROOT, env=self.environment,
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        return Play(done.returncode, done.stdout + done.stderr)

    def start(self, playbook: str, *words: str, **variables: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(playbook, *words, **variables), cwd=ROOT, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def with_stub(self, mood: str = "good") -> Site:
        """Let the stub stand in for the harness, on hosts and on the controller."""
        stub = self.path / "bin/loadfleet"
        if not stub.exists():
            stub.parent.mkdir()
            stub.write_text(f'#!/bin/sh\nexec {sys.executable} {STUB} "$@"\n', encoding="utf-8")
            stub.chmod(0o755)
        self.variables |= {
            "benchmark_executable": str(stub), "results_executable": str(stub), "submission_executable": str(stub),
            "model_executable": str(stub), "dataset_executable": str(stub),
            "benchmark_poll_interval": 0.1, "benchmark_environment": {"STUB": mood},
        }  # fmt: skip
        return self


@dataclass
class Play:
    """What a playbook did."""

    code: int
    text: str

    def recap(self, host: str) -> dict[str, int]:
        (line,) = re.findall(rf"^{re.escape(host)}\s+: (ok=.*)$", self.text, re.MULTILINE)
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}
