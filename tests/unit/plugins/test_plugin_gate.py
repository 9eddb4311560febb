"""The fleet gate: clocks from both sides, hosts field by field, policies."""

from __future__ import annotations

import copy
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.loadfleet.mlperf.plugins.action import clock
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _gate, _probe

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = {"disk_mib": 1024.0, "memory_mib": 1024.0, "clock_ms": 400.0}
GIB = 1 << 30


def facts(**changes: Any) -> dict[str, Any]:
    """A host; a change is named by its path with __ between the keys."""
    host: dict[str, Any] = {
        "architecture": "x86_64",
        "cpu": {"model": "Example CPU", "cores": 8, "microcode": "0x1", "governor": "performance", "flags": ["avx2"]},
        "memory": {
            "total_bytes": 64 * GIB,
            "modules": [{"size_bytes": 32 * GIB, "type": "DDR5", "speed_mts": 4800}] * 2,
        },
        "storage": {"type": "NVMe SSD"},
        "accelerators": [],
        "os": {"name": "Debian GNU/Linux 12", "kernel": "6.1.0"},
        "python": {"executable": "/usr/bin/python3.11", "version": "3.11.2"},
        "environment": {"python": "3.11.2", "packages": {"onnxruntime": "1.23.2", "numpy": "2.2.0"}},
        "virtualisation": {"type": "none"},
        "free": {"disk_bytes": 100 * GIB, "memory_bytes": 60 * GIB},
    }
    host = copy.deepcopy(host)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = host
        for key in parents:
            place = place[key]
        place[last] = value
    return host


def ticks(offset: float = 0.5, doubt: float = 2.0) -> dict[str, Any]:
    return {"offset_ms": offset, "uncertainty_ms": doubt}


def decide(fleet: dict[str, Any], *, spares: tuple[str, ...] = (), missing: tuple[str, ...] = (), **more: Any) -> Any:
    clocks = more.pop("clocks", {})
    arguments = {"policy": "fail", "identical": False, "forks": 32, "limits": LIMITS, **more}
    return _gate.decide(
        members=[host for host in fleet if host not in spares] + list(missing), spares=list(spares), fleet=fleet,
        clocks={host: clocks.get(host, ticks()) for host in fleet}, **arguments,
    )  # fmt: skip


def test_equal_hosts_pass() -> None:
    decision = decide({"a": facts(), "b": facts()})
    assert decision["hosts"] == ["a", "b"]
    assert not any(decision[key] for key in ("problems", "dropped", "replaced", "spares", "differences", "seen"))


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"cpu__model": "Other CPU"}, "cpu model", "Other CPU"),
        ({"cpu__microcode": "0x2"}, "microcode", "0x2"),
        ({"cpu__governor": None}, "governor", None),
        ({"memory__total_bytes": 32 * GIB}, "memory", "32 GiB"),
        ({"memory__modules": []}, "memory modules", None),
        ({"accelerators": [{"name": "GPU", "driver": "550"}]}, "accelerator driver", "1 x 550"),
        ({"os__kernel": "6.2.0"}, "kernel", "6.2.0"),
        ({"environment__python": "3.12.1"}, "python", "3.12.1"),
        ({"environment__packages": {"onnxruntime": "1.22.0", "numpy": "2.2.0"}}, "package onnxruntime", "1.22.0"),
        ({"environment__packages": {"onnxruntime": "1.23.2"}}, "package numpy", None),
        ({"environment__packages": {}}, "environment", "missing"),
    ],
)
def test_each_field_is_compared(change: dict[str, Any], field: str, value: str | None) -> None:
    found = decide({"a": facts(), "b": facts(), "c": facts(**change)})["differences"]
    by_field = {one["field"]: one["values"] for one in found}
    assert by_field[field][0]["hosts"] == ["a", "b"]
    assert by_field[field][1] == {"value": value, "hosts": ["c"]}
    assert len(found) == (2 if "accelerators" in change else 1)


def test_a_few_bytes_of_memory_are_no_difference() -> None:
    assert decide({"a": facts(), "b": facts(memory__total_bytes=64 * GIB - (7 << 20))})["differences"] == []


