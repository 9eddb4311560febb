"""Finding runs: by folder, by run id, by `latest`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadfleet.errors import InputError
from loadfleet.results.judge import verdict
from loadfleet.results.model import Result, RunResults, is_run, load


def run_folder(run: str, results_path: Path) -> Path:
    """The folder a user means: a path, else a run id, `latest` or the start of one run id below `results_path`.

    Raises:
        InputError: Nothing or more than one run matches; the message lists what is there.
    """
    for path in (Path(run), results_path / run):
        if path.is_dir():
            return path.resolve()
    if (results_path / run).is_symlink():
        raise InputError(f"{results_path / run} points to {(results_path / run).readlink()}, which does not exist")
    there = [folder.name for folder in run_folders(results_path)] if results_path.is_dir() else []
    matching = [name for name in there if name.startswith(run)]
    if len(matching) == 1:
        return (results_path / matching[0]).resolve()
    seen = ", ".join((matching or there)[:5]) or "none"
    raise InputError(
        f"{len(matching) or 'no'} run matches {run!r}: no folder, no run id in {results_path} (there: {seen})",
        fix="Give results/<run id>, a run id or `latest`; --results-path says where to look.",
    )


def load_run(run: str, results_path: Path) -> RunResults:
    """`RunResults.load` of what `run_folder` finds."""
    return RunResults.load(run_folder(run, results_path))


def load_any(what: str, results_path: Path) -> list[Result]:
    """The results of a result.json, of a cell's folder, or of a run.

    Raises:
        InputError: It is none of them, or the run has no readable result.
    """
    path = Path(what)
    if path.is_file():
        return [load(path)]
    if (path / "result.json").is_file():
        return [load(path / "result.json")]
    run = load_run(what, results_path)
    if not run.results:
        raise InputError(
            f"{run.path}: no readable result.json in any cell: {'; '.join(run.findings) or 'none was written'}"
        )
    return list(run.results)


def run_folders(path: Path) -> list[Path]:
    """Folders of runs below `path` without symbolic links, newest first by name (run ids start with their UTC time).

    Raises:
        InputError: `path` does not exist.
    """
    if not path.is_dir():
        raise InputError(f"no folder {path}", fix="Give the folder that holds the runs, usually results/.")
    folders = [entry for entry in path.iterdir() if not entry.is_symlink() and is_run(entry)]
    return sorted(folders, key=lambda folder: folder.name, reverse=True)


def run_line(folder: Path) -> dict[str, Any]:
    """One run in a list: run id, workload, execution, counts, verdict."""
    run = RunResults.load(folder)
    judged = verdict(run)
    first = run.results[0] if run.results else None
    return {
        "run_id": run.run_id,
        "path": str(folder),
        "workload": first.workload if first else run.run.get("workload"),
        "execution": first.execution if first else run.run.get("execution"),
        "hosts": len(run.hosts),
        "cells": len(run.cells),
        "outcome": judged.outcome,
        "verdict": judged.text,
    }
