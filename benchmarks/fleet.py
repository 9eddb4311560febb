"""What a fleet costs: `python -m benchmarks.fleet`, wall and CPU time of each step with 1, 4 and 16 hosts of the lab.

Hosts have no route out: wheels, model and data go to them over SSH. Controller and hosts share this machine's cores, so
wall time of many hosts is that of the cores; CPU time a host is the figure that carries over. Needs root, as the lab.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.machine import machine  # noqa: E402
from loadfleet import files  # noqa: E402
from loadfleet.results import fleet as starts  # noqa: E402
from loadfleet.results.model import RunResults  # noqa: E402
from tests.lab.fleet import STORE, Fleet  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAIN = ROOT / "benchmarks" / "plain" / "prepare.yml"
SAMPLES = 8
TICK = os.sysconf("SC_CLK_TCK")
_ENVIRONMENT = f"{STORE}/venvs/onnxruntime"


# In the place of a host's Python: notes the largest resident set (kB) of each module that runs, in ~/peaks.
_WITNESS = """#!/usr/bin/python3
import os, resource, sys
child = os.fork()
if not child:
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv[1:]])
status = os.waitpid(child, 0)[1]
with open("/home/bench/peaks", "a") as peaks:
    peaks.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\\n")
sys.exit(os.waitstatus_to_exitcode(status))
"""
# As LoadGen writes it: one object a line, its answer in hexadecimal.
_BIG_LOG = """
import os, sys
with open(sys.argv[1], "w") as log:
    log.write("[\\n")
    for number in range(int(sys.argv[2]) * 1000 // 16):
        data = os.urandom(8000 - 32).hex()
        log.write('{ "seq_id" : %d, "qsl_idx" : %d, "data" : "%s" },\\n' % (number, number, data))
    log.write("]\\n")
"""


@dataclass(frozen=True)
class Step:
    """One playbook on all hosts.

    Times in seconds; `changed` and `calls` are those of the host with the most; `peak_mb` is the largest resident set
    of any process of the controller.
    """

    name: str
    wall_s: float
    controller_cpu_s: float
    host_cpu_s: float
    changed: int
    calls: int
    peak_mb: float

    @property
    def cpu_s(self) -> float:
        return self.controller_cpu_s + self.host_cpu_s


class Ground:
    """A lab with a controller's folder, measured from outside."""

    def __init__(self, hosts: int, folder: Path) -> None:
        self.lab = Lab.up(Path(tempfile.mkdtemp(prefix="lfb-")) / "lab", hosts, owner=os.getpid())
        self.fleet = Fleet(self.lab, folder, {"benchmark_query_count": SAMPLES})

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.down()
        self.lab.folder.parent.rmdir()

    def step(self, name: str, playbook: str, *words: str, **variables: Any) -> Step:
        """Run one of the project's playbooks and measure it."""
        return self.measure(name, self.fleet.command(playbook, *words, **variables))

    def measure(self, name: str, command: Sequence[str]) -> Step:
        """Run a command and measure it.

        Raises:
            SystemExit: It failed.
        """
        before = sum(self._host_cpu(host) for host in self.lab.hosts)
        start = time.monotonic()
        with tempfile.TemporaryFile("w+") as log:
            environment = {**self.fleet.environment, "ANSIBLE_FORKS": str(max(5, len(self.lab.hosts)))}
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - start
            log.seek(0)
            text = log.read()
        if status:
            raise SystemExit(f"{name} failed:\n{text[-6000:]}")
        after = sum(self._host_cpu(host) for host in self.lab.hosts)
        changed = [int(count) for count in re.findall(r"^sut\d+ .*changed=(\d+)", text, re.MULTILINE)]
        calls = [len(re.findall(rf"<{re.escape(self._address(host))}> SSH: EXEC", text)) for host in self.lab.hosts]
        controller = usage.ru_utime + usage.ru_stime
        print(f"{len(self.lab.hosts):>3} hosts  {name:<28} {wall:7.1f} s  {controller:7.1f} s  {after - before:7.1f} s")
        return Step(name, wall, controller, after - before, max(changed), max(calls), usage.ru_maxrss / 1e3)

    def _host_cpu(self, host: str) -> float:
        """CPU seconds of a host since it was started, those of ended processes included."""
        text = self.lab.root(host, "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || true")
        fields = [line.rpartition(")")[2].split() for line in text.splitlines()]
        return sum(int(ticks) for line in fields for ticks in line[11:15]) / TICK

    def _address(self, host: str) -> str:
        inventory = json.loads(self.lab.inventory.read_text(encoding="utf-8"))
        return str(inventory["sut"]["hosts"][host]["ansible_host"])


def fleet_of(hosts: int, repeat: int) -> dict[str, Any]:
    """Every step with so many hosts: prepare twice, run, collect, submission; the plain playbook beside ours."""
    with tempfile.TemporaryDirectory() as folder, Ground(hosts, Path(folder)) as ground:
        steps = [ground.step("prepare, bare hosts", "prepare")]
        plain = _plain(ground)
        # In turns: this machine's speed drifts.
        pairs = [
            (ground.step("prepare, warm", "prepare"), ground.measure("a plain playbook, warm", plain))
            for _ in range(repeat)
        ]
        steps += [_middle([ours for ours, _ in pairs]), _middle([theirs for _, theirs in pairs])]
        run_id = "20260102T030405Z-bert-be4c"
        steps.append(ground.step("run and collect", "run", benchmark_run_id=run_id))
        results = ground.fleet.results / run_id
        (spread,) = [start["spread_ms"] for start in starts.starts(RunResults.load(results))] or [None]
        shutil.rmtree(results)
        steps.append(ground.step("collect", "collect", benchmark_run_id=run_id))
        steps.append(ground.step("submission", "submit", benchmark_run_id=run_id))
        calls = ground.step("prepare, warm, counted", "prepare", "-vvv").calls
    return {
        "hosts": hosts,
        "start_spread_ms": spread,
        "module_calls_a_host": calls,
        "plain_to_ours_cpu": round(_ratio([(theirs.cpu_s, ours.cpu_s) for ours, theirs in pairs]), 2),
        "plain_to_ours_wall": round(_ratio([(theirs.wall_s, ours.wall_s) for ours, theirs in pairs]), 2),
        "steps": {
            step.name: {
                "wall_s": round(step.wall_s, 2),
                "controller_cpu_s": round(step.controller_cpu_s, 2),
                "host_cpu_s": round(step.host_cpu_s, 2),
                "changed": step.changed,
            }
            for step in steps
        },
    }


def big_logs(hosts: int, megabytes: int) -> dict[str, Any]:
    """Bringing home a log of so many MB from each of so many hosts."""
    run_id = "20260102T030405Z-bert-b160"
    with tempfile.TemporaryDirectory(dir=ROOT / "results") as folder, Ground(hosts, Path(folder)) as ground:
        ground.step("prepare, bare hosts", "prepare")
        ground.step("run and collect", "run", benchmark_run_id=run_id)
        for host in ground.lab.hosts:
            log = f"{STORE}/runs/{run_id}/bert/Offline/accuracy/big.json"
            make = f"cat > python && chmod +x python && python3 -c {shlex.quote(_BIG_LOG)} {log} {megabytes}"
            subprocess.run([*ground.lab.ssh_command(host), make], input=_WITNESS, text=True, check=True)
        step = ground.step(
            f"collect {megabytes} MB a host", "collect",
            benchmark_run_id=run_id, ansible_python_interpreter="/home/bench/python",
        )  # fmt: skip
        peaks = [int(peak) for host in ground.lab.hosts for peak in ground.lab.ssh(host, "cat peaks").stdout.split()]
        sizes = [
            path.stat().st_size for path in (ground.fleet.results / run_id).glob("*/bert/Offline/accuracy/big.json")
        ]
    return {
        "hosts": hosts,
        "bytes": sizes,
        "wall_s": round(step.wall_s, 1),
        "controller_cpu_s": round(step.controller_cpu_s, 1),
        "host_cpu_s": round(step.host_cpu_s, 1),
        "controller_peak_mb": round(step.peak_mb),
        "host_peak_mb": round(max(peaks) / 1e3),
    }


def _middle(steps: Sequence[Step]) -> Step:
    return sorted(steps, key=lambda step: step.wall_s)[len(steps) // 2]


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sorted(a / b for a, b in pairs)[len(pairs) // 2]


def _plain(ground: Ground) -> list[str]:
    """The command of the plain playbook, told what is on the hosts."""
    host = ground.lab.hosts[0]
    listed = ground.lab.ssh(host, f"cd {STORE} && find artifacts -type f -printf '%p %s\\n'").stdout.splitlines()
    frozen = ground.lab.ssh(host, f"{_ENVIRONMENT}/bin/python -m pip list --format json").stdout
    variables = {
        "store": STORE,
        "files": [{"path": line.split()[0], "size": int(line.split()[1])} for line in sorted(listed)],
        "packages": {package["name"]: package["version"] for package in json.loads(frozen)},
    }
    command = ground.fleet.command("prepare")
    return [command[0], str(PLAIN), "-i", str(ground.lab.inventory), "-e", json.dumps(variables)]


def _table(report: dict[str, Any]) -> str:
    fleets = report["fleets"]
    lines = [
        f"{report['machine']['cpu']}, {report['machine']['cores']} cores for the controller and all hosts, "
        f"{report['measured'][:10]}",
        "",
        "| step | "
        + " | ".join(f"{fleet['hosts']} host{'s' * (fleet['hosts'] > 1)}" for fleet in fleets)
        + " | each added host |",
        "| --- |" + " --- |" * (len(fleets) + 1),
    ]
    for name in fleets[0]["steps"]:
        cells = [fleet["steps"][name] for fleet in fleets]
        words = [
            f"{cell['wall_s']:.1f} s; CPU {cell['controller_cpu_s']:.1f} + {cell['host_cpu_s']:.1f} s" for cell in cells
        ]
        more = fleets[-1]["hosts"] - fleets[0]["hosts"]
        added = (
            [(cells[-1][key] - cells[0][key]) / more for key in ("wall_s", "controller_cpu_s", "host_cpu_s")]
            if more
            else []
        )
        lines.append(
            f"| {name} | "
            + " | ".join(words)
            + " | "
            + ("{:.1f} s; CPU {:.1f} + {:.1f} s |".format(*added) if added else "|")
        )
    facts = {
        "a plain playbook to `prepare, warm`, CPU": lambda fleet: f"{fleet['plain_to_ours_cpu']:.1f} times",
        "changed by `prepare, warm`": lambda fleet: str(fleet["steps"]["prepare, warm"]["changed"]),
        "round trips to a host of `prepare, warm`": lambda fleet: str(fleet["module_calls_a_host"]),
        "LoadGen started within": lambda fleet: (
            f"{fleet['start_spread_ms']:.1f} ms" if fleet["start_spread_ms"] else "-"
        ),
    }
    lines += [f"| {name} | {' | '.join(map(value, fleets))} | |" for name, value in facts.items()]
    if logs := report["logs"]:
        total = sum(logs["bytes"]) / 1e6
        lines += [
            "",
            f"{logs['hosts']} hosts with a log of {total / logs['hosts']:.0f} MB each, brought home in "
            f"{logs['wall_s']} s; CPU {logs['controller_cpu_s']} s on the controller and {logs['host_cpu_s']} s on the "
            f"hosts. The largest resident set of any process was {logs['controller_peak_mb']} MB on the controller and "
            f"{logs['host_peak_mb']} MB on a host.",
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write fleet.{json,md}, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 4, 16], help="sizes of the fleet (default: 1 4 16)")
    parser.add_argument("--repeat", type=int, default=3, help="turns of the warm steps (default: %(default)s)")
    parser.add_argument(
        "--logs", type=int, nargs=2, metavar=("HOSTS", "MB"), default=[10, 300], help="and how long logs"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "bench", help="folder of the results")
    arguments = parser.parse_args()
    (ROOT / "results").mkdir(exist_ok=True)
    print("           step                            wall   controller     hosts, CPU")
    report = {
        "schema_version": 1,
        "machine": machine(),
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "fleets": [fleet_of(hosts, arguments.repeat) for hosts in arguments.hosts],
        "logs": big_logs(*arguments.logs) if arguments.logs[0] else None,
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    files.write_json(arguments.output / "fleet.json", report)
    files.write_text(arguments.output / "fleet.md", _table(report))
    print(_table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
