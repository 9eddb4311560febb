"""Text as a user pastes it, cut into commands and words the way a shell cuts it; nothing is expanded or executed."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadfleet.errors import InputError

# what editors and word processors make of quotes and dashes; no-break spaces
_TYPOGRAPHY = str.maketrans(
    {"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " ", "\u2013": "--", "\u2014": "--"}
)
_ESCAPABLE_IN_QUOTES = '"\\$`\n'
_SEPARATORS = ";|&"


@dataclass
class _Words:
    """What was cut off so far."""

    commands: list[list[str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    word: str | None = None

    def add(self, text: str) -> None:
        self.word = (self.word or "") + text

    def end_word(self) -> None:
        if self.word is not None:
            self.words.append(self.word)
        self.word = None

    def end_command(self) -> None:
        self.end_word()
        if self.words:
            self.commands.append(self.words)
        self.words = []


def commands(text: str) -> list[list[str]]:
    """The commands of a text, each as its words without quotes, in the order of their beginning.

    Knows quotes, backslashes, comments, `;`, `&&`, `|`, line ends and continuation lines, also those of PowerShell and
    cmd. A line that begins with a dash continues the one before it, where a backslash was forgotten. A command between
    backquotes or in `$(...)` is a command of its own, found before the one that uses it. `<NAME>`, as documentation has
    it, is a word; redirections are left out.

    Raises:
        InputError: A quote is not closed.
    """
    text = text.replace("\r\n", "\n").translate(_TYPOGRAPHY)
    text = text.replace(" `\n", " \\\n").replace(" ^\n", " \\\n")
    found = _Words()
    at = 0
    while at < len(text):
        at = _next(text, at, found)
    found.end_command()
    return [kept for words in found.commands if (kept := _without_redirections(words))]


def _next(text: str, at: int, found: _Words) -> int:
    character = text[at]
    if character == "\\":
        following = text[at + 1 : at + 2]
        if following != "\n":
            found.add(following)
        else:
            found.end_word()
        return at + 2
    if character in "'\"":
        return _quoted(text, at, found)
    if character == "`" or text.startswith("$(", at):
        return _substituted(text, at, found)
    if character == "#" and found.word is None:
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if character == "\n":
        if text[at:].lstrip().startswith("-") and (found.words or found.word is not None):
            found.end_word()
        else:
            found.end_command()
        return at + 1
    if character in _SEPARATORS and not _redirects(found):
        found.end_command()
    elif character.isspace():
        found.end_word()
    else:
        found.add(character)
    return at + 1


def _redirects(found: _Words) -> bool:
    """Whether a `&` belongs to a redirection such as `2>&1`."""
    return found.word is not None and found.word.endswith(">")


def _quoted(text: str, at: int, found: _Words) -> int:
    quote = text[at]
    found.add("")
    position = at + 1
    while position < len(text):
        character = text[position]
        if character == quote:
            return position + 1
        if quote == '"' and character == "\\" and text[position + 1 : position + 2] in _ESCAPABLE_IN_QUOTES:
            position += 1
            character = "" if text[position : position + 1] == "\n" else text[position : position + 1]
        found.add(character)
        position += 1
    raise InputError(
        f"a quote ({quote}) is not closed: {text[at : at + 40]}",
        fix="Close it; on a command line put the whole line between single quotes, or give it in a file with --file.",
    )


def _substituted(text: str, at: int, found: _Words) -> int:
    """A command inside another: it becomes a command of its own, and its text stays a part of the word."""
    start, closing = (at + 1, "`") if text[at] == "`" else (at + 2, ")")
    end = text.find(closing, start)
    if end < 0:
        raise InputError(f"not closed with {closing}: {text[at : at + 40]}", fix="Close it.")
    found.commands.extend(commands(text[start:end]))
    found.add(text[at : end + 1])
    return end + 1


def _without_redirections(words: list[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in {">", ">>", "2>", "<"}:
            skip = True
        elif not word.startswith((">", "2>", "1>")):
            kept.append(word)
    return kept
