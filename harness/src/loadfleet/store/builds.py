"""Files made from other entries, by a function that the catalogue names."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from loadfleet.errors import LoadfleetError, NotReadyError
from loadfleet.store.entry import FileRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadfleet.store.recipe import Build, Recipe


def run(recipe: Recipe, build: Build, inputs: Mapping[str, Path], output: Path) -> tuple[FileRecord, ...]:
    """Call `function(inputs, output, parameters)` and record what it wrote, verified where the catalogue says what.

    Args:
        recipe: The entry to make.
        build: Its function.
        inputs: Folder of each required entry, by name.
        output: An empty folder.

    Raises:
        NotReadyError: The function cannot be imported or failed, or a file is missing or not the declared one.
    """
    module, _, name = build.entry_point.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NotReadyError(
            f"{recipe.label} is built by {build.entry_point}, which cannot be imported: {error}",
            fix="install what is missing into the harness's environment, or correct `entry_point`",
        ) from error
    try:
        function(inputs, output, build.parameters)
    except (LoadfleetError, OSError):
        raise
    except Exception as error:
        raise NotReadyError(f"building {recipe.label} failed: {type(error).__name__}: {error}") from error
    written = sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
    records = {name: FileRecord.of(output, name) for name in written}
    for file in recipe.files:
        if file.name not in records:
            raise NotReadyError(f"{build.entry_point} did not write {file.name} of {recipe.label}")
        if file.sha256 not in {None, records[file.name].sha256}:
            raise NotReadyError(
                f"{build.entry_point} wrote a {file.name} of {recipe.label} with sha256 {records[file.name].sha256} "
                f"instead of {file.sha256}",
                fix="use the library versions of the harness's lock, which the declared digest was made with",
            )
    return tuple(records.values())
