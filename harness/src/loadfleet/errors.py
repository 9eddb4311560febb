"""Errors a user can mend, one class per exit status of every `loadfleet` command.

0 good; 1 ran and the result is bad; 2 wrong input, nothing done; 3 environment not ready; 4 interrupted, resumable.
"""

from __future__ import annotations

from typing import ClassVar


class LoadfleetError(Exception):
    """What went wrong, in words, and how to mend it.

    Args:
        message: What is wrong, naming the file or variable and the value seen.
        fix: What to change; one imperative sentence, empty when there is nothing to advise.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class BadResultError(LoadfleetError):
    """The work was done and its result is bad: INVALID, below target, refused by a check."""

    exit_code = 1


class InputError(LoadfleetError):
    """Wrong input: nothing was done, nothing was written."""

    exit_code = 2


class NotReadyError(LoadfleetError):
    """The environment lacks something: a package, an artefact, disk space, a free machine."""

    exit_code = 3


class InterruptedRunError(LoadfleetError):
    """Stopped before the end; the same command continues where it stopped."""

    exit_code = 4
