"""Breaks artefacts, servers and stores in every way and writes what a user reads into docs/bad-artefacts.md.

`python tools/bad_artefacts.py`: takes about a minute. `--only NAME` (repeatable) prints single cases instead.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bad_page import ROOT, Section, page

sys.path.insert(0, str(ROOT))

from tests.artefacts.bad_artefacts import CASES, attempt
from tests.artefacts.bench import Bench

INTRODUCTION = """\
Written by `python tools/bad_artefacts.py`; `tests/artefacts/test_bad_artefacts.py` holds messages, exit statuses and
what is in the store afterwards to this page. Each case has a catalogue, a store and a web server of its own; `photos`
is a data set of one file, `photos.tar`, and `unpacked` is made of it. Paths and addresses are shortened.

Status 2 is wrong input, 3 a machine, a server or an archive that is not as it should be, 1 damage that was found. In
none of these cases is anything half-written left where somebody could take it for an entry: what is under way is in a
hidden folder and in `downloads`, and an entry appears by one rename. See [store.md](store.md)."""


def main() -> int:
    """Write the page; returns 1 when a case was not told as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "bad-artefacts.md")
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], metavar="NAME")
    arguments = parser.parse_args()
    sections, wrong = [], 0
    for case in CASES:
        if arguments.only and case.name not in arguments.only:
            continue
        with tempfile.TemporaryDirectory() as name, Bench(Path(name)) as bench:
            run, problems = attempt(bench, case)
            wrong += bool(problems)
            print(f"{case.name}: {problems or 'ok'}", flush=True)
            left = " ".join(filter(None, [case.state, case.then]))
            sections.append(
                Section(case.title, bench.short(run.shown), run.status, bench.short(run.text), case.done, left)
            )
    text = page("Bad artefacts, and what they say", INTRODUCTION.splitlines(), sections, {})
    if arguments.only:
        print(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
