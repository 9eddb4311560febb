"""Every failure of a run explained, from whatever the run left: cells, hosts, results that are bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.results import failure as failures
from loadfleet.results.failure import Failure
from loadfleet.results.judge import judge

if TYPE_CHECKING:
    from loadfleet.results.model import CellOutcome, HostResults, RunResults


def explain(run: RunResults, cell: CellOutcome) -> Failure | None:
    """Why a cell has no good result; None when it has one. What befell its whole host explains a cell without own."""
    judged = judge(cell, run)
    if judged.outcome == "good":
        return None
    if cell.failure:
        return cell.failure
    if cell.result:
        kind, fix = failures.of_result(cell.result.raw)
        command = " ".join([*cell.result.prefix, *cell.result.argv])
        replay = next((str(path) for path in (cell.folder / "replay.sh",) if path.is_file()), "")
        reasons = tuple(judged.reasons)
        return Failure(kind, cell.host, cell.cell, reasons[0], fix, command, reasons[1:], _on_host(run, cell, replay))
    host = next(host for host in run.hosts if host.name == cell.host)
    return of_host(run, host)


def of_host(run: RunResults, host: HostResults) -> Failure | None:
    """Why a host did not finish its run; None when it did."""
    if host.failure:
        return host.failure
    if host.phase == "finished":
        kind, error = "unknown", "cells of this host left no result"
    elif host.phase:
        kind = "interrupted"
        error = host.message or f"the run was {host.phase} when its logs were brought home"
    elif host.path.is_dir():
        kind, error = "unknown", "this host came back without a status: its agent was never started"
    else:
        kind, error = "connection", "nothing came back from this host"
    fix = f"loadfleet resume {run.run_id}" if kind != "unknown" else failures.fix_of(kind)
    command = f"loadfleet agent start {host.status['run_dir']}" if host.status.get("run_dir") else ""
    return Failure(kind, host.name, "", error, fix, command, failures.tail(host.path / "agent.log"))


def all_of(run: RunResults) -> list[Failure]:
    """Every failure of a run once: those of hosts, then those of cells."""
    found: list[Failure] = []
    for cell in run.cells:
        failure = explain(run, cell)
        if failure and failure not in found:
            found.append(failure)
    for host in run.hosts:
        if host.failure and host.failure not in found:
            found.append(host.failure)
    return sorted(found, key=lambda failure: bool(failure.cell))


def _on_host(run: RunResults, cell: CellOutcome, here: str) -> str:
    """The path of replay.sh on the host, from the store the host's own run.json names."""
    if not here:
        return ""
    host = next(host for host in run.hosts if host.name == cell.host)
    store = host.spec.get("store_path")
    return f"{store}/runs/{run.run_id}/{cell.cell}/replay.sh" if store else here
