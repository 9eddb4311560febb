"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_STORE = "~/.cache/loadfleet"
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
STORE = click.option(
    "--store",
    "store_path",
    envvar="LOADFLEET_STORE",
    default=DEFAULT_STORE,
    show_default=True,
    show_envvar=True,
    help="Folder of the store.",
)
RESULTS_PATH = click.option(
    "--results-path",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Where run ids and `latest` are looked up.",
)
