"""What people type and read: the commands, and the program that comes with a bundle."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from loadfleet.airgap import bootstrap
from loadfleet.cli import cli

if TYPE_CHECKING:
    from loadfleet.airgap.create import Created

BOOTSTRAP = Path(bootstrap.__file__)


def apply(bundle: Path, site: Path, *words: str) -> str:
    arguments = ["bundle", "apply", str(bundle), "--target", str(site), "--store", str(site / "the store"), *words]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_apply_says_what_to_type_next(made: Created, tmp_path: Path) -> None:
    site = tmp_path / "a site"
    lines = [line.strip() for line in apply(made.path, site).partition("Next:")[2].splitlines()]
    typed = [shlex.split(line) for line in lines if line]
    assert typed[0] == ["cd", str(site / "loadfleet")]
    assert typed[1] == ["export", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={site / 'wheelhouse'}"]
    assert typed[2] == ["make", "setup"]
    assert typed[3][:2] == ["make", "bert"]
    words = shlex.split(typed[3][2].removeprefix("ARGS="))
    assert words == ["-e", f"@{site / 'settings.yml'}", "-e", f"store_path={site / 'the store'}"]


def test_apply_answers_in_json(made: Created, tmp_path: Path) -> None:
    answer = json.loads(apply(made.path, tmp_path / "site", "--json", "--clone", str(tmp_path / "clone here")))
    assert answer["schema_version"] == 1
    assert answer["seal"] == made.seal
    assert answer["clone"] == str(tmp_path / "clone here")
    assert [each["changed"] for each in answer["entries"]] == [True, True, True]


def test_leftovers_of_killed_calls_go_and_those_of_others_stay(made: Created, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / ".bundle-killed").mkdir(parents=True)
    (site / ".bundle-killed/half").write_text("half")
    (site / ".bundle-busy").mkdir()
    busy = os.open(site / ".bundle-busy", os.O_RDONLY)
    try:
        fcntl.flock(busy, fcntl.LOCK_EX)
        apply(made.path, site)
    finally:
        os.close(busy)
    assert sorted(path.name for path in site.glob(".*")) == [".bundle-busy"]


def call(*words: str) -> subprocess.CompletedProcess[str]:
    """The program that comes along, with nothing but the standard library."""
    command = [sys.executable, "-I", "-S", str(BOOTSTRAP), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_no_bundle_is_refused_without_a_traceback(tmp_path: Path, content: bytes | None) -> None:
    bundle = tmp_path / "site.tar"
    if content is not None:
        bundle.write_bytes(content)
    done = call(str(bundle))
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bundle_without_the_wheels_it_needs_says_which(made: Created) -> None:
    done = call(str(made.path))
    assert done.returncode == 2
    assert "it has no wheel of pyyaml" in done.stderr


def test_without_arguments_it_explains_itself() -> None:
    done = call()
    assert done.returncode == 2
    assert "python3 apply.py BUNDLE.tar" in done.stderr


def test_the_wheel_of_this_python_is_preferred() -> None:
    here = f"cp{sys.version_info.major}{sys.version_info.minor}"
    names = [
        "loadfleet-0.1.0-py3-none-any.whl", "click_plugins-1.0-py3-none-any.whl", "click-8.1-py3-none-any.whl",
        "PyYAML-6.0-cp39-cp39-linux.whl", f"PyYAML-6.0-{here}-{here}-linux.whl", "types_pyyaml-6.0-py3-none-any.whl",
    ]  # fmt: skip
    chosen = bootstrap.choose([{"path": f"wheelhouse/{name}"} for name in names])
    assert [item["path"].partition("/")[2] for item in chosen] == [names[0], names[2], names[4]]
    other = bootstrap.choose([{"path": f"wheelhouse/{name}"} for name in names if here not in name])
    assert other[2]["path"] == f"wheelhouse/{names[3]}"
