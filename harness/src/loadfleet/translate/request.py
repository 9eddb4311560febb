"""A command of theirs taken apart, and what became of each part."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO = frozenset({"no", "false", "off", "0", "none"})


@dataclass(frozen=True)
class Flag:
    """A flag as given.

    Attributes:
        name: Without dashes at its beginning, `-` as `_`, so that spellings are equal.
        value: Text after `=`; None for a flag alone.
        text: As it was typed, to show it.
    """

    name: str
    value: str | None
    text: str

    @property
    def on(self) -> bool:
        """Whether a switch is on: alone or with any value that does not mean no."""
        return self.value is None or self.value.lower() not in _NO


@dataclass
class Request:
    """A command taken apart.

    Attributes:
        words: The command's words, without what was before it.
        action: `run`, `pull`, `show`...
        kind: `script`, `cache`, `program`...
        names: What the action is about, where that is not told by tags.
        tags: Of a script or of what is sought, without variations.
        variations: Without their underscore.
        flags: In their order; assignments of the environment come first.
        implied: Flags that the program or the action stands for, `docker` for `cm docker script`.
        prefixes: Words before the command that are no part of it, such as `time`.
        tail: Words after `--`.
    """

    words: Sequence[str]
    program: str = ""
    action: str = ""
    kind: str = ""
    names: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    variations: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    implied: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The command on one line."""
        return shlex.join(self.words)


@dataclass
class Part:
    """One flag, variation or assignment and what became of it.

    Attributes:
        theirs: As it was typed.
        status: "set", "not_needed", "not_yet" (no counterpart, `why` says for what reason) or "unknown".
        ours: `variable: value`, or an option of the command; empty where there is none.
        why: In words; may be empty for what is set.
    """

    theirs: str
    status: str
    ours: str = ""
    why: str = ""
