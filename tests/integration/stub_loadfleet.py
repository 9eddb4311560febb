#!/usr/bin/env python3
"""Stands in for the command `loadfleet` in tests of playbooks: same commands and files, no benchmark.

How a run goes is chosen by benchmark_environment.STUB: good (default), bad, fail, refuse, die, steady, slow.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "harness/tests/results"))
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def say(value: dict[str, Any]) -> None:
    print(json.dumps({"schema_version": 1, **value}))


def fail(code: int, error: str, fix: str) -> None:
    print(f"loadfleet: {error}\n  fix: {fix}", file=sys.stderr)
    sys.exit(code)


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def write(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)


def start(folder: Path, secrets: dict[str, str]) -> None:
    run = read(folder / "run.json")
    if run["environment"].get("STUB") == "refuse":
        fail(2, "benchmark_device: 'tpu' is not known", "use one of: cpu")
    status = read(folder / "status.json") if (folder / "status.json").exists() else {}
    alive = status.get("phase") == "running" and Path(f"/proc/{status['pid']}").exists()
    if alive or status.get("phase") == "finished":
        say({"run_id": run["run_id"], "pid": status["pid"], "adopted": True, "phase": status["phase"]})
        return
    if sorted(secrets) != sorted(run["secret_environment"] or []):
        fail(2, f"the run needs {run['secret_environment']} and got {sorted(secrets)}", "give them again")
    write(folder / "plan.json", {"cells": cells(run)})
    with (folder / "agent.log").open("ab") as log:
        log.write(json.dumps({name: len(value) for name, value in secrets.items()}).encode() + b"\n")
        agent = subprocess.Popen(
            [sys.executable, __file__, "agent", "serve", str(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    while not (folder / "status.json").exists():
        time.sleep(0.01)
    say({"run_id": run["run_id"], "pid": agent.pid, "adopted": False, "phase": "running"})


def cells(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"id": f"{run['workload']}/{scenario}/{mode}", "state": "pending", "exit_code": None, "progress": 0.0,
         "detail": "", "verdict": None, "reasons": []}
        for scenario in run["scenarios"] for mode in run["modes"]
    ]  # fmt: skip


def serve(folder: Path) -> None:
    run = read(folder / "run.json")
    mood, entries = run["environment"].get("STUB", "good"), cells(run)
    status = {
        "schema_version": 1, "run_id": run["run_id"], "phase": "running", "pid": os.getpid(), "boot_id": BOOT,
        "exit_code": None, "message": "", "cells": entries,
    }  # fmt: skip
    write(folder / "status.json", status)
    for entry in entries:
        place = folder / entry["id"]
        if (place / "result.json").exists():
            entry.update(state="done", progress=1.0, exit_code=0, verdict="VALID")
            continue
        entry["state"] = "running"
        for step in range(1, 5):
            entry.update(progress=step / 4, detail=f"{step} of 4 samples")
            write(folder / "status.json", status)
            time.sleep(5 if mood == "slow" else 2 if mood == "steady" and entry["id"].endswith("performance") else 0.15)
            if mood == "die":
                os._exit(9)
        bad = mood == "bad" and entry["id"].endswith("performance")
        place.mkdir(parents=True, exist_ok=True)
        if mood == "fail":
            failure = {
                "class": "model", "host": run["host"], "cell": entry["id"], "error": "the model cannot be loaded",
                "fix": "bring another", "command": "loadfleet cell run cell.json", "lines": ["first", "last"],
                "replay": str(place / "replay.sh"),
            }  # fmt: skip
            write(place / "error.json", {"schema_version": 1, **failure})
            entry.update(state="failed", exit_code=3, reasons=[failure["error"]], failure=failure)
            continue
        (place / "mlperf_log_summary.txt").write_text(f"{entry['id']}\n" * 1000, encoding="utf-8")
        write(place / "result.json", result(run, entry["id"], bad))
        verdict, reasons = ("INVALID", ["Min duration satisfied : NO"]) if bad else ("VALID", [])
        entry.update(state="done", exit_code=int(bad), verdict=verdict, reasons=reasons)
        with (folder / "journal.jsonl").open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"event": "cell_finished", "cell": entry["id"]}) + "\n")
    status.update(phase="finished", exit_code=max(entry["exit_code"] for entry in entries))
    write(folder / "status.json", status)


def result(run: dict[str, Any], cell: str, bad: bool) -> dict[str, Any]:
    import result_builder  # noqa: PLC0415 - of the harness's own tests

    _, scenario, mode = cell.split("/")
    validity = {"loadgen": "INVALID", "submittable": False, "reasons": ["Min duration satisfied : NO"]} if bad else {}
    value: dict[str, Any] = result_builder.result(
        scenario, mode, host=run["host"], run_id=run["run_id"], exit_code=int(bad), validity=validity
    )
    return value


def results(verb: str, run: Path) -> None:
    if verb == "report":
        (run / "report.html").write_text("<html></html>", encoding="utf-8")
        say({"report": str(run / "report.html")})
        return
    code = 0
    for host in read(run / "run.json")["hosts"]:
        status = read(run / host / "status.json") if (run / host / "status.json").exists() else {}
        code = max(code, 1 if not status else status["exit_code"] if status["exit_code"] is not None else 4)
        print(f"TABLE {host}: {status.get('phase', 'nothing came back')}, exit {status.get('exit_code')}")
    sys.exit(code)


def main(words: list[str]) -> None:
    match words:
        case ["agent", "start", folder, *rest]:
            start(Path(folder), json.loads(sys.stdin.read()) if rest == ["--secrets-stdin"] else {})
        case ["agent", "serve", folder]:
            serve(Path(folder))
        case ["agent", "stop", folder]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(read(Path(folder) / "status.json")["pid"], 15)
            say({"stopped": True})
        case ["results", verb, run, *_]:
            results(verb, Path(run))
        case ["submission", "create", *rest]:
            output = Path(rest[rest.index("--output") + 1])
            output.mkdir(parents=True)
            print(f"SUBMISSION {output} by {rest[rest.index('--submitter') + 1]}\n{' '.join(rest)}")
            sys.exit(1)  # the check refuses it
        case ["submission", "status", *rest]:
            asked = json.loads(rest[rest.index("-e") + 1])
            print(f"STATUS {asked['submission_division']} of {', '.join(asked['hosts'])}")
        case ["cache", "ensure", kind, name, *rest]:
            store = Path(rest[rest.index("--store") + 1])
            entry = store / "artifacts" / kind / name
            changed = not entry.exists()
            if "--dry-run" not in rest:
                entry.mkdir(parents=True, exist_ok=True)
            say(
                {
                    "kind": kind,
                    "name": name,
                    "path": str(entry),
                    "digest": "sha256:0",
                    "changed": changed,
                    "source": "x",
                }
            )
        case _:
            fail(2, f"unknown command {words}", "write it into the stub")


main(sys.argv[1:])
