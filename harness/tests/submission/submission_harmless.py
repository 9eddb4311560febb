"""Changes to an accepted submission after which it must still be accepted; `words` stand in a warning."""

from __future__ import annotations

import shutil
from functools import partial

from submission_builder import edit_json, write_json
from submission_mutations import BOTH, CLOSED, DETAIL, OPEN, Mutation, Tree

Harmless = partial(Mutation, accepted=True)


def _fallback(tree: Tree) -> None:
    folder = tree.offline / "TEST01"
    (folder / "verify_accuracy.txt").write_text("TEST FAIL\n")
    for name, f1 in (("baseline", 90.5), ("compliance", 90.1)):
        (folder / "accuracy" / f"{name}_accuracy.txt").write_text(f'{{"exact_match": 80.0, "f1": {f1}}}\n')


def _inferred(tree: Tree) -> None:
    for mode in ("performance/run_1", "accuracy"):
        for name in (DETAIL, "mlperf_log_summary.txt"):
            shutil.copy(tree.stream / mode / name, tree.offline / mode / name)
    if (tree.stream / "TEST01").is_dir():
        shutil.copytree(tree.stream / "TEST01", tree.offline / "TEST01", dirs_exist_ok=True)


def _other_hash(tree: Tree) -> None:
    path = tree.offline / "accuracy" / "accuracy.txt"
    head = path.read_text().partition("hash=")[0]
    path.write_text(f"{head}hash={'0' * 64}\n")


def _low(tree: Tree) -> None:
    tree.text(tree.offline / "accuracy" / "accuracy.txt", '"f1": 76.5', '"f1": 10.5')


ROWS: list[Mutation] = [
    Harmless("nothing", BOTH, lambda _: None, ""),
    Harmless("status capitalised", BOTH, lambda t: edit_json(t.description, status="Available"), ""),
    Harmless("submitter in capitals", BOTH, lambda t: edit_json(t.description, submitter="EXAMPLE"), ""),
    Harmless(
        "description with a field of its own", BOTH, lambda t: edit_json(t.description, colour="red"), "is unknown"
    ),
    Harmless("stray folder at the root", BOTH, lambda t: write_json(t.root / "x" / "y.json", {}), "the root holds"),
    Harmless("document at the root", BOTH, lambda t: (t.root / "NOTES.md").write_text("x"), ""),
    Harmless(
        "stray file in results/",
        BOTH,
        lambda t: (t.submitter / "results" / "x.txt").write_text("x"),
        "results/ holds folders of systems",
    ),
    Harmless(
        "no sources of this model",
        BOTH,
        lambda t: next((t.submitter / "src").iterdir()).rename(t.submitter / "src" / "other"),
        "every model has its code",
    ),
    Harmless("accuracy below target in open", OPEN, _low, "F1 is >="),
    Harmless(
        "calibration missing in open", OPEN, lambda t: shutil.rmtree(t.submitter / "documentation"), "calibration"
    ),
    Harmless("one scenario only in open", OPEN, lambda t: shutil.rmtree(t.stream), ""),
    Harmless("another submitter beside", BOTH, lambda t: write_json(t.division / "Other" / "x.json", {}), ""),
    Harmless("TEST01 FAIL, scores within 1 %", CLOSED, _fallback, ""),
    Harmless("Offline inferred from SingleStream", BOTH, _inferred, "the result is inferred"),
    Harmless(
        "warning line in the log",
        BOTH,
        lambda t: t.append(t.log(), "a warning", error=False),
        "",
    ),
    Harmless(
        "hash of another log",
        BOTH,
        _other_hash,
        "",
    ),
    Harmless("mlperf.conf beside user.conf", BOTH, lambda t: (t.offline / "mlperf.conf").write_text("# x\n"), ""),
]
