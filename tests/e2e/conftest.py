"""The main job as a user starts it, with a store and results of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Job:
    """One `ansible-playbook` and what it left."""

    returncode: int
    output: str
    results: Path

    @property
    def run_id(self) -> str:
        found = re.search(r"\d{8}T\d{6}Z-\w+-[0-9a-f]{4}", self.output)
        assert found, self.output[-3000:]
        return found.group()

    @property
    def folder(self) -> Path:
        return self.results / self.run_id

    @property
    def changed(self) -> int:
        return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", self.output))


@dataclass
class Site:
    """A store and a results folder; runs playbooks against this machine."""

    path: Path
    root: Path = ROOT

    @property
    def store(self) -> Path:
        return self.path / "store"

    def command(self, playbook: str, *arguments: str, **settings: object) -> list[str]:
        extra = {"store_path": self.store, "results_path": self.path / "results", **settings}
        words = [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml", "-i", "inventory"]
        for name, value in extra.items():
            words += ["-e", f"{name}={value}"]
        return [*words, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.path / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
        }

    def play(self, playbook: str, *arguments: str, **settings: object) -> Job:
        done = subprocess.run(
            self.command(playbook, *arguments, **settings),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1200,
        )
        return Job(done.returncode, done.stdout, self.path / "results")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def first(site: Site) -> Job:
    """`make bert` with nothing there yet: the default test execution, whole."""
    job = site.play("bert")
    assert job.returncode == 0, job.output[-6000:]
    return job
