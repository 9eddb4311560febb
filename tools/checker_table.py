"""The tables of docs/checker.md: every change that the tests make to an accepted submission, and who refuses it.

`make docs` writes them; a contract test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "checker.md"
BEGIN, END = "<!-- changes -->", "<!-- /changes -->"
_TESTS = ROOT / "harness" / "tests" / "submission"
_SHORT = {"accepted": "ok", "refused": "refused", "crashes": "**crash**", "hangs": "**hang**"}


def render() -> str:
    """The document with fresh tables between its markers."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}{END}{after}"


def tables() -> str:
    """All tables in Markdown, with what they count."""
    sys.path.insert(0, str(_TESTS))
    from record_verdicts import ALL, FILE  # type: ignore[import-not-found]  # noqa: PLC0415 - tests are no package
    from submission_harmless import ROWS as HARMLESS  # type: ignore[import-not-found]  # noqa: PLC0415
    from submission_hostile import ROWS as HOSTILE  # type: ignore[import-not-found]  # noqa: PLC0415
    from submission_mutations import ROWS  # type: ignore[import-not-found]  # noqa: PLC0415
    from yaml import safe_load  # noqa: PLC0415

    recorded = safe_load(FILE.read_text(encoding="utf-8"))
    lines = [_counts(ALL, recorded), ""]
    for title, rows in (("Refused", ROWS), ("Refused, and read without harm", HOSTILE), ("Accepted", HARMLESS)):
        lines += [f"### {title}", "", *_table(rows, recorded), ""]
    return "\n".join(lines)


def _counts(rows: Sequence[Any], recorded: dict[str, dict[str, list[str]]]) -> str:
    cases = [(row, division) for row in rows for division in row.divisions]
    verdicts = {
        name: [recorded[row.name][division][place] for row, division in cases]
        for place, name in enumerate(("modular", "strict"))
    }
    refused = sum(not row.accepted for row, _ in cases)
    parts = [
        f"the {name} checker refuses {found.count('refused')}, accepts {found.count('accepted')}, ends in a traceback "
        f"at {found.count('crashes')} and never ends at {found.count('hangs')}"
        for name, found in verdicts.items()
    ]
    both = sum(not row.accepted and recorded[row.name][division] == ["accepted", "accepted"] for row, division in cases)
    return (
        f"{len(rows)} changes, {len(cases)} trees: ours refuses {refused} and accepts {len(cases) - refused}; "
        f"{'; '.join(parts)}. {both} trees that ours refuses are accepted by both."
    )


def _table(rows: Iterable[Any], recorded: dict[str, dict[str, list[str]]]) -> list[str]:
    lines = ["| change | modular | strict | ours | why |", "|---|---|---|---|---|"]
    for row in rows:
        ours = "ok" if row.accepted else "refused"
        cells = [
            _verdicts({division: recorded[row.name][division][place] for division in row.divisions}) for place in (0, 1)
        ]
        lines.append(f"| {_plain(row.name)} | {' | '.join(cells)} | {ours} | {_plain(row.why)} |")
    return lines


def _verdicts(found: dict[str, str]) -> str:
    """One word, or `open` and `closed` where they differ."""
    words = {division: _SHORT[verdict] for division, verdict in found.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{division}: {word}" for division, word in words.items())


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(render(), encoding="utf-8")
