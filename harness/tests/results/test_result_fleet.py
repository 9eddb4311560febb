"""What table and report say of the hosts of a run together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from result_builder import RUN_ID, result, run_folder

from loadfleet.cli.results import command
from loadfleet.results import RunResults
from loadfleet.results.fleet import lines, starts

if TYPE_CHECKING:
    from pathlib import Path

START = 1_795_307_700.0


def started(host: str, offset_ms: float, late_ms: float, doubt_ms: float = 4.0) -> dict[str, Any]:
    """A host whose clock is off began so long after the instant that was agreed on."""
    agreed = START + offset_ms / 1e3
    times = {
        "clock_offset_ms": offset_ms,
        "agreed_start": agreed,
        "loadgen_start": agreed + late_ms / 1e3,
        "start_late_ms": late_ms,
    }
    gate = {
        "policy": "drop", "clock_offset_ms": offset_ms, "clock_uncertainty_ms": doubt_ms, "differences": [],
        "dropped": [], "replaced": [],
    }  # fmt: skip
    return result(host=host, time=times, gate=gate)


def test_the_spread_is_told_on_one_clock(tmp_path: Path) -> None:
    run = RunResults.load(run_folder(tmp_path, started("a", -120.0, 0.25), started("b", 300.0, 7.5, 9.0)))
    (start,) = starts(run)
    assert start["spread_ms"] == pytest.approx(7.25, abs=0.01)
    assert (start["hosts"], start["uncertainty_ms"], start["late_ms"]) == (["a", "b"], 9.0, 7.5)
    (line,) = lines(run)
    assert line == (
        "2 hosts started within 7.25 ms of each other: bert/Offline/performance "
        "(their clocks are known to 9.00 ms; the last one 7.50 ms after the agreed time)"
    )


def test_one_host_or_no_agreement_has_no_spread(tmp_path: Path) -> None:
    assert lines(RunResults.load(run_folder(tmp_path / "one", started("a", 0.0, 0.1)))) == []
    alone = [result(host="a", time={"loadgen_start": START}), result(host="b", time={"loadgen_start": START + 9})]
    assert lines(RunResults.load(run_folder(tmp_path / "two", *alone))) == []


def test_the_gate_s_decisions_stand_in_table_report_and_summary(tmp_path: Path) -> None:
    run = run_folder(tmp_path, started("a", 0.0, 0.0), started("spare", 0.0, 0.0))
    gate = {
        "policy": "replace",
        "dropped": [
            {"host": "b", "reasons": ["its clock is 2.003 s ahead; fix: synchronise both"]},
            {"host": "c", "reasons": ["it is out of reach; fix: see above"]},
        ],
        "replaced": [{"host": "b", "by": "spare"}],
        "differences": [{"field": "kernel", "values": []}],
    }
    (run / "run.json").write_text(json.dumps({"run_id": RUN_ID, "hosts": ["a", "spare"], "gate": gate}))
    wanted = [
        "2 hosts started within 0 ms of each other: bert/Offline/performance (their clocks are known to 4.00 ms)",
        "b: spare ran in its place: its clock is 2.003 s ahead",
        "c: left out of the run: it is out of reach",
        "The hosts differ in kernel",
    ]
    printed = CliRunner().invoke(command, ["summary", str(run)])
    assert printed.exit_code == 0
    for line in wanted:
        assert f"{line}\n" in printed.output
    assert CliRunner().invoke(command, ["report", str(run)]).exit_code == 0
    assert json.loads((run / "summary.json").read_text())["fleet"] == wanted
    for line in wanted:
        assert f"<p>{line}</p>" in (run / "report.html").read_text()
