"""Breaks hosts of the lab in every way and writes what a user reads into docs/bad-hosts.md.

`python tools/bad_hosts.py`: needs root and what the lab needs, see docs/development.md. Takes about five minutes.
`--only NAME` (repeatable) prints single cases instead.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from bad_page import ROOT, Section, page

sys.path.insert(0, str(ROOT))

from tests.lab.bad_hosts import CASES, attempt
from tests.lab.bench import QUICK, Bench, said
from tests.lab.lab import Lab

INTRODUCTION = """\
Written by `python tools/bad_hosts.py`: three hosts of the lab (`sut1`, `sut2`, `sut3`, reached over SSH), one of them
broken in each case; `tests/lab/test_bad_hosts.py` holds messages and exit statuses to this page. Output is shown
without banners and hosts that are well; paths are shortened. `loadfleet run` ends with 2 for wrong input, 3 for an
environment that lacks something, 4 for an interruption; `ansible-playbook` with 2 for all of them, and 4 for a host
out of reach.

Where a whole fleet stops for one host, that is `fleet_gate_policy: fail`; with `drop` the others go on, see
[fleet.md](fleet.md). What can be known beforehand is found by one shell command on each host, before anything is
changed; `playbooks/check.yml` does only that."""


def main() -> int:
    """Write the page; returns 1 when a case was not told as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "bad-hosts.md")
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], metavar="NAME")
    arguments = parser.parse_args()
    chosen = [case for case in CASES if not arguments.only or case.name in arguments.only]
    sections, wrong = [], 0
    with tempfile.TemporaryDirectory() as name:
        lab = Lab.up(Path(tempfile.gettempdir()) / f"lfb-{os.getpid()}", 3, owner=os.getpid())
        try:
            bench = Bench(lab, Path(name), dict(QUICK))
            bench.set_up()
            for case in chosen:
                begin = time.monotonic()
                play, problems = attempt(bench, case)
                wrong += bool(problems)
                print(f"{time.monotonic() - begin:5.1f} s  {case.name}: {problems or 'ok'}", flush=True)
                sections.append(Section(case.title, bench.shown, play.code, said(play.text), case.done, case.left))
        finally:
            lab.down()
        shortened = {
            str(bench.results): "results", f"{name}/": "", str(ROOT): "<clone>", str(lab.folder): "~/.ssh",
            str(bench.known_hosts): "~/.ssh/known_hosts",
        }  # fmt: skip
        text = page("Bad inventories and hosts, and what they say", INTRODUCTION.splitlines(), sections, shortened)
    if arguments.only:
        print(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
