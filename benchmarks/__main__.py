"""`make bench`: ratios from interleaved runs, as JSON, a table and a plot in results/bench/."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loadfleet import files
from loadfleet.cell import plan
from loadfleet.store import Store

ROOT = Path(__file__).resolve().parent.parent
_RUN_ID = "20260101T000000Z-bench-0000"
# name -> numerator, denominator, target (fulfilled when the median ratio is at least this)
RATIOS = {
    "Offline: harness against the bare runtime": ("harness", "bare", 0.95),
    "Offline: harness against a reference-style SUT": ("harness", "reference", 2.0),
}


def main() -> int:
    """Measure, write results/bench/latest.{json,md,svg}, print the table.

    Returns:
        0 when every ratio meets its target, 1 otherwise.
    """
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--store", default=os.environ.get("LOADFLEET_STORE", "~/.cache/loadfleet"), help="store_path")
    parser.add_argument("--samples", type=int, default=1000, help="samples of each run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="times that every part takes its turn")
    parser.add_argument("--model", default=None, help="model of the catalogue (default: the workload's)")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "bench", help="folder of the results")
    arguments = parser.parse_args()
    store = Store(Path(arguments.store).expanduser())
    cell = _cell(store, arguments.model, arguments.samples)
    parts = sorted({part for numerator, denominator, _ in RATIOS.values() for part in (numerator, denominator)})
    rates: dict[str, list[float]] = {part: [] for part in parts}
    with tempfile.TemporaryDirectory() as folder:
        setup = Path(folder) / "setup.json"
        setup.write_text(json.dumps({"cell": cell}), encoding="utf-8")
        indices = _measure("indices", setup)
        setup.write_text(json.dumps({"cell": cell, "indices": indices}), encoding="utf-8")
        for number in range(arguments.rounds):
            for part in parts:
                rates[part].append(_measure(part, setup))
                print(f"round {number + 1} of {arguments.rounds}: {part} {rates[part][-1]:.1f} samples/s", flush=True)
    report = {
        "schema_version": 1,
        "machine": machine(),
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "model": cell["model"]["name"],
        "samples": arguments.samples,
        "rows": [_row(name, rates, *ratio) for name, ratio in RATIOS.items()],
        "rates": {part: {"unit": "samples/s", "values": values} for part, values in rates.items()},
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    files.write_json(arguments.output / "latest.json", report)
    files.write_text(arguments.output / "latest.md", _table(report))
    _plot(report, arguments.output / "latest.svg")
    print(_table(report))
    return 0 if all(row["ok"] for row in report["rows"]) else 1


def _cell(store: Store, model: str | None, samples: int) -> dict[str, Any]:
    from loadfleet import catalogue  # noqa: PLC0415

    workload = catalogue.get("workload", "bert")
    store.ensure("model", model or workload.data["default_model"])
    store.ensure("dataset", workload.data["default_dataset"])
    run = {"run_id": _RUN_ID, "store_path": str(store.path), "workload": "bert", "model": model,
           "scenarios": ["Offline"], "modes": ["performance"], "query_count": samples}  # fmt: skip
    return plan.make(run)[0]


def _measure(part: str, setup: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sut", part, str(setup)],
        check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _row(name: str, rates: dict[str, list[float]], numerator: str, denominator: str, target: float) -> dict[str, Any]:
    ratios = [a / b for a, b in zip(rates[numerator], rates[denominator], strict=True)]
    median = statistics.median(ratios)
    return {
        "name": name,
        "ratio": f"{numerator}/{denominator}",
        "target": target,
        "unit": "ratio of samples/s",
        "median": round(median, 4),
        "spread": [round(min(ratios), 4), round(max(ratios), 4)],
        "ok": median >= target,
    }


def machine() -> dict[str, Any]:
    """CPU model, cores this process may use, operating system."""
    names = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    return {"cpu": names[0].partition(": ")[2] if names else platform.processor(),
            "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}  # fmt: skip


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['machine']['cpu']}, {report['machine']['cores']} cores, model {report['model']}, "
        f"{report['samples']:,} samples a run",
        "",
        "| what | median ratio | min to max | target | met |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in report["rows"]:
        low, high = row["spread"]
        met = "yes" if row["ok"] else "no"
        lines.append(f"| {row['name']} | {row['median']:.3f} | {low:.3f} to {high:.3f} | >= {row['target']} | {met} |")
    lines += ["", "| part | median, samples/s | min to max |", "| --- | --- | --- |"]
    for part, rate in report["rates"].items():
        values = rate["values"]
        lines.append(f"| {part} | {statistics.median(values):.1f} | {min(values):.1f} to {max(values):.1f} |")
    return "\n".join(lines) + "\n"


def _plot(report: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    parts = list(report["rates"])
    medians = [statistics.median(report["rates"][part]["values"]) for part in parts]
    figure, axes = plt.subplots(figsize=(7, 0.6 * len(parts) + 1.2))
    axes.barh(parts, medians, color=["#4477aa", "#228833", "#bbbbbb"][: len(parts)])
    for row, part in enumerate(parts):
        axes.plot(report["rates"][part]["values"], [row] * len(report["rates"][part]["values"]), "k|", markersize=8)
    axes.set_xlabel("Offline samples/s (bars: median, marks: single runs)")
    axes.set_title(f"{report['model']} on {report['machine']['cpu']}, {report['machine']['cores']} cores", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