def test_the_table_names_the_odd_hosts_of_a_big_fleet() -> None:
    fleet = {f"node{number}": facts() for number in range(20)} | {"odd": facts(os__kernel="6.9.9")}
    heading, common, odd = _gate.table(decide(fleet)["seen"])
    assert heading.split() == ["what", "differs", "value", "hosts"]
    assert common.split() == ["kernel", "6.1.0", "20", "others"]
    assert odd.split() == ["6.9.9", "odd"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"free__disk_bytes": 1000 << 20}, "1000 MiB of disk are free, the limit is 1024 MiB"),
        ({"free__memory_bytes": 1 << 20}, "1 MiB of memory are free"),
        ({"python__executable": None, "environment": None}, "no Python is fit"),
    ],
)
def test_unfit_hosts_are_named_with_a_fix(change: dict[str, Any], words: str) -> None:
    (problem,) = decide({"a": facts(), "b": facts(**change)})["problems"]
    assert problem.startswith("b: ")
    assert words in problem
    assert "; fix: " in problem


def test_an_environment_has_its_python_whatever_else_is_found() -> None:
    assert decide({"a": facts(python__executable=None)})["problems"] == []


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (ticks(399), None),
        (ticks(-399), None),
        (ticks(401), "401 ms ahead of the controller's, the limit is 400 ms"),
        (ticks(-2003), "2.003 s behind"),
        (ticks(0, 450), "only known to 450 ms"),
        ({"offset_ms": None, "uncertainty_ms": None}, "cannot be read"),
    ],
)
def test_clocks_are_judged_by_the_limit(measured: dict[str, Any], words: str | None) -> None:
    problems = decide({"a": facts()}, clocks={"a": measured})["problems"]
    assert len(problems) == (0 if words is None else 1)
    assert words is None or words in problems[0]


def test_a_host_that_is_not_there_counts() -> None:
    assert "b: it is out of reach" in decide({"a": facts()}, missing=("b",))["problems"][0]
    dropped = decide({"a": facts()}, missing=("b",), policy="drop")
    assert (dropped["hosts"], dropped["problems"]) == (["a"], [])
    assert [one["host"] for one in dropped["dropped"]] == ["b"]


def test_dropping_every_host_is_no_run() -> None:
    assert decide({"a": facts(free__disk_bytes=0)}, policy="drop")["problems"]


def test_spares_step_in_in_order_and_only_fit_ones() -> None:
    fleet = {
        "a": facts(),
        "b": facts(free__disk_bytes=0),
        "s1": facts(free__disk_bytes=0),
        "s2": facts(),
        "s3": facts(),
    }
    decision = decide(fleet, spares=("s1", "s2", "s3"), policy="replace")
    assert decision["hosts"] == ["a", "s2"]
    assert decision["replaced"] == [{"host": "b", "by": "s2"}]
    assert decision["spares"] == ["s1", "s3"]
    assert decision["problems"] == []
    short = decide(fleet, spares=("s1",), policy="replace")
    assert "unfit hosts: 1, fit spares: 0" in short["problems"][0]


def test_differences_can_be_refused_by_the_commonest_kind() -> None:
    fleet = {"a": facts(), "b": facts(), "c": facts(os__kernel="6.2.0")}
    (problem,) = decide(fleet, identical=True)["problems"]
    assert "c: it differs from the others: kernel is 6.2.0, elsewhere 6.1.0" in problem
    dropped = decide(fleet, identical=True, policy="drop")
    assert (dropped["hosts"], dropped["differences"], len(dropped["seen"])) == (["a", "b"], [], 1)
    tie = decide({"a": facts(), "c": facts(os__kernel="6.2.0")}, identical=True)
    assert "no kind of them is the commonest" in tie["problems"][0]


def test_forks_must_do_for_the_hosts_that_run() -> None:
    fleet = {"a": facts(), "b": facts(), "s": facts()}
    assert decide(fleet, spares=("s",), forks=2)["problems"] == []
    assert "2 hosts and 1 forks" in decide(fleet, spares=("s",), forks=1)["problems"][0]


