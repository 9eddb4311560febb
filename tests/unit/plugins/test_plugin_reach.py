"""What a bare host says, what variables say, and what a fleet as a whole says, before anything is touched."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure, AnsibleFilterError
from ansible_collections.loadfleet.mlperf.plugins.filter.systems import systems
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _connection, _gate, _muster, _preflight, _reach
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils import _explained

ROOT = Path(__file__).resolve().parents[3]
CHANGED = """\
Failed to connect to the host via ssh: @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
The fingerprint for the ED25519 key sent by the remote host is
SHA256:abcDEF123+/.
Please contact your system administrator.
Offending ED25519 key in /home/you/.ssh/known_hosts:7
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("message", "kind", "seen", "fix"),
    [
        (CHANGED, "connection", "now shows SHA256:abcDEF123+/", "ssh-keygen -R 10.0.0.1 -f /home/you/.ssh/known_hosts"),
        ("No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
         "connection", "No ED25519 host key is known for h", "ssh-keyscan 10.0.0.1"),
        ('Data could not be sent to remote host "h". Make sure this host can be reached over ssh: you@h: Permission '
         "denied (publickey).", "connection", "you@h: Permission denied (publickey).", "authorized_keys"),
        ("ssh: connect to host h port 22: No route to host", "connection", "No route to host", "the host is up"),
        ("The module interpreter '/usr/bin/python9' was not found.", "environment", "python9", "install Python 3.8"),
        ("Traceback (most recent call last):\nOSError: [Errno 28] No space left on device", "environment", "Errno 28",
         "free some space"),
        ("OSError: [Errno 30] Read-only file system: '/x'", "environment", "Read-only", "mount"),
        ("sudo: a password is required", "environment", "a password is required", "ansible_become_password"),
        ("Traceback (most recent call last):\nZeroDivisionError: division by zero", "unknown", "division by zero",
         "ansible one -m ping"),
        ("", "unknown", "no reason given", "ansible one -m ping"),
    ],
)  # fmt: skip
def test_what_was_printed_is_explained(message: str, kind: str, seen: str, fix: str) -> None:
    reason = _connection.explain(message, "one", "10.0.0.1")
    assert reason.kind == kind
    assert seen in reason.seen
    assert fix in reason.fix
    assert "Failed to connect to the host via" not in reason.seen


def look(store: Path | str, **python: str) -> dict[str, str]:
    script = _reach.script(str(store), str(store), [python.get("python", "python3")])
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    return _reach.parse("Welcome!\n" + done.stdout)


def test_a_good_host_has_nothing_against_it_and_is_left_alone(tmp_path: Path) -> None:
    facts = look(tmp_path / "a b/store")
    assert _reach.reasons(facts, ["python3"], 1) == []
    assert list(tmp_path.iterdir()) == []
    assert facts["store-place"] == str(tmp_path)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    assert _reach.machine(facts).startswith(boot)


def test_each_lack_has_its_value_and_its_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (words, fix), *_ = _reach.reasons(look(tmp_path / "file/store"), ["python3"], 0)
    assert "goes through" in words
    assert "set store_path" in fix
    ((words, fix),) = _reach.reasons(look(tmp_path), ["python3"], 1 << 40)
    assert re.search(r"\d+ MiB are free on its disk .* the limit is 1099511627776 MiB", words)
    assert "fleet_gate_disk_mib" in fix
    ((words, fix),) = _reach.reasons(look(tmp_path, python="/no/python"), ["/no/python"], 0)
    assert "no /no/python" in words
    assert "ansible_python_interpreter" in fix
    ((words, _fix),) = _reach.reasons({**look(tmp_path), "version": "3.6.15"}, ["python3"], 0)
    assert "3.6.15" in words


@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_a_folder_that_cannot_be_written(mode: str) -> None:
    facts = {"python": "p", "version": "3.11.2", "user": "bench", "store": "/s/t", "store-place": "/s",
             "store-write": "no", "store-mode": mode, "store-disk": "/s"}  # fmt: skip
    ((words, fix),) = _reach.reasons(facts, ["p"], 0)
    assert ("mounted read-only at /s" in words) == (mode == "ro")
    assert ("chown bench /s" in fix) == (mode == "rw")


def test_misspelt_names_are_told_with_what_was_meant() -> None:
    known = _preflight.options(str(ROOT / "roles"))
    names = [
        "benchmark_thread",
        "fleet_gate_result",
        "fleet_gate_zzzzzz",
        "store_pth",
        "model_of_mine",
        "benchmark_hosts",
    ]
    found, doubtful = _preflight.misspelt(names, known, ["fleet_gate_result"])
    assert [one.split(";")[0] for one in found] == [
        "unknown variable benchmark_thread",
        "unknown variable fleet_gate_zzzzzz",
    ]
    assert "did you mean benchmark_threads?" in found[0]
    assert "use one of fleet_gate_policy" in found[1]
    assert doubtful == ["variable store_pth is none of Loadfleet's; did you mean store_path?"]


def test_every_fact_that_tasks_set_is_known() -> None:
    facts = set(yaml.safe_load((ROOT / "roles/benchmark/vars/main.yml").read_text())["_benchmark_facts"])
    for path in (ROOT / "roles").glob("*/tasks/*.yml"):
        for task in yaml.safe_load(path.read_text()):
            for fact in task.get("ansible.builtin.set_fact", {}):
                assert fact in facts or not fact.startswith(_preflight.OURS), fact


