"""The gate before a run, the start that hosts agree on, and settings of single hosts."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from playground import RUN_ID

if TYPE_CHECKING:
    from pathlib import Path

    from playground import Site

pytestmark = pytest.mark.integration


@pytest.fixture
def fleet(site: Site) -> Site:
    """Two hosts and a spare, at the end of a connection."""
    site.connection, site.hosts, site.groups = "elsewhere", ["one", "two"], {"spare": ["extra"]}
    site.variables |= {"fleet_gate_spares": "spare", "benchmark_modes": ["performance"]}
    return site.with_stub()


def run_json(site: Site, host: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((site.store / host / "runs" / RUN_ID / "run.json").read_text())
    return value


def home_json(site: Site) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((site.results / RUN_ID / "run.json").read_text())
    return value


def ran(site: Site) -> list[str]:
    folder: Path = site.store
    return sorted(path.parts[-3] for path in folder.glob(f"*/runs/{RUN_ID}"))


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_hosts_agree_on_a_start_on_clocks_that_differ(fleet: Site) -> None:
    fleet.clocks = {"two": 0.25}
    begin = time.time()
    play = fleet.play("run", benchmark_run_id=RUN_ID, benchmark_start_lead_s=30)
    assert play.code == 0, play.text
    assert ran(fleet) == ["one", "two"], "a spare runs only in the place of another"
    one, two, home = run_json(fleet, "one"), run_json(fleet, "two"), home_json(fleet)
    assert home["hosts"] == ["one", "two"]
    assert begin + 30 < home["start_at"] < time.time() + 30
    for host, run in (("one", one), ("two", two)):
        offset, doubt = run["gate"]["clock_offset_ms"], run["gate"]["clock_uncertainty_ms"]
        assert abs(offset - 1e3 * fleet.clocks.get(host, 0)) <= doubt < 100
        # A difference that may as well be none is not corrected.
        corrected = offset if abs(offset) > doubt else 0
        assert run["start_at"] - home["start_at"] == pytest.approx(corrected / 1e3, abs=1e-4)
        assert home["gate"]["clocks"][host] == {"offset_ms": offset, "uncertainty_ms": doubt}
    assert two["start_at"] - one["start_at"] == pytest.approx(0.25, abs=0.1)
    assert (one["gate"]["policy"], one["gate"]["differences"], one["gate"]["dropped"]) == ("fail", [], [])


def test_a_wrong_clock_ends_the_play_before_anything_runs(fleet: Site) -> None:
    fleet.clocks = {"two": -2.0}
    play = fleet.play("run", benchmark_run_id=RUN_ID)
    assert play.code == 2
    said = words(play.text)
    assert re.search(r"two: its clock is (2\.\d+|1\.9\d+) s behind the controller's, the limit is 400 ms; fix:", said)
    assert "one: its" not in said
    assert ran(fleet) == []
    assert not fleet.results.exists()


@pytest.mark.parametrize(("drop_ok", "code"), [(False, 2), (True, 0)])
def test_an_unfit_host_is_dropped_and_named(fleet: Site, drop_ok: bool, code: int) -> None:
    fleet.clocks = {"one": 3.0}
    play = fleet.play("run", benchmark_run_id=RUN_ID, fleet_gate_policy="drop", fleet_gate_drop_ok=drop_ok)
    assert play.code == code, play.text
    assert re.search(r"^one +unfit: its clock is (3|2\.9)", play.text, re.MULTILINE)
    assert ran(fleet) == ["two"]
    assert "TABLE two: finished, exit 0" in play.text
    assert home_json(fleet)["hosts"] == ["two"]
    for gate in (run_json(fleet, "two")["gate"], home_json(fleet)["gate"]):
        assert gate["policy"] == "drop"
        assert [one["host"] for one in gate["dropped"]] == ["one"]
        assert "ahead of the controller's" in gate["dropped"][0]["reasons"][0]


def test_a_spare_takes_the_place_of_an_unfit_host(fleet: Site) -> None:
    fleet.clocks = {"two": 3.0}
    play = fleet.play("run", benchmark_run_id=RUN_ID, fleet_gate_policy="replace")
    assert play.code == 0, play.text
    assert "extra takes its place" in play.text
    assert ran(fleet) == ["extra", "one"]
    assert home_json(fleet)["hosts"] == ["one", "extra"]
    assert run_json(fleet, "extra")["gate"]["replaced"] == [{"host": "two", "by": "extra"}]


def test_too_few_spares_end_the_play(fleet: Site) -> None:
    fleet.clocks = {"two": 3.0, "extra": 5.0}
    play = fleet.play("run", benchmark_run_id=RUN_ID, fleet_gate_policy="replace")
    assert play.code == 2
    assert "unfit hosts: 1, fit spares: 0" in words(play.text)
    assert ran(fleet) == []


def test_a_host_out_of_reach_is_not_run_without(fleet: Site) -> None:
    (fleet.path / "cut-two").touch()
    play = fleet.play("run", benchmark_run_id=RUN_ID)
    assert play.code != 0
    assert re.search("two: cannot be reached .*; fix: ", words(play.text))
    assert ran(fleet) == []


def test_a_run_that_goes_on_does_so_without_a_host_that_is_away(fleet: Site) -> None:
    assert fleet.play("run", benchmark_run_id=RUN_ID).code == 0
    fleet.clocks = {"one": 9.0}  # for a new run this would do
    (fleet.path / "cut-two").touch()
    play = fleet.play("run", benchmark_run_id=RUN_ID)
    assert play.code != 0
    assert f"adopts run {RUN_ID}" in play.text
    assert re.search("^two +unfit: it is out of reach", play.text, re.MULTILINE)
    assert "TABLE one: finished, exit 0" in play.text
    assert home_json(fleet)["gate"]["dropped"] == [], "the decision that counts is the first"
    assert ran(fleet) == ["one", "two"]


@pytest.mark.parametrize("identical", [False, True])
def test_differences_are_named_host_by_host(fleet: Site, identical: bool) -> None:
    fleet.hosts = ["one", "two", "three"]
    for host, version in (("one", "1.23.2"), ("two", "1.23.2"), ("three", "1.22.0")):
        package = fleet.path / f"venv-{host}/lib/python3.11/site-packages/onnxruntime-{version}.dist-info"
        package.mkdir(parents=True)
    fleet.variables["python_venv_path"] = f"{fleet.path}/venv-{{{{ inventory_hostname }}}}"
    play = fleet.play("run", benchmark_run_id=RUN_ID, fleet_gate_identical=identical)
    assert re.search(r"package onnxruntime +1\.23\.2 +one, two\n +1\.22\.0 +three", play.text)
    if identical:
        assert play.code == 2
        assert "package onnxruntime is 1.22.0, elsewhere 1.23.2" in words(play.text)
        assert ran(fleet) == []
        return
    assert play.code == 0, play.text
    assert "hosts differ in package onnxruntime" in words(play.text)
    expected = [
        {
            "field": "package onnxruntime",
            "values": [{"value": "1.23.2", "hosts": ["one", "two"]}, {"value": "1.22.0", "hosts": ["three"]}],
        }
    ]
    assert run_json(fleet, "three")["gate"]["differences"] == expected


def test_fewer_forks_than_hosts_are_refused(fleet: Site) -> None:
    play = fleet.play("run", "--forks", "1", benchmark_run_id=RUN_ID)
    assert play.code == 2
    assert "2 hosts and 1 forks" in words(play.text)
    assert ran(fleet) == []


def test_limits_of_disk_and_memory_hold(fleet: Site) -> None:
    play = fleet.play("run", benchmark_run_id=RUN_ID, fleet_gate_disk_mib=1 << 40, fleet_gate_memory_mib=1 << 40)
    assert play.code == 2
    said = words(play.text)
    for host in fleet.hosts:
        assert re.search(rf"{host}: \d+ MiB of disk are free, the limit is 1099511627776 MiB; fix:", said)
        assert re.search(rf"{host}: \d+ MiB of memory are free", said)
    assert ran(fleet) == []


def test_check_mode_names_an_unfit_host_and_goes_on(fleet: Site) -> None:
    fleet.clocks = {"two": 3.0}
    play = fleet.play("run", "--check")
    assert play.code == 0, play.text
    assert "two: its clock is" in words(play.text)
    assert not fleet.store.exists()


def test_one_host_waits_for_nobody(site: Site) -> None:
    play = site.with_stub().play("run", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    run = run_json(site, "localhost")
    assert run["start_at"] is None
    assert abs(run["gate"]["clock_offset_ms"]) <= run["gate"]["clock_uncertainty_ms"]


def test_each_host_has_settings_of_its_own(fleet: Site) -> None:
    """Variables of a host or of a group of hosts win over those of all hosts, in that host's run file alone."""
    fleet.groups |= {"small": ["two"]}
    fleet.host_variables = {
        "one": {"benchmark_threads": 3, "benchmark_target_qps": {"Offline": 12.5}},
        "two": {"benchmark_scenarios": ["Offline", "SingleStream"], "benchmark_batch_size": 4},
    }
    play = fleet.play("run", benchmark_run_id=RUN_ID)
    assert play.code == 0, play.text
    assert " bert: Offline; performance (on one)\n" in play.text
    assert "cells    bert: Offline, SingleStream; performance (on two)\n" in play.text
    one, two = run_json(fleet, "one"), run_json(fleet, "two")
    assert (one["threads"], one["target_qps"], one["batch_size"]) == (3, {"Offline": 12.5}, None)
    assert (two["threads"], two["target_qps"], two["batch_size"]) == (None, {}, 4)
    assert [run["scenarios"] for run in (one, two)] == [["Offline"], ["Offline", "SingleStream"]]
    home = fleet.results / RUN_ID
    assert sorted(str(path.relative_to(home).parent) for path in home.glob("*/bert/*/*/result.json")) == [
        "one/bert/Offline/performance",
        "two/bert/Offline/performance",
        "two/bert/SingleStream/performance",
    ]


