"""The index of published results: one DuckDB file, a row per result, written in one transaction per import.

A result is known by its digest, so importing twice adds nothing. A row that came from a table (no raw logs) is
completed when the tree it was made of is imported. A corrected result has another digest and the same identity: the
one imported last is the one that is read.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError, NotReadyError
from loadfleet.results.history.published import PublishedResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from duckdb import DuckDBPyConnection

SCHEMA_VERSION = 1
_WAIT_S = 10.0
_TYPES = {
    **dict.fromkeys(("nodes", "processors_per_node", "cores_per_processor", "accelerators_per_node"), "INTEGER"),
    **dict.fromkeys(("value", "power_w", "energy_mj", "price_eur"), "DOUBLE"),
    **dict.fromkeys(("accuracy_met", "inferred", "valid"), "BOOLEAN"),
}
_JSON = ("accuracy", "latency_ms", "compliance", "files")
COLUMNS: dict[str, str] = {name: _TYPES.get(name, "VARCHAR") for name in PublishedResult.__dataclass_fields__}
_IDENTITY = "round, division, submitter, system, model_folder, scenario"
_ORDER = "published.round_key DESC, published.model, published.scenario, published.submitter, published.system"


@dataclass(frozen=True)
class Condition:
    """A piece of SQL with `?` for each of `values`."""

    sql: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Added:
    """What became of imported rows: new ones, known ones, and known ones that now have their raw logs' digests."""

    added: int = 0
    known: int = 0
    completed: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(self.added + other.added, self.known + other.known, self.completed + other.completed)


def default_path() -> Path:
    """`LOADFLEET_RESULTS_INDEX`, else `loadfleet/results.duckdb` in the XDG data folder."""
    if named := os.environ.get("LOADFLEET_RESULTS_INDEX"):
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a relative path in the variable is to be ignored.
    folder = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return folder / "loadfleet" / "results.duckdb"


@contextmanager
def reading(path: Path) -> Iterator[Index | None]:
    """The index for queries; None while there is none."""
    if not path.exists():
        yield None
        return
    with _opened(path, read_only=True) as connection:
        yield Index(connection)