def test_a_run_that_goes_on_keeps_its_hosts_and_is_not_judged_anew() -> None:
    gate = {"dropped": [{"host": "b", "reasons": ["full"]}], "replaced": [{"host": "b", "by": "s"}], "spares": ["t"]}
    record = {"hosts": ["a", "c", "s"], "gate": gate}
    fleet = {"a": facts(free__memory_bytes=0), "b": facts(), "s": facts(), "t": facts()}
    decision = _gate.again(record, ["a", "b", "c", "s", "t"], fleet)
    assert (decision["hosts"], decision["problems"]) == (["a", "s"], [])
    assert [one["host"] for one in decision["dropped"]] == ["b", "c"]
    assert decision["replaced"] == gate["replaced"]
    assert _gate.again({"hosts": ["a"]}, ["a"], {"a": facts()})["hosts"] == ["a"]


class Remote(clock.ActionModule):
    """A host behind a line: each sample takes `there` and `back` seconds; its clock is ahead by `offset`."""

    def __init__(self, offset: float, lines: list[tuple[float, float]], answer: str = "%.9f\n") -> None:
        self.offset, self.lines, self.answer = offset, lines, answer
        self.now = 1_795_307_700.0
        self._task = type("Task", (), {"args": {"samples": len(lines)}, "async_val": 0, "check_mode": False})()

    def time(self) -> float:
        return self.now

    perf_counter = time

    def _low_level_execute_command(self, cmd: str, sudoable: bool = True) -> dict[str, Any]:
        there, back = self.lines.pop(0)
        self.now += there
        text = self.answer % (self.now + self.offset) if "%" in self.answer else self.answer
        self.now += back
        return {"rc": 0, "stdout": text, "stderr": ""}


class Stepping(Remote):
    """A host whose clock is set five seconds ahead before every answer."""

    def _low_level_execute_command(self, cmd: str, sudoable: bool = True) -> dict[str, Any]:
        self.offset += 5.0
        return super()._low_level_execute_command(cmd, sudoable)


def measure(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(clock, "time", remote)
    monkeypatch.setattr(clock.ActionBase, "run", lambda *_: {})
    return remote.run()


@pytest.mark.parametrize("offset", [0.0, 2.0, -0.25])
@pytest.mark.parametrize("ways", [[(0.5, 0.01), (0.006, 0.002), (0.01, 0.3)], [(0.006, 0.3), (0.5, 0.002)]])
def test_the_shortest_ways_bound_the_error(
    offset: float, ways: list[tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measure(Remote(offset, list(ways)), monkeypatch)
    assert found["uncertainty_ms"] == pytest.approx(4.0, abs=0.01)
    assert found["offset_ms"] == pytest.approx(1e3 * offset + 2.0, abs=0.01)  # half of what the ways differ
    assert found["samples"] == len(ways)


def test_a_clock_that_is_set_meanwhile_is_taken_by_the_shortest_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Stepping(0.0, [(0.1, 0.1), (0.01, 0.01), (0.1, 0.1)])
    assert measure(remote, monkeypatch)["offset_ms"] == pytest.approx(10_000, abs=0.01)


def test_a_clock_without_fractions_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(Remote(0, [(0.01, 0.01)], "1795307700.N\n"), monkeypatch)
    assert (found["offset_ms"], found["uncertainty_ms"], found["samples"]) == (None, None, 0)


def test_this_machine_s_date_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    text = subprocess.run(["sh", "-c", clock.COMMAND], capture_output=True, text=True, check=True).stdout
    assert measure(Remote(0, [(0.01, 0.01)], "banner\n" + text), monkeypatch)["samples"] == 1


def test_packages_of_an_environment_are_read_from_its_files(tmp_path: Path) -> None:
    for name in ("onnxruntime-1.23.2.dist-info", "typing_extensions-4.15.0.dist-info", "numpy"):
        (tmp_path / "lib/python3.11/site-packages" / name).mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    assert _probe.environment(str(tmp_path)) == {
        "python": "3.11.2",
        "packages": {"onnxruntime": "1.23.2", "typing-extensions": "4.15.0"},
    }
    assert _probe.environment(str(tmp_path / "nowhere")) == {"python": None, "packages": {}}
