"""The jobs of docs/ci.md: their commands exist, and their scripts do what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest
import yaml

from loadfleet.cli import cli

DOCS = Path(__file__).parents[3] / "docs"
GITHUB, GITLAB = DOCS / "examples/ci/github-actions.yml", DOCS / "examples/ci/gitlab-ci.yml"
TOKEN = "swordfish-4711"


def steps(path: Path) -> list[str]:
    """The scripts of a job, in order."""
    job: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path == GITHUB:
        return [step["run"] for step in job["jobs"]["bert"]["steps"] if "run" in step]
    return [*job["bert"]["script"], *job["bert"]["after_script"]]


def commands() -> list[list[str]]:
    """Every call of `loadfleet` in the examples and on the page."""
    page = (DOCS / "ci.md").read_text(encoding="utf-8")
    text = "\n".join([*steps(GITHUB), *steps(GITLAB)]).replace("\\\n", " ")
    text += "\n" + "\n".join(re.findall(r"^\$ (loadfleet .*)$", page, re.MULTILINE))
    return [
        shlex.split(line, comments=True) for line in text.splitlines() if re.match(r"\s*(\.venv/bin/)?loadfleet ", line)
    ]


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[1:3]))
def test_every_command_is_one(words: list[str]) -> None:
    group: click.Command = cli
    context = click.Context(cli)
    rest = words[1:]
    while isinstance(group, click.Group):
        found = group.get_command(context, rest.pop(0))
        assert found is not None, words
        group = found
    group.make_context(words[1], rest)


def test_the_examples_have_what_the_servers_ask_for() -> None:
    github: dict[Any, Any] = yaml.safe_load(GITHUB.read_text(encoding="utf-8"))
    assert {"schedule", "workflow_dispatch"} <= set(github[True]), "`on` is true in YAML 1.1"
    job = github["jobs"]["bert"]
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    (upload,) = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    gitlab = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))["bert"]
    assert gitlab["artifacts"]["when"] == "always"
    assert gitlab["artifacts"]["reports"]["junit"] in gitlab["artifacts"]["paths"]


@pytest.mark.integration
@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
@pytest.mark.parametrize(("playbook", "status"), [("good", 0), ("bad", 3)])
def test_the_jobs_run(tiny_project: Path, path: Path, playbook: str, status: int) -> None:
    """The scripts as the server plays them, with a playbook that ends at once and a `make` that has nothing to do."""
    playbooks = tiny_project / "playbooks"
    text = (playbooks / f"{playbook}.yml").read_text().replace("{{ token }}", "{{ ansible_become_password }}")
    (playbooks / "bert.yml").write_text(text)
    (tiny_project / "hosts").rename(tiny_project / "inventory")
    tools = {"bin/make": "#!/bin/sh\n", ".venv/bin/loadfleet": f'#!/bin/sh\nexec {sys.executable} -m loadfleet "$@"\n'}
    for name, script in tools.items():
        (tiny_project / name).parent.mkdir(parents=True)
        (tiny_project / name).write_text(script)
        (tiny_project / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tiny_project}/bin:{os.environ['PATH']}",
        "BECOME_PASS": TOKEN,
        "CI_JOB_STATUS": "failed",
    }
    script = "\n".join(step for step in steps(path) if "stop latest" not in step or "CI_JOB_STATUS" in step)
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tiny_project, env=environment, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    root = ET.parse(tiny_project / "junit.xml").getroot()  # noqa: S314 - our own file
    assert len(list(root.iter("error"))) == (status != 0)
    assert TOKEN not in done.stdout + done.stderr + (tiny_project / "junit.xml").read_text()
