"""Carry out the checks: a submission in pieces, each on its own, spread over processes.

A piece is the submission, one check of a submitter, a system or a model. A process keeps nothing of a piece but its
findings and rows, so memory does not grow with the logs.
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.submission import summary
from loadfleet.submission.checks import ALL, Check, Finding, Submission
from loadfleet.submission.checks.base import Model, Submitter, System, unreadable
from loadfleet.submission.reading.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadfleet.submission.checks.base import Subject

FINDING_LIMIT = 200
"""Findings of one check about one subject; the rest is counted in one more."""
_PIECES_PER_TASK = 8
_FEWEST_TASKS = 4  # below, starting processes costs more than it saves


@dataclass(frozen=True)
class Piece:
    """A part of the work: names of folders; `check` is the position in ALL of a submitter's check."""

    division: str = ""
    system: str = ""
    model: str = ""
    check: int = -1


@dataclass(frozen=True)
class Outcome:
    """What came of some pieces."""

    findings: tuple[Finding, ...]
    rows: tuple[summary.Row, ...]


def outcomes(submission: Submission, jobs: int | None = None) -> Iterator[Outcome]:
    """Check everything, in the order of folders; `jobs` processes, by default one for each core that is allowed."""
    pieces = list(_pieces(submission))
    tasks = [pieces[start : start + _PIECES_PER_TASK] for start in range(0, len(pieces), _PIECES_PER_TASK)]
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(tasks))
    walker = Walker(submission)
    # A forked process starts at once and knows the rules; forking is safe while there is one thread.
    alone = threading.active_count() == 1 and "fork" in multiprocessing.get_all_start_methods()
    if jobs < 2 or len(tasks) < _FEWEST_TASKS or not alone:
        yield from map(walker.run, tasks)
    else:
        yield from _spread(walker, tasks, jobs)


def _spread(walker: Walker, tasks: Sequence[Sequence[Piece]], jobs: int) -> Iterator[Outcome]:
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(walker,)) as executor:
        futures = [_submitted(executor, task) for task in tasks]
        try:
            for task, future in zip(tasks, futures, strict=True):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    yield walker.lost(task)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _submitted(executor: ProcessPoolExecutor, task: Sequence[Piece]) -> Future[Outcome]:
    """Hand over a task; one that a process's death keeps from being handed over ends like one it took along."""
    try:
        return executor.submit(_run, task)
    except BrokenProcessPool as error:
        refused: Future[Outcome] = Future()
        refused.set_exception(error)
        return refused


def _pieces(submission: Submission) -> Iterator[Piece]:
    yield Piece()
    for submitter in submission.submitters:
        # One check after the other walks all files: those go first, each as a piece of its own.
        yield from (Piece(submitter.division, check=i) for i, kind in enumerate(ALL) if kind.over is Submitter)
        for system in submitter.systems:
            yield Piece(submitter.division, system.folder.name)
            for model in system.models:
                yield Piece(submitter.division, system.folder.name, model.folder.name)


class Walker:
    """Works on pieces, one after the other."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.checks: list[Check] = [kind(submission) for kind in ALL]
        self._submitters = {submitter.division: submitter for submitter in submission.submitters}
        self._system: System | None = None

    def run(self, pieces: Iterable[Piece]) -> Outcome:
        findings: list[Finding] = []
        rows: list[summary.Row] = []
        for piece in pieces:
            self._piece(piece, findings, rows)
        self._system = None
        self.submission.root.disk.forget()
        return Outcome(tuple(findings), tuple(rows))

    def lost(self, pieces: Iterable[Piece]) -> Outcome:
        """Outcome of pieces whose process was killed, most likely for want of memory."""
        rule, fix = "the process that checks this part lives", "check again with --jobs 1, and with more memory"
        check = self.checks[0]
        return Outcome(tuple(check.error(self._folder(piece), rule, fix) for piece in pieces), ())

    def _folder(self, piece: Piece) -> Place:
        names = [piece.division, self.submission.submitter, "results", piece.system, piece.model]
        wanted = 5 if piece.model else 4 if piece.system else 2 if piece.division else 0
        return Place(self.submission.root.disk, "/".join([self.submission.root.path, *names[:wanted]]))

    def _piece(self, piece: Piece, findings: list[Finding], rows: list[summary.Row]) -> None:
        if not piece.division:
            findings += self._findings(self.submission)
            return
        submitter = self._submitters[piece.division]
        if not piece.system:
            findings += self._guarded(self.checks[piece.check], submitter)
            return
        folder = submitter.folder / "results" / piece.system
        if self._system is None or self._system.folder != folder:
            self.submission.root.disk.forget()
            self._system = System(submitter, folder)
        if not piece.model:
            findings += self._findings(self._system)
            return
        model = Model(self._system, folder / piece.model)
        findings += self._findings(model)
        for result in model.results:
            findings += self._findings(result)
            try:
                rows.append(summary.row(result))
            except Exception as error:
                findings.append(_not_carried_out(self.checks[0], result.folder, "row of the results table", error))

    def _findings(self, subject: Subject) -> Iterator[Finding]:
        for check in self.checks:
            if isinstance(subject, check.over):
                yield from self._guarded(check, subject)
        disk = self.submission.root.disk
        for path, reason in disk.unreadable.items():
            yield unreadable(self.checks[0], Place(disk, path), OSError(0, reason))
        disk.unreadable.clear()

    def _guarded(self, check: Check, subject: Any) -> Iterator[Finding]:
        """A check's findings; that it cannot be carried out, or finds no end, is one of them."""
        folder = subject.root if isinstance(subject, Submission) else subject.folder
        try:
            found = iter(check.findings(subject))
            yield from itertools.islice(found, FINDING_LIMIT)
            if next(found, None) is not None:
                yield check.error(folder, f"there are more than {FINDING_LIMIT} findings like these", "mend them first")
        except OSError as error:
            path = str(error.filename) if isinstance(error.filename, str) else folder.path
            below = path.startswith(self.submission.root.path + "/")
            yield unreadable(check, Place(folder.disk, path) if below else folder, error)
        except Exception as error:
            yield _not_carried_out(check, folder, f"check {type(check).__name__}", error)


def _not_carried_out(check: Check, folder: Place, what: str, error: Exception) -> Finding:
    return check.error(
        folder,
        f"the {what} can be made",
        "look for what is unusual in this folder, and report it as an error of Loadfleet",
        f"{type(error).__name__}: {error}",
    )


_walker: Walker | None = None
"""Of a process that was started for this."""


def _start(walker: Walker) -> None:
    global _walker  # noqa: PLW0603 - a process has no other place that outlives a task
    _walker = walker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    gc.freeze()  # what was there before need not be looked at again


def _run(task: Sequence[Piece]) -> Outcome:
    assert _walker is not None  # noqa: S101 - _start ran
    return _walker.run(task)
