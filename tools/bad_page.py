"""Pages of what goes wrong and what is said then: shared by bad_input.py and bad_hosts.py."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Section:
    """One thing that is wrong.

    Attributes:
        title: Heading.
        shown: The command, as a user types it.
        status: Its exit status.
        text: What the user reads.
        done: What was done before, in words; may be empty.
        left: What is left afterwards, in words; may be empty.
    """

    title: str
    shown: str
    status: int
    text: str
    done: str = ""
    left: str = ""


def page(title: str, introduction: list[str], sections: list[Section], shortened: dict[str, str]) -> str:
    """The page as Markdown.

    Args:
        title: Heading.
        introduction: Lines below it.
        sections: In order.
        shortened: Texts (paths of this machine) and what stands for them.
    """
    lines = [f"# {title}", "", *introduction, ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        if section.done:
            lines += [section.done, ""]
        output = [f"$ {section.shown}", *section.text.splitlines(), f"[exit status {section.status}]"]
        lines += ["```console", *(line.rstrip() for line in output), "```", ""]
        if section.left:
            lines += [section.left, ""]
    text = "\n".join(lines)
    for long, short in sorted(shortened.items(), key=lambda item: -len(item[0])):
        text = text.replace(long, short)
    return text.rstrip("\n") + "\n"


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the clone as a terminal without colours would show it."""
    return subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_COLOR": "1"}, timeout=300,
    )  # fmt: skip
