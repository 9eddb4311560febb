"""`make bench`: measures the harness against its limit, a reference-style SUT and itself, in rounds that take turns.

Writes latest.json, latest.md and latest.svg to results/bench/, also when it is interrupted or a part fails.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import parts, report
from benchmarks.bench import ROOT, Bench
from benchmarks.machine import machine
from benchmarks.part import Reading, rows
from benchmarks.turns import Turns, seconds
from loadfleet.errors import InputError, LoadfleetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.part import Part

_INTERRUPTED = 4
BUDGET = "14m"  # what is running when it is over may end


def main(words: Sequence[str] | None = None) -> int:
    """Measure and write.

    Returns:
        0 when every target that was measured is met, 1 when one is not, 2 for wrong input, 4 when interrupted.
    """
    arguments = _arguments().parse_args(words)
    try:
        names = [name for name in (arguments.parts or "").split(",") if name]
        chosen = parts.chosen(names)
        if arguments.reference is not None and not names:
            chosen = sorted([*chosen, *parts.chosen(["mlcommons"])], key=lambda part: (part.rank, part.name))
        budget = seconds(arguments.budget)
        if arguments.rounds is not None and arguments.rounds < 1:
            raise InputError(f"--rounds is {arguments.rounds}; it has to be 1 at least", fix="give a positive number")
        if arguments.reference is not None and not arguments.reference.is_dir():
            raise InputError(
                f"--reference {arguments.reference} is no folder", fix="name an extracted mlcommons/inference"
            )
        if arguments.list:
            _list(chosen, as_json=arguments.json)
            return 0
        return _measure(chosen, budget, arguments)
    except LoadfleetError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--parts", metavar="A,B", help="only these parts; --list names them")
    parser.add_argument("--rounds", type=int, help="most rounds of a part (default: its own number)")
    parser.add_argument(
        "--budget", default=BUDGET, help="time for everything, such as 90s or 15m (default: %(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="list the parts and end")
    parser.add_argument("--json", action="store_true", help="print latest.json instead of the table")
    parser.add_argument(
        "--reference", type=Path, metavar="TREE", help="a tree of mlcommons/inference: its own harness takes turns too"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "results" / "bench", help="folder (default: results/bench)"
    )
    parser.add_argument("--store", default=os.environ.get("LOADFLEET_STORE", "~/.cache/loadfleet"), help="store_path")
    parser.add_argument("--samples", type=int, default=600, help="samples of an Offline run (default: %(default)s)")
    parser.add_argument("--docs", action="store_true", help="renew the figures of docs/performance.md with the result")
    return parser


def _list(chosen: Sequence[Part], *, as_json: bool) -> None:
    if as_json:
        described = [
            {"name": part.name, "title": part.title, "rounds": part.rounds, "seconds": part.seconds} for part in chosen
        ]
        print(json.dumps({"schema_version": 1, "parts": described}, indent=2))
        return
    for part in chosen:
        print(f"{part.name:<10} {part.rounds} x up to {part.seconds:.0f} s   {part.title}")


class _Progress:
    """A line for what is read, with the time gone and the time left, on standard error where JSON is wanted."""

    def __init__(self, *, as_json: bool) -> None:
        self._stream = sys.stderr if as_json else sys.stdout
        self._began = time.monotonic()
        self.turns: Turns | None = None
        self._where = ""

    def turn(self, part: Part, number: int, of: int) -> None:
        """A round begins."""
        self._where = f"{part.name} {number}/{of}"

    def reading(self, reading: Reading) -> None:
        """Something was read."""
        if reading.value is None:
            self.note(f"{self._where}: {reading.name}: none: {reading.reason}")
        else:
            self.note(f"{self._where}: {reading.name}: {reading.value:.4g} {reading.unit}")

    def note(self, words: str) -> None:
        """A line."""
        ahead = f", {_minutes(self.turns.ahead())} left" if self.turns else ""
        print(f"[{_minutes(time.monotonic() - self._began)}{ahead}] {words}", file=self._stream, flush=True)


def _minutes(passed: float) -> str:
    return f"{int(passed) // 60}:{int(passed) % 60:02d}"


def _measure(chosen: Sequence[Part], budget: float, arguments: argparse.Namespace) -> int:
    # `make` and terminals that are closed end it as an interrupt does: what was measured is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    show = _Progress(as_json=arguments.json)
    turns = show.turns = Turns(chosen, budget, arguments.rounds, show)
    began, load = time.time(), os.getloadavg()[0]
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="loadfleet-bench.") as scratch:
        bench = Bench(Path(arguments.store), Path(scratch), turns.left, arguments.reference, arguments.samples)
        try:
            turns.play(lambda part, number: part.run(bench, number))
        except KeyboardInterrupt:
            interrupted = True
            show.note("interrupted; what was measured is kept")
    found = {
        "schema_version": 1,
        "machine": machine(),
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "took_s": round(time.time() - began, 1),
        "load_before": round(load, 2),
        "samples": arguments.samples,
        "interrupted": interrupted,
        "rows": [row.as_json() for part in chosen for row in rows(part, turns.records[part.name])],
        "parts": [_part(part, turns) for part in chosen],
    }
    report.write(found, arguments.output)
    if arguments.docs:
        report.renew(found, ROOT / "docs" / "performance.md")
    print(json.dumps(found, indent=2) if arguments.json else "\n" + report.table(found))
    if interrupted:
        return _INTERRUPTED
    return 1 if any(row["ok"] is False for row in found["rows"]) else 0


def _part(part: Part, turns: Turns) -> dict[str, Any]:
    record = turns.records[part.name]
    units = {name: one.unit for each in record.rounds for name, one in each.items()}
    return {
        "name": part.name,
        "title": part.title,
        "rounds": len(record.rounds),
        "readings": {
            name: {"unit": units[name], "values": [float(f"{one:.5g}") for one in values]}
            for name, values in record.values().items()
        },
        "problems": record.problems,
    }


if __name__ == "__main__":
    sys.exit(main())
