"""`python -m benchmarks.checker`: what the submission check costs, against a plain walk that does the same checks.

The plain walk is one process that asks the file system each time it needs to know, reads each detail log whole and
gives every line to `json.loads`, as MLCommons' log parser does. Both must say the same of the same tree. With
`--inference` MLCommons' modular checker runs on the trees as well, for comparison: its checks are fewer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from loadfleet import files

ROOT = Path(__file__).resolve().parent.parent
_TESTS = ROOT / "harness" / "tests" / "submission"
_ROUND, _SUBMITTER = "v6.1", "Example"
SIZES = (100, 1000)
TARGET = 5.0  # plain walk's time / ours, at the largest size
MEMORY_TARGET = 1.2  # our peak memory at the largest size / at the smallest


def main() -> int:
    """Measure, write checker.json and checker.md, print the table.

    Returns:
        0 when the targets are met, 1 otherwise.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checker", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times that each takes its turn (default: %(default)s)")
    parser.add_argument("--inference", type=Path, help="a checkout of mlcommons/inference")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "bench", help="folder of the results")
    parser.add_argument("--part", nargs=2, metavar=("PART", "TREE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(part(arguments.part[0], Path(arguments.part[1]))))
        return 0
    parts = ["plain", "ours, one process", "ours"]
    trees = {}
    measured: dict[str, dict[int, list[dict[str, Any]]]] = {name: {size: [] for size in SIZES} for name in parts}
    official: dict[int, list[float]] = {size: [] for size in SIZES}
    with tempfile.TemporaryDirectory(prefix="loadfleet-checker.") as scratch:
        for size in SIZES:
            trees[size] = generate(size, Path(scratch) / str(size))
        for number in range(arguments.rounds):
            for size in SIZES:
                for name in parts:
                    measured[name][size].append(_measure(name, trees[size]))
                if arguments.inference is not None:
                    official[size].append(_official(arguments.inference, trees[size]))
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    report = _report(measured, official)
    arguments.output.mkdir(parents=True, exist_ok=True)
    files.write_json(arguments.output / "checker.json", report)
    text = table(report)
    files.write_text(arguments.output / "checker.md", text)
    print(text)
    return 0 if report["fulfilled"] else 1


def generate(results: int, folder: Path) -> Path:
    """A closed submission of that many results with real logs: systems of BERT, Offline and SingleStream, TEST01."""
    sys.path.insert(0, str(_TESTS))
    from submission_builder import BERT, Results  # type: ignore[import-not-found]  # noqa: PLC0415

    from loadfleet.submission.tree.generate import Request, generate  # noqa: PLC0415

    logs = folder / "logs"
    with tarfile.open(_TESTS / "data" / "logs.tar.xz") as archive:
        archive.extractall(logs, filter="data")
    run = Results(folder / "results", logs).run(
        scenarios=("Offline", "SingleStream"), modes=("accuracy", "performance", "TEST01"), model=BERT, f1=90.5
    )
    request = Request(submitter=_SUBMITTER, division="closed", round=_ROUND)
    tree = generate([run], folder / "output", request).tree
    submitter = tree / "closed" / _SUBMITTER
    for number in range(1, results // 2):
        name = f"example-board-{number:04d}"
        shutil.copytree(submitter / "results" / "example-board", submitter / "results" / name)
        shutil.copy(submitter / "systems" / "example-board.json", submitter / "systems" / f"{name}.json")
    return tree


def part(name: str, tree: Path) -> dict[str, Any]:
    """Check a tree in this process: seconds, CPU seconds and peak memory, children included; what was found."""
    from loadfleet.submission.check import check  # noqa: PLC0415

    if name == "plain":
        from benchmarks.checker_plain import use  # noqa: PLC0415

        use()
    started = time.perf_counter()
    report = check(tree, _ROUND, _SUBMITTER, jobs=None if name == "ours" else 1)
    seconds = time.perf_counter() - started
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    # ru_maxrss of a process outlives exec, and so would be that of the process that measures.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    peak_kib = int(status["VmHWM"].split()[0])
    return {
        "seconds": seconds,
        "cpu_s": own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime,
        "rss_mib": max(peak_kib, below.ru_maxrss) / 1024,
        "results": sum(row.accepted for row in report.rows),
        "findings": len(report.findings),
    }


def _measure(name: str, tree: Path) -> dict[str, Any]:
    _warm(tree)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.checker", "--part", name, str(tree)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _warm(tree: Path) -> None:
    """Read everything once: walks are compared, not disks."""
    for path in tree.rglob("*"):
        if path.is_file():
            path.read_bytes()


def _official(inference: Path, tree: Path) -> float:
    from loadfleet.submission import official  # noqa: PLC0415

    _warm(tree)
    started = time.perf_counter()
    verdict = official.run(inference, tree, _ROUND, _SUBMITTER, checkers=("modular",))[0]
    assert verdict.accepted, verdict
    return time.perf_counter() - started


def _report(measured: dict[str, dict[int, list[dict[str, Any]]]], official: dict[int, list[float]]) -> dict[str, Any]:
    found = {(run["results"], run["findings"]) for runs in measured.values() for run in runs[SIZES[-1]]}
    assert len(found) == 1, f"the walks disagree: {found}"
    rows = [
        {
            "part": name,
            "results": size,
            "seconds": statistics.median(run["seconds"] for run in runs),
            "cpu_s": statistics.median(run["cpu_s"] for run in runs),
            "rss_mib": max(run["rss_mib"] for run in runs),
        }
        for name, sizes in measured.items()
        for size, runs in sizes.items()
    ]
    rows += [
        {"part": "MLCommons' modular checker", "results": size, "seconds": statistics.median(times)}
        for size, times in official.items()
        if times
    ]
    largest, smallest = SIZES[-1], SIZES[0]
    ratios = [
        plain["seconds"] / ours["seconds"]
        for plain, ours in zip(measured["plain"][largest], measured["ours"][largest], strict=True)
    ]
    cpu = [
        plain["cpu_s"] / ours["cpu_s"]
        for plain, ours in zip(measured["plain"][largest], measured["ours, one process"][largest], strict=True)
    ]
    memory = {row["results"]: row["rss_mib"] for row in rows if row["part"] == "ours"}
    growth = memory[largest] / memory[smallest]
    return {
        "schema_version": 1,
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": rows,
        "speed": {"ratios": ratios, "median": statistics.median(ratios), "target": TARGET},
        "cpu": {"ratios": cpu, "median": statistics.median(cpu)},
        "memory": {"growth": growth, "target": MEMORY_TARGET},
        "fulfilled": statistics.median(ratios) >= TARGET and growth <= MEMORY_TARGET,
    }


def table(report: dict[str, Any]) -> str:
    """The report as a table for people."""
    lines = ["| walk | results | seconds | CPU seconds | peak MiB of a process |", "|---|---:|---:|---:|---:|"]
    for row in report["rows"]:
        cpu, rss = (f"{row[key]:.{digits}f}" if key in row else "-" for key, digits in (("cpu_s", 2), ("rss_mib", 0)))
        lines.append(f"| {row['part']} | {row['results']} | {row['seconds']:.2f} | {cpu} | {rss} |")
    speed, memory = report["speed"], report["memory"]
    lines += [
        "",
        f"{SIZES[-1]} results: {speed['median']:.1f} times as fast as the plain walk, median of "
        f"{len(speed['ratios'])} (target {speed['target']:g}), of which one process by itself gains "
        f"{report['cpu']['median']:.1f} in CPU time, start included; memory x {memory['growth']:.2f} from "
        f"{SIZES[0]} to {SIZES[-1]} results (target {memory['target']:g}); {report['machine']['cores']} cores.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
