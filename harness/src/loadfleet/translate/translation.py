"""What a command of theirs has become: a command line or the file of a run."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.translate.request import Part

_PLAIN = r"(?!(?:null|true|false|yes|no|on|off)$)[A-Za-z~$/<][\w.~$/+<>-]*"


@dataclass
class Translation:
    """A command of theirs in our words.

    Attributes:
        line: Theirs.
        about: What it does, in words.
        playbook: The playbook that does it here, or "".
        words: Another command that does it, or nothing.
        options: Options besides variables.
        variables: Of the playbook.
        parts: What became of each part.
        missing: Why the command cannot run as it is, such as a workload that is not there.
        says: What is different, or why nothing is needed.
        known: False when we do not know what the command is for.
    """

    line: str
    about: str = ""
    playbook: str = ""
    words: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    says: str = ""
    known: bool = True

    @property
    def unknown(self) -> list[str]:
        """What we do not know, as it was typed."""
        return [*([] if self.known else [self.line]), *(part.theirs for part in self.parts if part.status == "unknown")]

    def command(self, *, program: str = "ansible-playbook", run_file: str = "") -> str:
        """The command line, quoted for a shell; "" when nothing is to be done.

        Args:
            program: `ansible-playbook` or `loadfleet`; both take the same playbooks and variables.
            run_file: File that has the variables, instead of the command line.
        """
        if not self.playbook:
            return " ".join(_quoted(word) for word in self.words)
        playbook = ["loadfleet", "run", self.playbook]
        if program == "ansible-playbook":
            playbook = ["ansible-playbook", f"playbooks/{self.playbook}"]
        words = [*playbook, "-i", "inventory", *self.options]
        if run_file:
            return " ".join(_quoted(word) for word in [*words, "-e", f"@{run_file}"])
        return " ".join(_quoted(word) for word in [*words, *_extra_vars(self.variables)])

    def run_file(self) -> dict[str, Any]:
        """The variables as a file has them: where a shell would put the home folder in, Ansible does."""
        home = re.compile(r"\$HOME\b|\$\{HOME\}|^~(?=/)")
        return {
            name: home.sub("{{ lookup('env', 'HOME') }}", value) if isinstance(value, str) else value
            for name, value in self.variables.items()
        }


def _extra_vars(variables: Mapping[str, Any]) -> list[str]:
    """Arguments -e: text as NAME=VALUE, everything else as one JSON object, since NAME=VALUE is text for Ansible."""
    import json  # noqa: PLC0415

    words: list[str] = []
    plain = {name: value for name, value in variables.items() if _plain(value)}
    for name, value in plain.items():
        words += ["-e", f"{name}={value}"]
    rest = {name: value for name, value in variables.items() if name not in plain}
    return [*words, "-e", json.dumps(rest)] if rest else words


def _plain(value: Any) -> bool:
    """Whether NAME=VALUE keeps a value: Ansible splits it at spaces, YAML takes `null` and `1.2` for no text."""
    return isinstance(value, str) and re.fullmatch(_PLAIN, value) is not None


def _quoted(word: str) -> str:
    """A word for a shell, which puts the values of variables ($HOME) in and does nothing else with it."""
    if re.search(r"\$(?:[A-Za-z_]|\{\w+\})", word):
        escaped = re.sub(r'(["\\`]|\$(?![A-Za-z_]|\{\w+\}))', r"\\\1", word)
        return f'"{escaped}"'
    if re.fullmatch(r"<[\w.-]+>", word):
        return word
    return shlex.quote(word)