def test_wrong_settings_of_any_host_are_refused_once(fleet: Site) -> None:
    fleet.host_variables = {
        "two": {"benchmark_thread": 4, "fleet_gate_policy": "drop"},
        "extra": {"benchmark_thread": 4},
    }
    play = fleet.play("check")
    assert play.code == 2
    assert "unknown variable benchmark_thread; fix: did you mean benchmark_threads? (on two, extra)" in words(play.text)
    assert "differs between hosts" not in play.text, "first things first"
    fleet.host_variables["two"].pop("benchmark_thread")
    fleet.host_variables.pop("extra")
    play = fleet.play("check")
    assert play.code == 2
    assert "fleet_gate_policy differs between hosts: fail on one, extra; drop on two" in words(play.text)


def test_two_names_for_one_machine_are_refused(fleet: Site) -> None:
    play = fleet.play("check", fleet_gate_one_machine_ok=False)
    assert play.code == 2
    assert "one, two, extra are one machine (boot id " in words(play.text)


def test_limits_of_single_hosts_hold(fleet: Site) -> None:
    fleet.host_variables = {"two": {"fleet_gate_memory_mib": 1 << 40}}
    play = fleet.play("run", benchmark_run_id=RUN_ID)
    assert play.code == 2
    said = words(play.text)
    assert re.search(r"two: \d+ MiB of memory are free, the limit is 1099511627776 MiB", said)
    assert "one: " not in said
