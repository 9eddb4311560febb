"""Write the final report: <stem>.csv, <stem>_results.json, <stem>.xlsx, <stem>.html and ids.json in one folder."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.errors import InputError, NotReadyError
from loadfleet.submission.final import table
from loadfleet.submission.final.workbook import workbook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.submission.final.table import Links

IDS = "ids.json"
_LEAD = ("Submitter", "System", "Used model", "Accuracy")  # what stands before the results on a page
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Written:
    """The files, and how many results and sheets they hold."""

    files: tuple[Path, ...]
    results: int
    sheets: tuple[str, ...]


def write(rows: Sequence[Mapping[str, str]], folder: Path, stem: str, links: Links, *, with_csv: bool) -> Written:
    """Write all formats; the same rows give the same bytes.

    Args:
        rows: Of a summary; at least one.
        folder: Is made. An ids.json in it keeps the identifiers of systems that it knows.
        stem: Name of the files.
        links: Where the submission is published.
        with_csv: Also write the rows themselves.

    Raises:
        InputError: There are no rows, or ids.json is not an object of texts.
        NotReadyError: The folder cannot be written.
    """
    if not rows:
        raise InputError("there are no accepted results to report", fix="mend what loadfleet submission check finds")
    ids = table.identify(rows, _known(folder / IDS))
    sheets = table.sheets(rows, ids, links)
    contents = {
        f"{stem}_results.json": _json(table.objects(rows, ids, links)),
        f"{stem}.xlsx": workbook(sheets),
        f"{stem}.html": page(sheets, rows).encode(),
        IDS: _json(ids),
    }
    if with_csv:
        contents = {f"{stem}.csv": _csv(rows)} | contents
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            files.write_bytes(folder / name, data)
    except OSError as error:
        raise NotReadyError(f"{folder} cannot be written: {error.strerror}", fix="name another folder") from error
    results = sum(row["Units"] not in table.POWER_UNITS for row in rows)
    return Written(tuple(folder / name for name in contents), results, tuple(sheet.title for sheet in sheets))


def page(sheets: Sequence[table.Sheet], rows: Sequence[Mapping[str, str]]) -> str:
    """One HTML file that asks nobody for anything."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - for this command only

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "zip": zip}
    rounds = ", ".join(sorted({row["version"] for row in rows}))
    submitters = ", ".join(sorted({row["Organization"] for row in rows}))
    return environment.get_template("final.html.j2").render(
        sheets=sheets, rounds=rounds, submitters=submitters, lead=_LEAD
    )


def _figure(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"


def _known(path: Path) -> dict[str, str]:
    try:
        value: Any = files.read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", fix="mend or remove it") from error
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InputError(f"{path} is not an object of identifiers", fix="mend or remove it")
    return value


def _csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    text = io.StringIO()
    columns = list(rows[0])
    text.write(",".join(columns) + "\n")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [row[column] for column in columns] for row in rows
    )
    return text.getvalue().encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
