"""A CSV file: one line for each cell, numbers as numbers, the unit in a column of its own or in the column's name."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from loadfleet.results.judge import judge

if TYPE_CHECKING:
    from loadfleet.results.model import CellOutcome, Result, RunResults

HELP = "a CSV file, one line for each cell"
_LATENCIES = ("min", "mean", "p50", "p90", "p95", "p97", "p99", "p99.9", "max")


def export(run: RunResults) -> str:
    """Lines end in CR LF, as RFC 4180 wants; an empty field is a value that does not exist."""
    rows = [{**_cell(run, cell), **(_result(cell.result) if cell.result else {})} for cell in run.cells]
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _cell(run: RunResults, cell: CellOutcome) -> dict[str, Any]:
    judged = judge(cell, run)
    return {
        "run_id": run.run_id,
        "host": cell.host,
        "workload": cell.result.workload if cell.result else cell.label,
        "scenario": cell.scenario,
        "mode": cell.mode,
        "state": cell.state,
        "outcome": judged.outcome,
        "reasons": "; ".join(judged.reasons),
    }


def _result(result: Result) -> dict[str, Any]:
    metric, accuracy, validity = result.metric, result.accuracy, result.validity
    return {
        "metric": metric.name if metric else None,
        "value": metric.value if metric else None,
        "unit": metric.unit if metric else None,
        "loadgen": validity.loadgen,
        "execution": validity.execution,
        "submittable": validity.submittable,
        "accuracy_metric": accuracy.metric if accuracy else None,
        "accuracy_percent": accuracy.value if accuracy else None,
        "accuracy_target_percent": accuracy.target if accuracy else None,
        "accuracy_met": accuracy.met if accuracy else None,
        **{f"latency_{name}_ms": (result.latency or {}).get(name) for name in _LATENCIES},
        "round": result.round,
        "system": result.system.name,
        "model": result.model.name,
        "precision": result.model.precision,
        "model_digest": result.model.digest,
        "dataset": result.dataset.name,
        "samples": result.dataset.samples,
        "backend": result.backend.name,
        "device": result.backend.device,
        "loadgen_version": result.loadgen.version,
        "started": result.time.started,
        "finished": result.time.finished,
        "loadgen_s": result.time.loadgen_s,
        "cpu_percent_mean": result.telemetry.get("cpu_percent_mean"),
        "rss_peak_bytes": result.telemetry.get("rss_peak_bytes"),
        "energy_j": result.telemetry.get("energy_j"),
    }


COLUMNS = (
    *("run_id", "host", "workload", "scenario", "mode", "state", "outcome"),
    *("metric", "value", "unit", "loadgen", "execution", "submittable", "reasons"),
    *("accuracy_metric", "accuracy_percent", "accuracy_target_percent", "accuracy_met"),
    *(f"latency_{name}_ms" for name in _LATENCIES),
    *("round", "system", "model", "precision", "model_digest", "dataset", "samples"),
    *("backend", "device", "loadgen_version", "started", "finished", "loadgen_s"),
    *("cpu_percent_mean", "rss_peak_bytes", "energy_j"),
)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    # A spreadsheet would run a text that begins like a formula (OWASP, "CSV Injection").
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value
