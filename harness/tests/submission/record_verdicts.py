"""Record data/official_verdicts.yml again: `python record_verdicts.py INFERENCE [NAME...]`.

INFERENCE is a checkout of mlcommons/inference. Its two checkers run on every changed tree, half an hour long:
some changes make them wait for ever, others need gigabytes. LOADFLEET_MLCOMMONS_PYTHON names an interpreter with pandas
and PyYAML. With names only those rows are recorded again.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import yaml
from submission_builder import BERT, Results
from submission_harmless import ROWS as HARMLESS
from submission_hostile import ROWS as HOSTILE
from submission_mutations import ROWS, Mutation, Tree

from loadfleet.errors import NotReadyError
from loadfleet.submission import official
from loadfleet.submission.tree.generate import Request, generate

DATA = Path(__file__).parent / "data"
FILE = DATA / "official_verdicts.yml"
ALL: list[Mutation] = [*HARMLESS, *ROWS, *HOSTILE]
ROUND, TIMEOUT_S = "v6.1", 60
HEADER = """\
# What MLCommons' checkers of round v6.1 say of each change to an accepted submission, made by record_verdicts.py.
# change -> division -> [modular, strict]; crashes: ends in a traceback, hangs: no end within a minute
"""


def tree(division: str, folder: Path) -> Path:
    """The accepted submission of a division, as the tests' fixtures make it."""
    logs = folder / "logs"
    with tarfile.open(DATA / "logs.tar.xz") as archive:
        archive.extractall(logs, filter="data")
    results = Results(folder / "results", logs)
    scenarios: tuple[str, ...] = ("Offline", "SingleStream")
    if division == "open":
        run = results.run(scenarios=scenarios)
    else:
        run = results.run(scenarios=scenarios, modes=("accuracy", "performance", "TEST01"), model=BERT, f1=90.5)
    return generate([run], folder / "out", Request(submitter="Example", division=division)).tree


def verdict(inference: Path, checker: str, root: Path) -> str:
    """`accepted`, `refused`, `crashes` or `hangs`."""
    try:
        (found,) = official.run(inference, root, ROUND, "Example", checkers=(checker,), timeout_s=TIMEOUT_S)
    except NotReadyError as error:
        if "timed out" in str(error):
            return "hangs"
        raise
    if "SUMMARY" not in found.summary:
        return "crashes"
    return "accepted" if found.accepted else "refused"


def main() -> None:
    inference, names = Path(sys.argv[1]), set(sys.argv[2:])
    known: dict[str, Any] = yaml.safe_load(FILE.read_text()) if FILE.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        trees = {division: tree(division, Path(scratch) / division) for division in ("open", "closed")}
        for number, row in enumerate(row for row in ALL if not names or row.name in names):
            known[row.name] = {}
            for division in row.divisions:
                root = Path(scratch) / f"{number}-{division}"
                subprocess.run(["cp", "-a", trees[division], root], check=True)
                row.change(Tree(root, division))
                found = [verdict(inference, checker, root) for checker in ("modular", "strict")]
                known[row.name][division] = found
                subprocess.run(["rm", "-rf", root, f"{root}-outside"], check=True)  # rmtree has a limit of depth
                print(f"{row.name}, {division}: {', '.join(found)}", flush=True)
    write(known)


def write(known: dict[str, Any]) -> None:
    lines = [HEADER]
    lines += [f"{_quoted(row.name)}: {_flow(known[row.name])}\n" for row in ALL if row.name in known]
    FILE.write_text("".join(lines))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"'


def _flow(verdicts: dict[str, list[str]]) -> str:
    return "{" + ", ".join(f"{division}: [{', '.join(found)}]" for division, found in verdicts.items()) + "}"


if __name__ == "__main__":
    main()