def test_values_and_run_ids() -> None:
    choice = {"variable": "benchmark_model", "given": ["bert-lage", ""], "known": ["/x/bert-large.yml", "/x/other.yml"]}
    (found,) = _preflight.wrong([choice])
    assert found == (
        "benchmark_model is bert-lage, which does not exist; fix: did you mean bert-large? use one of bert-large, other"
    )
    many = {"variable": "benchmark_model", "given": ["bert-lage"], "known": ["bert-large", *map(str, range(30))]}
    (found,) = _preflight.wrong([many])
    assert found.endswith("use one of bert-large ... (`loadfleet catalogue list` shows all 31)")
    assert _preflight.run_id("") == _preflight.run_id("20261122T003500Z-bert-3f9a") == []
    assert "tuesday" in _preflight.run_id("tuesday")[0]


def test_what_all_hosts_have_is_said_once() -> None:
    assert _preflight.together({"a": ["x", "y"], "b": ["x"]}) == ["x", "y (on a)"]


def test_an_inventory_that_names_nobody(tmp_path: Path) -> None:
    assert "does not exist" in _muster.nobody([str(tmp_path / "no.yml")], {"all": []}, "")[0]
    assert "read no host" in _muster.nobody([str(tmp_path)], {"all": []}, "")[0]
    assert "has the groups power" in _muster.nobody(["i"], {"all": ["m"], "sut": [], "power": ["m"]}, "")[0]
    assert _muster.nobody([], {"all": []}, "") == _muster.nobody(["i"], {"all": ["m"], "sut": []}, "power") == []


def test_a_fleet_as_a_whole(tmp_path: Path) -> None:
    (double,) = _muster.doubles({"a": "1 x", "b": "1 x", "c": "1 y", "d": "", "e": ""})
    assert double.startswith("a, b are one machine (boot id 1)")
    assert _muster.forks(3, 3) == []
    assert "--forks 3" in _muster.forks(3, 2)[0]
    assert _muster.results(str(tmp_path / "new/results")) == []
    (tmp_path / "file").touch()
    assert "is a file" in _muster.results(str(tmp_path / "file/results"))[0]
    assert "Read-only" in _muster.results("/proc/sys/x")[0] or "No such" in _muster.results("/proc/sys/x")[0]
    assert _muster.lost(["a"], [], ["a"], "fail") == _muster.lost(["a", "b"], [], ["a"], "drop") == []
    assert "unfit: b" in _muster.lost(["a", "b"], [], ["a"], "fail")[0]
    assert _muster.lost(["a", "b"], ["s"], ["a", "s"], "replace") == []
    assert "fit spares: 0" in _muster.lost(["a", "b"], ["s"], ["a"], "replace")[0]


def test_hosts_have_limits_of_their_own_and_one_policy() -> None:
    own = {"a": {"fleet_gate_policy": "fail", "disk_mib": 9}, "b": {"fleet_gate_policy": "drop", "disk_mib": 5}}
    assert _gate.unsettled(own)[0].startswith("fleet_gate_policy differs between hosts: fail on a; drop on b; fix:")
    facts = {"free": {"disk_bytes": 7 << 20}, "python": {"executable": "p", "version": "3.11"}}
    clock = {"offset_ms": 0.0, "uncertainty_ms": 1.0}
    limits = {"disk_mib": 1.0, "memory_mib": 0.0, "clock_ms": 400.0}
    decision = _gate.decide(
        ["a", "b", "c"], [], {"a": facts, "b": facts}, {"a": clock, "b": clock}, limits, "drop", False, 9,
        own={host: {"disk_mib": one["disk_mib"]} for host, one in own.items()}, lost={"c": "cannot be reached"},
    )  # fmt: skip
    assert decision["hosts"] == ["b"]
    assert {one["host"]: one["reasons"][0][:20] for one in decision["dropped"]} == {
        "a": "7 MiB of disk are fr",
        "c": "cannot be reached",
    }


def test_hosts_of_a_play() -> None:
    groups = {"all": ["a", "b"], "sut": ["a"], "ungrouped": []}
    assert systems(groups) == ["a"]
    assert systems({"all": ["b"]}) == ["b"]
    assert systems({"all": []}) == ["localhost"]
    for pattern in ("sut", "a:b", "all:!a", "*", "localhost"):
        assert systems(groups, pattern) == pattern
    with pytest.raises(AnsibleFilterError, match="no host or group sutt; fix: did you mean sut"):
        systems(groups, "a,sutt")


class Action:
    """What the decorator needs of an action plugin."""

    class _connection:  # noqa: N801 - Ansible's name
        class _shell:  # noqa: N801 - Ansible's name
            tmpdir = "/tmp/x"  # noqa: S108 - nothing is there


def test_a_lost_host_is_unreachable_in_words() -> None:
    def run(_self: Any, _tmp: Any = None, _vars: Any = None) -> dict[str, Any]:
        raise AnsibleConnectionFailure("ssh: connect to host h port 22: Connection refused")

    action = Action()
    result = _explained.explained(run)(action, None, {"inventory_hostname": "one"})
    assert result["unreachable"]
    assert "failed" not in result
    assert result["msg"].splitlines()[0] == "one cannot be reached (class connection)"
    assert action._connection._shell.tmpdir is None
    assert _connection.inline(result["msg"]).endswith("Connection refused; fix: start sshd there, or set ansible_port")


def test_a_module_that_could_not_run_is_explained_and_one_that_failed_is_left() -> None:
    crashed = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "OSError: [Errno 28] No space left on device"}
    assert "one cannot run a module (class environment)" in _explained.understood(
        crashed, {"inventory_hostname": "one"}
    )["msg"]  # fmt: skip
    own = {"failed": True, "msg": "no; fix: yes", "rc": 2}
    assert _explained.understood(own, {}) is own
