"""`loadfleet translate`: a command line of CM, CK or MLC in our words."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from loadfleet.translate import Translation

_LABELS = {"set": "", "not_needed": "not needed", "not_yet": "NOT SUPPORTED YET", "unknown": "UNKNOWN"}


class _RawLine(click.Command):
    """Takes a line as it is typed: what follows its first word is theirs, unless the whole line is one argument."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = next((at for at, each in enumerate(args) if _begins(each)), None)
        if first is not None and " " not in args[first].strip():
            args = [*args[:first], "--", *args[first:]]
        return super().parse_args(ctx, args)


def _begins(word: str) -> bool:
    from loadfleet.translate import rules  # noqa: PLC0415

    known = rules.load()
    return word.partition("=")[0].strip() in {*known.programs, *known.prefixes, "export"}


@click.command(cls=_RawLine)
@click.argument("line", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-f", "--file", "source", type=click.File("r", encoding="utf-8"), help="Read lines from a file; - for stdin."
)
@click.option(
    "--run-file",
    metavar="FILE",
    help="Write the variables to a YAML file that the command takes; - prints them, and everything else to stderr.",
)
@click.option(
    "--for",
    "program",
    type=click.Choice(["ansible-playbook", "loadfleet"]),
    default="ansible-playbook",
    show_default=True,
    help="Which command to write.",
)
@JSON
def command(line: tuple[str, ...], source: Any, run_file: str | None, program: str, as_json: bool) -> None:
    """Say LINE, a command of CM, CK or MLC, in our words, and what becomes of each of its flags.

    LINE is best put between single quotes; nothing of it is run. Options of this command go before it, or after the
    quoted line.

    \b
      loadfleet translate 'cm run script --tags=run-mlperf,inference --model=bert-99 --quiet'
      loadfleet translate --run-file bert.yml mlcr run-mlperf,inference,_full --model=bert-99
      loadfleet translate --file tutorial.sh

    Exit status: 0 all of it is known, 1 something is not (it is named, the rest is translated), 2 wrong input.
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from loadfleet.translate import translate  # noqa: PLC0415

    found = translate(_text(line, source))
    if run_file is not None:
        _write(found, run_file)
    shown_file = run_file if run_file and run_file != "-" else ""
    if as_json:
        echo_json({"commands": [_as_dict(each, program, shown_file) for each in found]})
    else:
        text = "\n\n".join(_as_text(each, program, shown_file, several=len(found) > 1) for each in found)
        click.echo(text, err=run_file == "-")
    sys.exit(1 if any(each.unknown for each in found) else 0)


def _text(line: tuple[str, ...], source: Any) -> str:
    if source is not None and line:
        raise InputError("a line and --file are both given", fix="Give one of them.")
    if source is not None:
        try:
            return str(source.read())
        except UnicodeDecodeError as error:
            raise InputError(f"--file {source.name}: not text: {error.reason}", fix="Give a text file.") from error
    if not line:
        raise InputError("no line is given", fix="loadfleet translate 'cm run script --tags=run-mlperf,inference'")
    return line[0] if len(line) == 1 else shlex.join(line)


def _write(found: list[Translation], run_file: str) -> None:
    import yaml  # noqa: PLC0415

    from loadfleet.files import write_text  # noqa: PLC0415

    with_playbook = [each for each in found if each.playbook]
    if len(with_playbook) != 1:
        raise InputError(
            f"--run-file takes one command that runs a playbook, found {len(with_playbook)}",
            fix="Translate the commands one by one, or leave --run-file out.",
        )
    content = yaml.safe_dump(with_playbook[0].run_file(), sort_keys=False, default_flow_style=False)
    comment = "".join(
        f"# {row}\n"
        for row in textwrap.wrap(with_playbook[0].line, 116, break_long_words=False, break_on_hyphens=False)
    )
    if run_file == "-":
        click.echo(f"{comment}{content}", nl=False)
    elif Path(run_file).exists():
        raise InputError(f"--run-file {run_file}: exists already", fix="Name a new file, or remove that one.")
    else:
        try:
            write_text(Path(run_file), f"---\n{comment}{content}")
        except OSError as error:
            raise InputError(
                f"--run-file {run_file}: cannot be written: {error.strerror}", fix="Name another file."
            ) from error


def _as_dict(each: Translation, program: str, run_file: str) -> dict[str, Any]:
    return {
        "line": each.line,
        "about": each.about,
        "command": each.command(program=program, run_file=run_file),
        "playbook": each.playbook,
        "variables": each.variables,
        "says": each.says,
        "missing": each.missing,
        "parts": [vars(part) for part in each.parts],
        "unknown": each.unknown,
    }


def _as_text(each: Translation, program: str, run_file: str, *, several: bool) -> str:
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    rows = [f"# {each.line}"] if several else []
    rows.append(each.command(program=program, run_file=run_file) or f"(no command) {each.about}")
    rows += [""] if each.missing or each.says or each.parts else []
    for reason in each.missing:
        rows += textwrap.wrap(f"{'This cannot run yet' if each.command() else 'Not supported yet'}: {reason}.", width)
    if not each.known:
        rows += textwrap.wrap("UNKNOWN: what this command is for. Its flags are read as those of a benchmark.", width)
    if each.says:
        label = "Note" if each.command() or each.variables else "Not needed"
        rows += textwrap.wrap(f"{label}: {each.says}.", width)
    left_out = [part.theirs.strip() for part in each.parts if part.status == "not_yet"]
    if left_out and each.command():
        rows += textwrap.wrap(f"The command does without: {', '.join(left_out)}.", width, break_on_hyphens=False)
    rows += [""] if each.parts and rows[-1] else []
    column = min(max((len(part.theirs) for part in each.parts), default=0), 44)
    for part in each.parts:
        reason = ": ".join(piece for piece in (_LABELS[part.status], part.why) if piece)
        text = "; ".join(piece for piece in (part.ours, reason) if piece)
        lines = textwrap.wrap(text, max(width - column - 4, 30), break_long_words=False, break_on_hyphens=False) or [""]
        if len(part.theirs) > column:
            rows.append(f"  {part.theirs}")
            lines.insert(0, "")
        else:
            rows.append(f"  {part.theirs:{column}}  {lines[0]}".rstrip())
        rows += [f"  {'':{column}}  {row}" for row in lines[1:]]
    return "\n".join(rows)
