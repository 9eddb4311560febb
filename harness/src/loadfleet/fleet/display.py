"""Signs of life on a terminal (a table that is drawn again) and in a log (a line each)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from rich.table import Table

    from loadfleet.fleet.request import Progress


@contextmanager
def shown_on(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    """A function that shows a sign of life on `stream`, live when that is a terminal."""
    if not stream.isatty():
        yield lambda sign: click.echo(line(sign), file=stream)
        return
    from rich.console import Console  # noqa: PLC0415 - 0.1 s
    from rich.live import Live  # noqa: PLC0415

    board = Board()
    with Live(board.table(), console=Console(file=stream), transient=True, refresh_per_second=4) as live:

        def show(sign: Progress) -> None:
            board.take(sign)
            live.update(board.table())

        yield show


def line(sign: Progress) -> str:
    """One line of a log."""
    if sign.fraction is None:
        return f"- {sign.text}"
    return f"{sign.host:<12}  {sign.cell:<30}  {sign.fraction * 100:3.0f} %  {sign.text}".rstrip()


class Board:
    """The last sign of each cell, and the task that runs."""

    def __init__(self) -> None:
        self.task = ""
        self.cells: dict[tuple[str, str], Progress] = {}

    def take(self, sign: Progress) -> None:
        if sign.fraction is None:
            self.task = sign.text
        else:
            self.cells[sign.host, sign.cell] = sign

    def table(self) -> Table:
        """A row for each cell: host, cell, bar, share, text."""
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, pad_edge=False, show_header=False, caption=Text(self.task), caption_justify="left")
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for sign in self.cells.values():
            share = sign.fraction or 0.0
            bar = ProgressBar(total=1.0, completed=share, width=24)
            table.add_row(Text(sign.host), Text(sign.cell), bar, f"{share * 100:.0f} %", Text(sign.text))
        return table
