"""Each check of the doctor says ok, warn and fail where it should, with what was seen and what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible import constants
from ansible_collections.loadfleet.mlperf.plugins.action import doctor as action
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _doctor
from fake_machine import BOOT_ID, machine

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
GIB = 1 << 30


def good() -> dict[str, Any]:
    """A server on which nothing is wrong."""
    return {
        "asked": {"device": "cpu", "store_path": "/srv/loadfleet", "executable": "/x"},
        "probe": {
            "python": {"version": "3.11.2", "executable": "/usr/bin/python3.11"},
            "capabilities": {"python-venv": True},
            "root": False, "sudo": False, "os": {"family": "Debian"}, "boot_id": BOOT_ID,
            "free": {"disk_bytes": 100 * GIB, "memory_bytes": 60 * GIB},
            "memory": {"total_bytes": 64 * GIB},
            "cpu": {"threads": 16, "numa_nodes": 2},
            "virtualisation": {"type": "none", "technology": None},
            "accelerators": [],
        },
        "settings": {"governor": "performance", "transparent_hugepages": "madvise", "numa_balancing": "0"},
        "swap": {"total_bytes": 0, "used_bytes": 0}, "swappiness": 60,
        "limits": {"nofile": (1024, 1 << 20), "memlock": (8 << 20, 8 << 20)},
        "load": 0.3, "clock": {"synchronised": True, "source": "chrony"}, "busy": None, "tuned": None,
    }  # fmt: skip


def put(facts: dict[str, Any], path: str, value: Any) -> None:
    *folders, last = path.split(".")
    for name in folders:
        facts = facts[name]
    facts[last] = value


def check(name: str, **changes: Any) -> dict[str, str]:
    facts = good()
    for path, value in changes.items():
        put(facts, path.replace("__", "."), value)
    (found,) = [one for one in _doctor.judge(facts) if one["check"] == name]
    return found


def test_a_good_server_is_all_ok_and_needs_no_fix() -> None:
    checks = _doctor.judge(good())
    assert [one["check"] for one in checks if one["status"] != "ok"] == []
    assert {one["fix"] for one in checks} == {""}
    assert len({one["check"] for one in checks}) == len(_doctor.CHECKS)
    assert _doctor.worst(checks) == "ok"


NVIDIA = [{"vendor": "nvidia", "name": "A100"}] * 2
OLD = {"version": "3.9.2", "executable": None}


@pytest.mark.parametrize(
    ("name", "changes", "status", "seen"),
    [
        ("python", {"probe__capabilities": {"python-venv": False}}, "fail", "without venv"),
        ("python", {"probe__capabilities": {"python-venv": False}, "probe__sudo": True}, "warn", "without venv"),
        ("python", {"probe__capabilities": {"python-venv": False}, "probe__python": OLD}, "fail", "too old"),
        ("disk", {"probe__free__disk_bytes": 100 << 20}, "fail", "0.1 GiB free"),
        ("disk", {"probe__free__disk_bytes": 2 * GIB}, "warn", "2 GiB free"),
        ("memory", {"probe__free__memory_bytes": 100 << 20}, "fail", "0.1 GiB available of 64 GiB"),
        ("memory", {"probe__free__memory_bytes": GIB}, "warn", "1 GiB available"),
        ("memory", {"probe__free__memory_bytes": None}, "warn", "not told"),
        ("busy", {"busy": "20261122T003500Z-bert-3f9a"}, "fail", "run 20261122T003500Z-bert-3f9a"),
        ("governor", {"settings__governor": "powersave"}, "warn", "powersave"),
        ("governor", {"settings__governor": None}, "ok", "no frequency control"),
        ("huge pages", {"settings__transparent_hugepages": "never"}, "warn", "never"),
        ("huge pages", {"settings__transparent_hugepages": None}, "ok", "not in this kernel"),
        ("NUMA balancing", {"settings__numa_balancing": "1"}, "warn", "on, 2 NUMA nodes"),
        ("NUMA balancing", {"settings__numa_balancing": "1", "probe__cpu__numa_nodes": 1}, "ok", "on, 1 NUMA node"),
        ("swap", {"swap": {"total_bytes": GIB, "used_bytes": 0}}, "warn", "1024 MiB, 0 MiB in use, swappiness 60"),
        ("swap", {"swap": {"total_bytes": GIB, "used_bytes": 0}, "swappiness": 1}, "ok", "swappiness 1"),
        ("swap", {"swap": {"total_bytes": GIB, "used_bytes": 1 << 20}, "swappiness": 1}, "warn", "1 MiB in use"),
        ("open files", {"limits__nofile": (256, 1024)}, "warn", "256, at most 1024"),
        ("open files", {"limits__nofile": (1024, -1)}, "ok", "at most unlimited"),
        ("locked memory", {"asked__device": "cuda"}, "warn", "8 MiB"),
        ("locked memory", {"asked__device": "cuda", "limits__memlock": (-1, -1)}, "ok", "unlimited"),
        ("load", {"load": 1.7}, "warn", "1.70 on 16 threads"),
        ("load", {"load": 0.45, "probe__cpu__threads": 2}, "ok", "0.45 on 2 threads"),
        ("clock", {"clock": {"synchronised": False, "source": "the kernel"}}, "warn", "not synchronised, says the"),
        ("clock", {"clock": {"synchronised": None, "source": "the kernel"}}, "warn", "nothing here says"),
        ("virtualisation", {"probe__virtualisation": {"type": "container", "technology": "lxc"}}, "warn", "(lxc)"),
        ("accelerators", {"asked__device": "cuda"}, "fail", "none"),
        ("accelerators", {"asked__device": "cuda", "probe__accelerators": NVIDIA}, "ok", "2 x A100"),
        ("accelerators", {"asked__device": "rocm", "probe__accelerators": NVIDIA}, "fail", "2 x A100"),
        ("tuning", {"tuned": "fast"}, "warn", "profile fast is still in force"),
        ("tuning", {"tuned": "fast", "busy": "R"}, "ok", "for the run"),
    ],
)  # fmt: skip
def test_checks(name: str, changes: dict[str, Any], status: str, seen: str) -> None:
    found = check(name, **changes)
    assert (found["status"], seen in found["seen"]) == (status, True), found
    assert bool(found["fix"]) == (status != "ok")
    assert "{" not in found["wanted"] + found["fix"]


def test_lines_are_one_each_and_say_everything() -> None:
    facts = good()
    put(facts, "settings.governor", "powersave")
    lines = _doctor.text("server1", _doctor.judge(facts)).splitlines()
    assert lines[0] == "server1"
    assert len(lines) == 1 + len(_doctor.CHECKS)
    (line,) = [line for line in lines if "governor" in line]
    assert line == (
        "  warn  governor        powersave; wanted: performance; fix: set platform_tuning_profile: throughput-server"
    )


def answers(**texts: str) -> Callable[[list[str]], tuple[int, str]]:
    def run(command: list[str]) -> tuple[int, str]:
        return (0, texts[command[0]]) if command[0] in texts else (127, "")

    return run


@pytest.mark.parametrize(
    ("texts", "kernel", "synchronised", "source"),
    [
        ({"chronyc": "A29FC87B,time,3,1700000000.0,0.1,Normal\n"}, False, True, "chrony"),
        ({"chronyc": "00000000,,0,0.0,0.0,Not synchronised\n", "timedatectl": "yes"}, True, False, "chrony"),
        ({"ntpq": "leap=00\n"}, False, True, "ntpd"),
        ({"ntpq": "leap=11\n"}, True, False, "ntpd"),
        ({"timedatectl": "yes\n"}, False, True, "timedatectl"),
        ({"timedatectl": "no\n"}, True, False, "timedatectl"),
        ({"timedatectl": ""}, False, False, "the kernel"),
        ({}, None, None, "the kernel"),
    ],
)
def test_who_says_that_the_clock_is_right(
    tmp_path: Path, texts: dict[str, str], kernel: bool | None, synchronised: bool | None, source: str
) -> None:
    found = _doctor.clock(str(tmp_path), answers(**texts), lambda: kernel)
    assert found == {"synchronised": synchronised, "source": source}


def test_timesyncd_s_own_mark_counts(tmp_path: Path) -> None:
    mark = tmp_path / "run/systemd/timesync/synchronized"
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert _doctor.clock(str(tmp_path), answers(), lambda: False)["source"] == "systemd-timesyncd"


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ("Failed to connect: Host key verification failed.", "ssh-keyscan"),
        ("u@h: Permission denied (publickey).", "authorized_keys"),
        ("ssh: Could not resolve hostname x: Name or service not known", "ansible_host"),
        ("connect to host h port 22: Connection refused", "start sshd"),
        ("connect to host h port 22: Connection timed out", "port 22 reachable"),
        ("The module interpreter '/usr/bin/python3' was not found.", "install Python"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "install Python"),
        ("Missing sudo password", "sudo without a password"),
        ("something nobody has seen", "-m ping -vvv"),
        ("", "-m ping -vvv"),
    ],
)
def test_a_host_that_does_not_answer_is_explained(message: str, fix: str) -> None:
    found = _doctor.connection(message)
    assert found["status"] == "fail"
    assert fix in found["fix"]
    assert found["seen"]


def module(root: Path, executable: Path | str, **facts: Any) -> dict[str, dict[str, str]]:
    probe = good()["probe"] | facts
    arguments = {
        "ANSIBLE_MODULE_ARGS": {
            "root": str(root), "store_path": str(root / "store"), "executable": str(executable), "facts": probe,
            "_ansible_remote_tmp": str(root / "tmp"),
        }
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "plugins/modules/doctor.py"), json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["changed"] is False
    assert answer["failing"] == [one["check"] for one in answer["checks"] if one["status"] == "fail"]
    return {one["check"]: one for one in answer["checks"]}


def test_the_module_reads_the_machine_and_writes_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path)
    record = root / "var/lib/loadfleet/platform_tuning.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"profile": "fast", "boot_id": BOOT_ID}))
    before = sorted(root.rglob("*"))
    found = module(root, root / "nothing/bin/loadfleet")
    assert sorted(root.rglob("*")) == before
    assert found["governor"]["seen"] == "powersave"
    assert found["huge pages"]["seen"] == "madvise"
    assert found["swap"]["seen"] == "no swap space"
    assert found["load"]["seen"] == "0.10 on 16 threads"
    assert found["tuning"]["status"] == "warn"
    assert (found["environment"]["status"], found["environment"]["seen"]) == ("warn", "not prepared yet")


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_host_s_own_command_is_asked(tmp_path: Path) -> None:
    root = machine(tmp_path)
    line = {"check": "LoadGen", "status": "fail", "wanted": "installed", "seen": "no module", "fix": "prepare"}
    asked = script(root / "venv/bin/loadfleet", f"echo '{json.dumps({'checks': [line]})}'; exit 3")
    assert module(root, asked)["LoadGen"] == line
    old = script(root / "old/bin/loadfleet", "echo \"Error: No such command 'doctor'.\" >&2; exit 2")
    assert module(root, old)["environment"]["status"] == "warn"
    broken = script(root / "broken/bin/loadfleet", "echo 'bad interpreter' >&2; exit 126")
    found = module(root, broken)["environment"]
    assert found["status"] == "fail"
    assert "bad interpreter" in found["seen"]
    (root / "link").symlink_to(root / "gone")
    assert module(root, root / "link/bin/loadfleet")["environment"]["seen"] == "it is broken"


def test_the_controller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def found(hosts: int = 1, forks: int = 5) -> dict[str, dict[str, str]]:
        return {one["check"]: one for one in action.controller(hosts, forks)}

    assert found()["forks"]["status"] == "ok"
    assert found(hosts=6)["forks"]["fix"].startswith("ansible-playbook --forks 6")
    assert found()["loadfleet"]["status"] == "ok"
    monkeypatch.setattr(sys, "executable", script(tmp_path / "python", "true").as_posix())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found()["loadfleet"]["status"] == "warn"
    script(tmp_path / "loadfleet", "echo no such module >&2; exit 1")
    assert "no such module" in found()["loadfleet"]["seen"]
    monkeypatch.setattr(action, "ansible_version", "2.18.5")
    assert found()["ansible"]["status"] == "fail"
    monkeypatch.setattr(constants, "HOST_KEY_CHECKING", False, raising=False)
    assert found()["host keys"]["status"] == "warn"


def test_an_ignored_ansible_cfg_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def found() -> dict[str, str]:
        (one,) = [one for one in action.controller(1, 1) if one["check"] == "ansible.cfg"]
        return one

    monkeypatch.setattr(action, "PROJECT", str(tmp_path))
    monkeypatch.setattr(constants, "CONFIG_FILE", None, raising=False)
    assert found()["status"] == "ok"
    (tmp_path / "ansible.cfg").touch()
    assert found()["status"] == "warn"
    monkeypatch.setattr(constants, "CONFIG_FILE", str(tmp_path / "ansible.cfg"), raising=False)
    assert found()["status"] == "ok"
    tmp_path.chmod(0o777)
    assert "writable by everybody" in found()["seen"]
    assert f"chmod o-w {tmp_path}" in found()["fix"]
