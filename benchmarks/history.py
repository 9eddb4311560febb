"""`python -m benchmarks.history`: how long a tree of published results takes to import, new and known, and its memory.

Each import is a process of its own, as from a shell; the tree is the one that the checker is measured with.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.checker import generate
from loadfleet import files

ROOT = Path(__file__).resolve().parent.parent
SIZES = (10, 1000)
MEMORY_TARGET = 1.5  # peak memory at the largest size / at the smallest: DuckDB's own buffers included


def main() -> int:
    """Measure, write history.json, print a table.

    Returns:
        0 when memory does not grow with the tree, 1 otherwise.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="times that each is imported (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "bench", help="folder of the results")
    parser.add_argument("--part", nargs=2, metavar=("TREE", "INDEX"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(part(Path(arguments.part[0]), Path(arguments.part[1]))))
        return 0
    measured: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="loadfleet-history.") as scratch:
        for size in SIZES:
            tree = generate(size, Path(scratch) / str(size))
            indexes = [Path(scratch) / f"{size}-{number}.duckdb" for number in range(arguments.rounds)]
            for name in ("new", "known"):
                runs = [_run(tree, index) for index in indexes]
                measured[f"{size} {name}"] = {
                    key: statistics.median(run[key] for run in runs) for key in ("results", "seconds", "peak_mib")
                }
    grown = measured[f"{SIZES[1]} new"]["peak_mib"] / measured[f"{SIZES[0]} new"]["peak_mib"]
    report = {"schema_version": 1, "measured": measured, "memory_ratio": grown, "fulfilled": grown <= MEMORY_TARGET}
    arguments.output.mkdir(parents=True, exist_ok=True)
    files.write_json(arguments.output / "history.json", report)
    print("| results | import | seconds | peak memory |\n| --- | --- | --- | --- |")
    for name, values in measured.items():
        count, kind = name.split()
        print(f"| {int(count):,} | {kind} | {values['seconds']:.1f} | {values['peak_mib']:.0f} MiB |")
    return 0 if report["fulfilled"] else 1


def part(tree: Path, index: Path) -> dict[str, Any]:
    """Import once, in this process."""
    from loadfleet.results.history.importing import import_results  # noqa: PLC0415

    done = import_results(str(tree), index)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"results": done.results, "seconds": done.seconds, "peak_mib": peak}


def _run(tree: Path, index: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.history", "--part", str(tree), str(index)]
    found: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
