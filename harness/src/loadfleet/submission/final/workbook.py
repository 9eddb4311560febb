"""Sheets as an XLSX file whose bytes depend on the results only."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadfleet.submission.final.table import Sheet

_CREATED = dt.datetime(1980, 1, 1)
_TITLE_LIMIT = 31  # characters; Excel's
_HEAD = 3  # rows: model, scenario, unit


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """The file: three header rows (model, scenario, unit), then a row for each system."""
    import xlsxwriter  # type: ignore[import-untyped]  # noqa: PLC0415 - for this command only

    stream = io.BytesIO()
    # Values of a submission are nobody's formulas or links.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(stream, options) as book:
        book.set_properties({"title": "MLPerf Inference results", "created": _CREATED})
        bold = book.add_format({"bold": True, "bottom": 1})
        middle = book.add_format({"bold": True, "align": "center"})
        value = book.add_format({"num_format": "#,##0.00"})
        for sheet in sheets:
            page = book.add_worksheet(sheet.title[:_TITLE_LIMIT])
            first = len(sheet.columns) + 1
            for column, title in enumerate(("ID", *sheet.columns)):
                page.write_string(_HEAD - 1, column, title, bold)
            for level in range(_HEAD):
                names = [group[level] for group in sheet.groups]
                for start, end in _spans(sheet.groups, level):
                    style = middle if level < _HEAD - 1 else bold
                    if end > start:
                        page.merge_range(level, first + start, level, first + end, names[start], style)
                    else:
                        page.write_string(level, first + start, names[start], style)
            for row, line in enumerate(sheet.lines, start=_HEAD):
                for column, text in enumerate((line.identifier, *line.values)):
                    page.write_string(row, column, text)
                for column, group in enumerate(sheet.groups, start=first):
                    if group in line.results:
                        page.write_number(row, column, line.results[group], value)
            page.freeze_panes(_HEAD, 2)
            page.set_column(0, 0, 10)
            page.set_column(1, first - 1, 18)
            page.set_column(first, first + len(sheet.groups), 14)
    return stream.getvalue()


def _spans(groups: Sequence[tuple[str, str, str]], level: int) -> list[tuple[int, int]]:
    """First and last position of neighbours that agree up to a level; units are never joined."""
    spans: list[tuple[int, int]] = []
    for place, group in enumerate(groups):
        if spans and level < _HEAD - 1 and groups[place - 1][: level + 1] == group[: level + 1]:
            spans[-1] = (spans[-1][0], place)
        else:
            spans.append((place, place))
    return spans
