"""The agreed start: honoured, late, and given up where it means nothing."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent_helpers import LONG, ended, running, wait
from loadfleet.cell import control, plan, spec
from loadfleet.cell.start import Start
from loadfleet.errors import InputError
from loadfleet.loadgen.logs import DetailLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GATE = {
    "policy": "fail",
    "clock_offset_ms": -12.5,
    "clock_uncertainty_ms": 3.25,
    "differences": [{"field": "kernel", "values": [{"value": "6.1", "hosts": ["a"]}, {"value": None, "hosts": ["b"]}]}],
    "dropped": [],
    "replaced": [],
}


def result(folder: Path, mode: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / "toy/Offline" / mode / "result.json").read_text())
    return value


def test_waits_for_the_instant_and_prepares_just_before_it() -> None:
    prepared: list[float] = []
    agreed = time.time() + 0.2
    start = Start(agreed, lambda: prepared.append(time.time()))
    start.wait()
    # How close it comes is the machine's affair and measured elsewhere; here, that nothing happens in the wrong order.
    assert agreed <= start.began
    assert prepared[0] <= start.began
    assert start.times()["agreed_start"] == agreed


def test_an_instant_that_has_passed_starts_at_once_and_says_how_late() -> None:
    begin = time.time()
    start = Start(begin - 3, lambda: None)
    start.wait()
    late = start.times()["start_late_ms"]
    assert late >= 3000


def test_without_an_agreement_only_the_start_is_recorded() -> None:
    start = Start(None, lambda: None)
    start.wait()
    assert list(start.times()) == ["loadgen_s", "loadgen_start"]


def test_the_first_cell_starts_on_time_and_the_gate_s_findings_are_kept(make_run: Callable[..., Path]) -> None:
    agreed = time.time() + 12
    folder = make_run(start_at=agreed, gate=GATE)
    control.start(folder)
    assert wait(folder, ended)["exit_code"] == 0
    first, second = result(folder, "accuracy"), result(folder, "performance")
    times = first["time"]
    assert times["agreed_start"] == agreed
    # Recorded to the microsecond. How close it comes is a matter of measurements.
    assert round(agreed, 6) <= times["loadgen_start"] < agreed + 1
    assert times["start_late_ms"] == pytest.approx(1e3 * (times["loadgen_start"] - agreed), abs=0.01)
    assert times["loadgen_s"] < 5, "waiting is not measuring"
    # LoadGen's own word for the begin of the measured window.
    said = DetailLog.read(folder / "toy/Offline/accuracy/mlperf_log_detail.txt").values["power_begin"]
    began = datetime.strptime(said, "%m-%d-%Y %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
    assert 0 <= began - agreed + 0.001 < 1.5
    assert "agreed_start" not in second["time"]
    assert second["time"]["loadgen_start"] > times["loadgen_start"]
    for value in (first, second):
        assert value["time"]["clock_offset_ms"] == -12.5
        assert value["gate"] == GATE


def test_a_late_start_is_recorded(make_run: Callable[..., Path]) -> None:
    agreed = time.time() - 1
    folder = make_run(start_at=agreed, modes=["accuracy"])
    control.start(folder)
    assert wait(folder, ended)["exit_code"] == 0
    times = result(folder, "accuracy")["time"]
    assert times["agreed_start"] == agreed
    assert times["start_late_ms"] > 1000
    assert times["clock_offset_ms"] is None


def test_an_attempt_made_again_does_not_claim_the_agreed_start(make_run: Callable[..., Path]) -> None:
    folder = make_run(**LONG, start_at=time.time() + 2)
    control.start(folder)
    wait(folder, running)
    control.stop(folder, 2)
    control.start(folder)
    assert wait(folder, ended)["exit_code"] == 0
    cell = folder / "toy/SingleStream/performance"
    assert "agreed_start" not in json.loads((cell / "result.json").read_text())["time"]
    assert "start_at" not in json.loads((cell / "cell.json").read_text())


def test_only_the_first_cell_of_the_plan_has_the_start(run_file: dict[str, Any]) -> None:
    cells = plan.make(run_file | {"start_at": 1.8e9, "scenarios": ["Server", "Offline"]})
    assert [cell.get("start_at") for cell in cells] == [1.8e9, None, None, None]
    assert "start_at" not in plan.make(run_file | {"start_at": None, "gate": None})[0]


@pytest.mark.parametrize("change", [{"start_at": "noon"}, {"start_at": -1}, {"gate": {"policy": "ask"}}])
def test_a_start_or_gate_of_the_wrong_shape_is_refused(run_file: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        spec.check(run_file | change, "run", "run.json")
