"""What a submission can do to whoever reads it: each is refused in words, whatever MLCommons' checkers do with it."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from submission_builder import edit_json
from submission_mutations import BOTH, DETAIL, OPEN, Mutation, Tree

if TYPE_CHECKING:
    from pathlib import Path

MANY = 50_001
_DEEP = 150


def _instead(path: Path) -> Path:
    path.unlink()
    return path


def _pipe(path: Path) -> None:
    os.mkfifo(_instead(path))


def _sparse(path: Path, size: int = 2 << 30) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


def _nested(folder: Path) -> None:
    deep = folder
    for _ in range(_DEEP):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")


def _endless_path(folder: Path) -> None:
    """Folders below folders until no path reaches the deepest."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("n" * 200, dir_fd=here)
        below = os.open("n" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def _crowd(folder: Path) -> None:
    folder.mkdir()
    for number in range(MANY):
        (folder / str(number)).touch()


def _outside(tree: Tree, path: Path) -> None:
    """Move a path out of the submission and leave a link to it."""
    target = tree.root.parent / f"{tree.root.name}-outside"
    shutil.move(path, target)
    path.symlink_to(target)


def _bytes(tree: Tree) -> None:
    folder = os.fsencode(tree.submitter / "src")
    with open(folder + b"/caf\xe9.txt", "wb") as stream:  # noqa: PTH123 - the name is no text
        stream.write(b"x")


def _rewrite(path: Path, old: str, new: str) -> None:
    text, count = re.subn(old, new, path.read_text(), count=1)
    assert count
    path.write_text(text)


def _score(tree: Tree) -> Path:
    return tree.offline / "accuracy" / "accuracy.txt"


def _infinite(tree: Tree) -> None:
    tree.text(tree.log(), '"result_samples_per_second", "value": ', '"result_samples_per_second", "value": 1e999')


LINKS = "Readers, archives and web pages follow such a link differently, or to somebody's own files."
NAMES = "Such names break lists, archives and other systems."

ROWS: list[Mutation] = [
    Mutation("detail log a pipe", BOTH, lambda t: _pipe(t.log()), f"{DETAIL} is required"),
    Mutation("accuracy.txt a pipe", BOTH, lambda t: _pipe(_score(t)), "accuracy.txt is required"),
    Mutation("description a pipe", BOTH, lambda t: _pipe(t.description), "every system has a description"),
    Mutation(
        "pipe among the sources",
        BOTH,
        lambda t: os.mkfifo(t.submitter / "src" / "pipe"),
        "files and folders only",
        "Whoever copies or packs the submission waits for ever.",
    ),
    Mutation(
        "link to a device",
        BOTH,
        lambda t: _instead(t.log()).symlink_to("/dev/zero"),
        "no link may leave the submission",
    ),
    Mutation("detail log a folder", BOTH, lambda t: _instead(t.log()).mkdir(), f"{DETAIL} is required"),
    Mutation("detail log outside", BOTH, lambda t: _outside(t, t.log()), "no link may leave the submission", LINKS),
    Mutation("scenario outside", BOTH, lambda t: _outside(t, t.offline), "no link may leave the submission", LINKS),
    Mutation(
        "link in a circle",
        BOTH,
        lambda t: (t.submitter / "src" / "link").symlink_to("link"),
        "no link may dangle",
    ),
    Mutation(
        "line break in a name",
        BOTH,
        lambda t: (t.submitter / "src" / "a\nERROR b").write_text("x"),
        "no name may hold line breaks",
        NAMES,
    ),
    Mutation(
        "terminal control in a name",
        OPEN,
        lambda t: (t.submitter / "src" / "a\x1b[2Jb").write_text("x"),
        "no name may hold line breaks",
        NAMES,
    ),
    Mutation("name that is not UTF-8", BOTH, _bytes, "every name is UTF-8", NAMES),
    Mutation("detail log of 2 GiB of nothing", OPEN, lambda t: _sparse(t.log()), "every line is a LoadGen entry"),
    Mutation("accuracy.txt of 2 GiB of nothing", OPEN, lambda t: _sparse(_score(t)), "no file may exceed 50 MiB"),
    Mutation(
        "description of 2 GiB of nothing", OPEN, lambda t: _sparse(t.description), "every system has a description"
    ),
    Mutation(
        "folders nested 150 deep",
        OPEN,
        lambda t: _nested(t.submitter / "src" / "deep"),
        "nested 100 deep at most",
        "Paths of that length break archives and other systems.",
    ),
    Mutation(
        "folder that no path reaches",
        OPEN,
        lambda t: _endless_path(t.submitter / "src"),
        "can be read",
        "What cannot be listed cannot be checked.",
    ),
    Mutation(
        "50,001 files in a folder",
        OPEN,
        lambda t: _crowd(t.submitter / "src" / "crowd"),
        "50,000 entries at most",
        "A folder that nobody can list is not part of a submission; the walk must end.",
    ),
    Mutation(
        "description nested 100,000 deep",
        OPEN,
        lambda t: t.description.write_text("[" * 100_000),
        "every system has a description",
    ),
    Mutation(
        "measurements nested 100,000 deep",
        OPEN,
        lambda t: (t.offline / "measurements.json").write_text('{"a":' * 100_000),
        "the measurements file is a JSON object",
    ),
    Mutation(
        "number of 5,000 digits",
        OPEN,
        lambda t: _rewrite(t.description, '"number_of_nodes": "1"', f'"number_of_nodes": {"9" * 5000}'),
        "every system has a description",
    ),
    Mutation(
        "result not a number",
        BOTH,
        lambda t: t.set("result_samples_per_second", "fast"),
        "the log holds the result of the scenario",
    ),
    Mutation("result infinite", BOTH, _infinite, "the log holds the result of the scenario"),
    Mutation("result zero", BOTH, lambda t: t.set("result_samples_per_second", 0), "the result is positive"),
    Mutation(
        "result negative",
        BOTH,
        lambda t: t.set("result_samples_per_second", -1.5),
        "the result is positive",
        "No run does less than nothing.",
    ),
    Mutation("line of 20 MiB", OPEN, lambda t: t.log().write_bytes(b"x" * (20 << 20)), "every line is a LoadGen entry"),
    Mutation(
        "log in UTF-16",
        BOTH,
        lambda t: t.log().write_bytes(t.log().read_text().encode("utf-16")),
        "every line is a LoadGen entry",
    ),
    Mutation(
        "half a description", BOTH, lambda t: t.description.write_text('{"a": '), "every system has a description"
    ),
    Mutation("description null", BOTH, lambda t: t.description.write_text("null"), "every system has a description"),
    Mutation(
        "summary binary",
        BOTH,
        lambda t: t.log().with_name("mlperf_log_summary.txt").write_bytes(bytes(range(256))),
        "Result is : VALID",
        "The summary is LoadGen's own verdict, and the file that people read.",
    ),
    Mutation(
        "accuracy.txt binary", BOTH, lambda t: _score(t).write_bytes(bytes(range(256)) * 9), "accuracy.txt holds F1"
    ),
    Mutation(
        "system type an object",
        BOTH,
        lambda t: edit_json(t.description, system_type={"edge": True}),
        "system_type is one of",
    ),
    Mutation("submitter a number", BOTH, lambda t: edit_json(t.description, submitter=5), "submitter must be Example"),
]
