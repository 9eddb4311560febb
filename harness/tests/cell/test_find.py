"""Searches with real LoadGen on a backend whose speed is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from agent_helpers import ended, wait
from loadfleet.cell import control
from loadfleet.cli import cli
from loadfleet.errors import InputError, LoadfleetError
from loadfleet.results import model as results
from toy import SLOW_S

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH: dict[str, Any] = {
    "execution": "find", "backend": "slow", "query_count": None, "instances": None, "threads": None,
}  # fmt: skip


def search(folder: Path) -> dict[str, Any]:
    """The search's result, checked against the schema."""
    control.start(folder)
    status = wait(folder, ended)
    assert status["exit_code"] == 0, status
    [cell] = status["cells"]
    return dict(results.load(folder / cell["id"] / "result.json").raw)


def edge(service_s: float, bound_s: float) -> float:
    """The highest rate at which 99 % of queries, one after the other and arriving at random, are within the bound."""
    gaps = np.random.default_rng(1).exponential(1.0, 1_000_000)
    low, high = 0.0, 1 / service_s
    for _ in range(20):
        rate = (low + high) / 2
        arrivals, worked = np.cumsum(gaps / rate), service_s * np.arange(1, len(gaps) + 1)
        latencies = worked + np.maximum.accumulate(arrivals - worked + service_s) - arrivals
        low, high = (rate, high) if np.quantile(latencies, 0.99) <= bound_s else (low, rate)
    return low


def test_a_search_that_was_stopped_goes_on_and_later_runs_use_what_it_found(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run(**SEARCH, scenarios=["SingleStream"], find_minutes=0.5, run_id="20260102T030405Z-toy-00f1")
    cell = folder / "toy/SingleStream/find"
    control.start(folder)
    wait(folder, lambda status: (cell / "02").exists())
    assert control.stop(folder, 5)
    first = (cell / "01/probe.json").stat().st_mtime
    result = search(folder)
    assert (cell / "01/probe.json").stat().st_mtime == first
    assert result["search"]["chosen"] == {"threads": 1}
    assert 0.95e3 * SLOW_S <= result["metric"]["value"] <= 16e3 * SLOW_S
    assert (result["validity"]["submittable"], result["validity"]["loadgen"]) == (False, None)
    assert "nothing to submit" in result["validity"]["reasons"][0]
    [probe, *_] = result["search"]["probes"]
    assert (probe["where"], probe["valid"]) == ("01", True)
    assert (cell / "01/mlperf_log_detail.txt").exists()
    assert (cell / "01/replay.sh").exists()

    later = make_run(
        **SEARCH | {"execution": "test", "query_count": 64}, scenarios=["SingleStream"], modes=["performance"],
        run_id="20260102T030405Z-toy-00f2",
    )  # fmt: skip
    assert search(later)["found"]["settings"] == {"threads": 1}
    assert search(later)["backend"]["options"]["threads"] == 1
    [planned] = json.loads((later / "plan.json").read_text())["cells"]
    assert planned["backend"]["threads"] is None  # what the user said stays as it was


def test_from_a_run_file_by_command(make_run: Callable[..., Path]) -> None:
    """The run file is of a test; the search has a run of its own, and is told in words and in JSON."""
    asked = make_run(**SEARCH | {"execution": "test", "query_count": 64}, scenarios=["Offline"])
    words = ["tune", "run", str(asked / "run.json"), "--scenario", "SingleStream", "--budget", "0.05"]
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["exit_code"], told["phase"], len(told["searches"])) == (0, "finished", 1)
    [search] = told["searches"]
    assert search["cell"] == "toy/SingleStream/find"
    assert set(search["chosen"]) == {"threads"}
    assert "probe 1: threads" in done.stderr
    folder = Path(told["run_dir"])
    assert folder != asked
    assert json.loads((asked / "run.json").read_text())["execution"] == "test"
    again = CliRunner().invoke(cli, ["tune", "run", str(folder / "run.json")])  # adopted: it is done
    assert again.exit_code == 0, again.output
    assert "Chosen: threads" in again.output
    assert "nothing to submit" not in again.output


def test_what_cannot_be_searched(make_run: Callable[..., Path], tmp_path: Path) -> None:
    for words, status in (
        ([str(tmp_path / "none.json")], 2),
        ([str(make_run(**SEARCH, scenarios=["Offline"]) / "run.json"), "--scenario", "Sever"], 2),
        ([str(make_run(**SEARCH | {"backend": "openvino", "device": "tpu"}) / "run.json")], 2),
    ):
        done = CliRunner().invoke(cli, ["tune", "run", *words])
        assert isinstance(done.exception, LoadfleetError)
        assert done.exception.exit_code == status
        assert done.exception.fix
    counted = make_run(execution="find", query_count=64)
    with pytest.raises(InputError, match="execution find chooses its own lengths"):
        control.start(counted)


def test_the_highest_rate_of_a_server(make_run: Callable[..., Path]) -> None:
    bound_ms = 100e3 * SLOW_S  # nobody else on the machine keeps it busy for so long
    folder = make_run(
        **SEARCH | {"instances": 1, "threads": 1}, scenarios=["Server"], batch_size=1, find_minutes=0.3,
        target_latency_ms={"Server": bound_ms},
    )  # fmt: skip
    result = search(folder)
    found, probes = result["metric"]["value"], result["search"]["probes"]
    known = edge(SLOW_S, bound_ms / 1e3)
    # Whatever else the machine does takes from what there is, half of it easily; short probes err a little.
    assert 0.2 * known <= found <= 1.15 * known
    assert 0.94 * found <= result["search"]["chosen"]["target_qps"] <= found
    asked = [(probe["settings"].get("target_qps"), probe["valid"]) for probe in probes]
    assert (found, True) in asked
    assert all(probe["late"] <= 0.01 * probe["queries"] for probe in probes if probe["valid"])
    assert [probe["where"] for probe in probes] == [f"{number:02d}" for number in range(1, len(probes) + 1)]
    assert len(probes) <= 13
