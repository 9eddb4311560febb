"""Runs kinds of bad input and writes what a user reads into docs/bad-input.md.

`python tools/bad_input.py --store DIR`: DIR is a store that `make bert` has prepared. Nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bad_page import ROOT, Section, page, run

if TYPE_CHECKING:
    import subprocess

LOADFLEET = str(Path(sys.executable).parent / "loadfleet")
INTRODUCTION = [
    "Written by `python tools/bad_input.py`. Status 2 is wrong input, 3 a machine that is not ready; nothing is",
    "half-written in any of these cases. Paths are shortened.",
]
_RUN_ID = "20260102T030405Z-bert-00ee"

# title -> settings of `loadfleet run bert.yml -i inventory`
SETTINGS = {
    "A misspelt variable": ["benchmark_excution=valid"],
    "An execution that does not exist": ["benchmark_execution=fast"],
    "A model that does not exist": ["benchmark_model=bert-lage"],
    "A scenario in the wrong case": ["benchmark_scenarios=[offline]"],
    "A round that does not exist": ["submission_round=v9.9"],
    "A target that is not positive": ["benchmark_target_qps={Offline: -5}"],
    "A run id that is none": ["benchmark_run_id=tuesday"],
    "A query count of one's own in a valid run": ["benchmark_execution=valid", "benchmark_query_count=100"],
    "A run prefix that is not installed": ["benchmark_run_prefix=numactrl --interleave=all"],
    "A device this build of the backend cannot use": ["benchmark_device=cuda"],
}


def main() -> int:
    """Write docs/bad-input.md; returns 1 when some bad input was not refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="a prepared store")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "bad-input.md")
    arguments = parser.parse_args()
    store = arguments.store.expanduser().resolve()
    sections = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for title, settings in SETTINGS.items():
            shown = "loadfleet run bert.yml -i inventory " + " ".join(f"-e {shlex.quote(word)}" for word in settings)
            extra = [*settings, f"store_path={store}", f"results_path={scratch / 'results'}"]
            words = [word for setting in extra for word in ("-e", setting)]
            done = run([LOADFLEET, "run", "bert.yml", "-i", "inventory", "--json", *words])
            sections.append(Section(title, shown, done.returncode, _message(done)))
        for title, shown, command in _commands(scratch, store):
            done = run(command)
            sections.append(Section(title, shown, done.returncode, done.stderr.strip()))
    accepted = [section.title for section in sections if section.status == 0]
    shortened = {str(store): "<store>", name: "<folder>", str(ROOT): "<clone>"}
    arguments.output.write_text(
        page("Bad input, and what it says", INTRODUCTION, sections, shortened), encoding="utf-8"
    )
    print(f"{len(sections)} kinds of bad input, {len(accepted)} accepted {accepted or ''}")
    return 1 if accepted else 0


def _commands(scratch: Path, store: Path) -> list[tuple[str, str, list[str]]]:
    """Bad input below the playbooks: title, what is shown, what is run."""
    described = {"schema_version": 1, "run_id": _RUN_ID, "workload": "bert"}
    empty, full, kept = scratch / "empty.json", scratch / "full.json", scratch / "cell"
    (scratch / "small").mkdir()
    empty.write_text(json.dumps({**described, "store_path": str(scratch / "nothing")}), encoding="utf-8")
    full.write_text(json.dumps({**described, "store_path": str(scratch / "small")}), encoding="utf-8")
    here = scratch / "here.json"
    here.write_text(json.dumps({**described, "store_path": str(store)}), encoding="utf-8")
    planned = json.loads(run([LOADFLEET, "plan", str(here), "--json"]).stdout)["cells"][0]
    kept.mkdir()
    (kept / "cell.json").write_text(json.dumps(planned), encoding="utf-8")
    (kept / "mlperf_log_summary.txt").write_text("of another run", encoding="utf-8")
    small = shlex.quote(str(scratch / "small"))
    # A store of 64 MiB in a mount namespace of its own.
    crowded = f"mount -t tmpfs -o size=64m none {small} && exec {shlex.quote(LOADFLEET)} plan {shlex.quote(str(full))}"
    return [
        ("A store without the model", "loadfleet plan run.json", [LOADFLEET, "plan", str(empty)]),
        ("A full disk", "loadfleet plan run.json", ["unshare", "-rm", "sh", "-c", crowded]),
        ("A folder that holds another run's logs", "loadfleet cell run cell.json",
         [LOADFLEET, "cell", "run", str(kept / "cell.json")]),
        ("A data set that does not exist", "loadfleet cache ensure dataset squad-v2",
         [LOADFLEET, "cache", "ensure", "dataset", "squad-v2"]),
        ("A submission that is not there", "loadfleet submission check tree --round v6.1 --submitter Example",
         [LOADFLEET, "submission", "check", str(scratch / "tree"), "--round", "v6.1", "--submitter", "Example"]),
    ]  # fmt: skip


def _message(done: subprocess.CompletedProcess[str]) -> str:
    """The first failure of a playbook, as `--json` gives it; whatever was printed when there is none."""
    try:
        answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{\n") :])
        return str(answer["failures"][0]["message"])
    except (ValueError, KeyError, IndexError):
        return (done.stderr or done.stdout).strip()


if __name__ == "__main__":
    sys.exit(main())
