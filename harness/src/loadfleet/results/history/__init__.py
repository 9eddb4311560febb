"""Results of others and of ours in one form: imported, kept in an index, compared.

For readers (reports, comparisons):

    from loadfleet.results import history
    history.rows(model="bert-99", scenario="Offline")   # -> list[PublishedResult], newest round first
    history.own(run)                                    # -> list[PublishedResult] of a RunResults, origin "own"
    derived.derive(row)                                 # -> {name: Derived(name, value, unit, formula)}
    nearest.nearest(own, rows, 5)                       # -> list[Near(row, distance, ratio, likeness, cautions)]

`PublishedResult` (`published.py`) is a frozen dataclass with one field per column of the index: digest, origin
("published" or "own"), source, location, round, division, category, availability, submitter, system, system_name,
nodes, processor, processors_per_node, cores_per_processor, accelerator, accelerators_per_node, software,
operating_system, precision, model ("bert-99"), model_folder, benchmark ("bert"), flavour ("99"), scenario, value,
unit ("Samples/s", "Queries/s", "Tokens/s", "ms", "s"), accuracy {metric: value}, accuracy_met, power_w, energy_mj,
latency_ms {"p99": ms}, inferred, valid, compliance, notes, price_eur, files {path: sha256}.

An index that does not exist yet has no rows; that is no error. DuckDB is imported when a query is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.results.history.published import PublishedResult

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from loadfleet.results.model import RunResults

__all__ = ["PublishedResult", "own", "rows"]


def rows(
    *filters: str, index: Path | None = None, limit: int | None = None, **columns: str | Iterable[str]
) -> list[PublishedResult]:
    """Published results of the index, newest round first.

    Args:
        *filters: Conditions as `--with` takes them: "submitter=NVIDIA accelerator~H100 round>=v5.0".
        index: The index; by default the user's (`index.default_path`).
        limit: At most that many.
        **columns: Column = wanted text, or any of several; `*` and `?` are wildcards, letter case is ignored.

    Raises:
        InputError: A condition names no column or makes no sense for it.
        NotReadyError: The index cannot be opened.
    """
    from loadfleet.results.history import filters as conditions  # noqa: PLC0415
    from loadfleet.results.history.index import default_path, reading  # noqa: PLC0415

    wanted = conditions.parse(filters) + conditions.any_of(columns)
    with reading(index or default_path()) as opened:
        return opened.rows(wanted, limit) if opened else []


def own(run: RunResults, price_eur: float | None = None) -> list[PublishedResult]:
    """Performance results of a run of ours as rows, `origin` "own": see `loadfleet.results.history.ours`."""
    from loadfleet.results.history.ours import own as read  # noqa: PLC0415

    return read(run, price_eur)