@contextmanager
def writing(path: Path) -> Iterator[Index]:
    """The index for an import, made when it is missing; everything or nothing is written.

    Raises:
        NotReadyError: The folder cannot be written to, or another process keeps the index open.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotReadyError(f"{path.parent} cannot be made: {error.strerror}", fix="Choose another --index.") from error
    with _opened(path, read_only=False) as connection:
        connection.execute("BEGIN")
        yield Index(connection)
        connection.execute("COMMIT")


@contextmanager
def _opened(path: Path, *, read_only: bool) -> Iterator[DuckDBPyConnection]:
    try:
        import duckdb  # noqa: PLC0415 - 0.1 s, only when the index is used
    except ImportError as error:
        raise NotReadyError(
            "the index of published results needs the package duckdb", fix="pip install 'loadfleet[report]'"
        ) from error
    if path.is_dir():
        raise InputError(f"{path} is a folder, not an index", fix="Name a file in --index.")
    connection = _connect(path, read_only=read_only)
    try:
        _prepare(connection, path, create=not read_only)
        yield connection
    except duckdb.OutOfMemoryException as error:
        raise NotReadyError(f"{path}: {_first_line(error)}", fix="Free memory or disk space.") from error
    finally:
        connection.close()


def _connect(path: Path, *, read_only: bool) -> DuckDBPyConnection:
    import duckdb  # noqa: PLC0415

    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            # Two threads: an import waits for its disk, and hosts of a fleet may be this machine.
            return duckdb.connect(str(path), read_only=read_only, config={"threads": 2})
        except duckdb.Error as error:
            locked = "lock" in str(error).lower()
            if not locked:
                raise NotReadyError(
                    f"{path} cannot be opened as an index: {_first_line(error)}",
                    fix="Name another --index, or remove the file and import again.",
                ) from error
            if time.monotonic() > deadline:
                raise NotReadyError(f"{path} is used by another process", fix="Wait until it has ended.") from error
        time.sleep(0.1)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _prepare(connection: DuckDBPyConnection, path: Path, *, create: bool) -> None:
    tables = {row[0] for row in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    if not tables and create:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        connection.execute(f"CREATE TABLE published ({columns}, round_key INTEGER[], sequence BIGINT)")
        connection.execute("CREATE TABLE format (version INTEGER)")
        connection.execute("INSERT INTO format VALUES (?)", [SCHEMA_VERSION])
        return
    version = connection.execute("SELECT max(version) FROM format").fetchone() if "format" in tables else None
    if version != (SCHEMA_VERSION,):
        raise NotReadyError(
            f"{path} is not an index of this version of Loadfleet",
            fix="Name another --index, or remove the file and import again.",
        )


class Index:
    """An open index."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[PublishedResult]) -> Added:
        """Add rows by digest; of equal ones the first counts."""
        rows = list({row.digest: row for row in reversed(rows)}.values())[::-1]
        if not rows:
            return Added()
        known: dict[str, bool] = dict(
            self._connection.execute(
                "SELECT digest, files <> '{}' FROM published WHERE list_contains(?, digest)",
                [[row.digest for row in rows]],
            ).fetchall()
        )
        new = [row for row in rows if row.digest not in known]
        better = [row for row in rows if row.files and known.get(row.digest) is False]
        if better:
            self._connection.execute(
                "DELETE FROM published WHERE list_contains(?, digest)", [[row.digest for row in better]]
            )
        self._insert([*new, *better])
        return Added(len(new), len(rows) - len(new) - len(better), len(better))

    def _insert(self, rows: Sequence[PublishedResult]) -> None:
        if not rows:
            return
        columns = [[_stored(row, name) for row in rows] for name in COLUMNS]
        columns.append([_round_key(row.round) for row in rows])
        lists = ", ".join("unnest(?)" for _ in columns)
        # A sequence would outlive a rolled back import; the greatest number so far does as well.
        last = "(SELECT coalesce(max(sequence), 0) FROM published)"
        self._connection.execute(f"INSERT INTO published SELECT *, {last} + 1 FROM (SELECT {lists})", columns)  # noqa: S608 - no text of a user

    def rows(self, conditions: Sequence[Condition] = (), limit: int | None = None) -> list[PublishedResult]:
        """Current results that meet all conditions, newest round first."""
        where = " AND ".join(["true", *(condition.sql for condition in conditions)])
        values: list[Any] = [value for condition in conditions for value in condition.values]
        names = ", ".join(COLUMNS)
        found = self._connection.execute(
            # Names of columns and signs are ours; what a user wrote goes through the values.
            f"WITH published AS (SELECT * FROM published QUALIFY row_number() OVER "  # noqa: S608
            f"(PARTITION BY {_IDENTITY} ORDER BY sequence DESC) = 1) "
            f"SELECT {names} FROM published WHERE {where} ORDER BY {_ORDER} LIMIT {int(limit or 1_000_000_000)}",
            values,
        )
        return [_read(row) for row in found.fetchall()]

    def with_digest(self, start: str) -> list[PublishedResult]:
        """Results whose digest, or that of one of their files, begins with these hexadecimal digits."""
        names = ", ".join(COLUMNS)
        found = self._connection.execute(
            f"SELECT {names} FROM published WHERE starts_with(digest, ?) OR contains(files, ?)",  # noqa: S608 - ours
            [f"sha256:{start}", f'": "{start}'],
        )
        return [_read(row) for row in found.fetchall()]

    def count(self) -> int:
        """Rows, superseded ones too."""
        found = self._connection.execute("SELECT count(*) FROM published").fetchone()
        return int(found[0]) if found else 0


def _stored(row: PublishedResult, name: str) -> Any:
    value = getattr(row, name)
    if name in _JSON:
        return json.dumps(value if isinstance(value, tuple) else dict(value), sort_keys=True, ensure_ascii=False)
    return value


def _read(values: Sequence[Any]) -> PublishedResult:
    row = dict(zip(COLUMNS, values, strict=True))
    for name in _JSON:
        row[name] = json.loads(row[name])
    row["compliance"] = tuple(row["compliance"])
    return PublishedResult(**row)


def _round_key(name: str) -> list[int]:
    """`v5.1` as [5, 1]: rounds sort as numbers, not as texts."""
    return [int(part) for part in name.removeprefix("v").split(".") if part.isdigit()]
