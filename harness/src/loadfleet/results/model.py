"""The result of a cell (`result.json`) and of a run (its folder on the controller), typed and read without surprises.

`validate` is what a cell calls before it writes; `load` and `RunResults.load` are what every table and report read.
A bad or missing file of one cell becomes a finding of that cell, never a traceback, and never hides the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any, Literal

from loadfleet.errors import InputError
from loadfleet.results.failure import HOST_FAILURES, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jsonschema import Draft202012Validator

SCHEMA_VERSION = 1
State = Literal["done", "failed", "missing", "unreadable", "pending", "running"]
# Phases of status.json in which a run can still be continued by the same command.
RESUMABLE_PHASES = frozenset({"starting", "running", "stopped", "interrupted", "refused"})
_HOST_FILES = ("run.json", "status.json", "plan.json", "system.json")


@dataclass(frozen=True)
class Named:
    """Something of the catalogue, pinned: its name and `sha256:` digest."""

    name: str
    digest: str


@dataclass(frozen=True)
class Model(Named):
    """The model that ran; `official_name` is the checker model it maps to, `reference` the official MLPerf weights."""

    precision: str
    reference: bool
    official_name: str | None


@dataclass(frozen=True)
class Dataset(Named):
    """The prepared data set; `samples` is its whole size."""

    samples: int


@dataclass(frozen=True)
class Backend:
    """What executed the model: versions by package name, options as used."""

    name: str
    device: str
    versions: Mapping[str, str | None]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Loadgen:
    """LoadGen's version and settings: what was asked for and what its log says it used."""

    version: str | None
    requested: Mapping[str, Any]
    effective: Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """The scenario's metric. `unit` is one of Samples/s, Queries/s, Tokens/s, ms; in ms less is better."""

    name: str
    value: float
    unit: str

    @property
    def lower_is_better(self) -> bool:
        return self.unit == "ms"


@dataclass(frozen=True)
class Validity:
    """LoadGen's verdict and whether the result may be submitted; `reasons` in words when it may not.

    `checks` are LoadGen's own checks by the names of its detail log (`result_min_duration_met`, ...), empty when the
    cell did not record them.
    """

    loadgen: str | None
    execution: str
    submittable: bool
    reasons: tuple[str, ...]
    checks: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Accuracy:
    """Accuracy in per cent. `met` is None while only `samples` of `total` were answered: a subset is not judged.

    `compared` is name (`model`) and accuracy (`value`) of another model, beside one that claims none.
    """

    metric: str
    value: float
    values: Mapping[str, float | None]
    target: float | None
    reference: float | None
    official_target: float | None
    samples: int
    total: int
    met: bool | None
    line: str | None
    compared: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ComplianceCheck:
    """One check of a compliance test: verdict (None: not judged), why, and the file that says it."""

    about: str
    passed: bool | None
    words: str
    file: str


@dataclass(frozen=True)
class Compliance:
    """What a compliance test came to: `passed`, or None when a part of it could not be judged; `verdict` in words."""

    test: str
    title: str
    passed: bool | None
    verdict: str
    checks: tuple[ComplianceCheck, ...]


@dataclass(frozen=True)
class Times:
    """UTC instants as ISO 8601 with Z, durations in seconds, clock offset to the controller in ms.

    `agreed_start` and `loadgen_start` are epoch seconds of the host's clock, `start_late_ms` what lies between them.
    """

    started: str
    finished: str
    load_s: float | None
    warm_up_s: float | None
    loadgen_s: float | None
    clock_offset_ms: float | None
    agreed_start: float | None = None
    loadgen_start: float | None = None
    start_late_ms: float | None = None


@dataclass(frozen=True)
class FileDigest:
    """SHA-256 (hex) and size in bytes of one file of the cell's folder."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Result:
    """One `result.json`. `latency` maps min, mean, p50 .. p99.9, max to ms; `raw` is the whole object as read."""

    run_id: str
    host: str
    cell: str
    workload: str
    scenario: str
    mode: str
    execution: str
    round: str
    implementation: str
    system: Named
    model: Model
    dataset: Dataset
    backend: Backend
    loadgen: Loadgen
    metric: Metric | None
    latency: Mapping[str, float | None] | None
    validity: Validity
    accuracy: Accuracy | None
    telemetry: Mapping[str, Any]
    power: Mapping[str, Any] | None
    files: Mapping[str, FileDigest]
    time: Times
    argv: tuple[str, ...]
    prefix: tuple[str, ...]
    exit_code: int
    raw: Mapping[str, Any] = field(repr=False)
    compliance: Compliance | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Result:
        """Build from a `result.json` object.

        Raises:
            InputError: The object does not follow the schema; the message lists every place.
        """
        validate(value)
        model, latency, command = value["model"], value["latency"], value["command"]
        return cls(
            **{key: value[key] for key in _PLAIN},
            system=Named(value["system"]["name"], value["system"]["digest"]),
            model=Model(**_only(model, ("name", "digest", "precision", "reference", "official_name"))),
            dataset=Dataset(**_only(value["dataset"], ("name", "digest", "samples"))),
            backend=Backend(**_only(value["backend"], ("name", "device", "versions", "options"))),
            loadgen=Loadgen(**_only(value["loadgen"], ("version", "requested", "effective"))),
            metric=Metric(**_only(value["metric"], ("name", "value", "unit"))) if value["metric"] else None,
            latency={key: latency[key] for key in latency if key != "unit"} if latency else None,
            validity=_validity(value["validity"]),
            accuracy=_accuracy(value["accuracy"]) if value["accuracy"] else None,
            telemetry=value["telemetry"] or {},
            files={name: FileDigest(entry["sha256"], entry["bytes"]) for name, entry in value["files"].items()},
            time=Times(**_only(value["time"], set(Times.__annotations__) & set(value["time"]))),
            argv=tuple(command["argv"]),
            prefix=tuple(command["prefix"]),
            raw=value,
            compliance=_compliance(value["compliance"]) if value.get("compliance") else None,
        )


_PLAIN = (
    "run_id",
    "host",
    "cell",
    "workload",
    "scenario",
    "mode",
    "execution",
    "round",
    "implementation",
    "power",
    "exit_code",
)
_ACCURACY = (
    "metric",
    "value",
    "values",
    "target",
    "reference",
    "official_target",
    "samples",
    "total",
    "met",
    "line",
)


def _accuracy(value: Mapping[str, Any]) -> Accuracy:
    return Accuracy(**_only(value, _ACCURACY), compared=value.get("compared"))


def _only(value: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The named keys: an addition to a nested object must not break older readers."""
    return {key: value[key] for key in keys}


def _validity(value: Mapping[str, Any]) -> Validity:
    return Validity(
        loadgen=value["loadgen"],
        execution=value["execution"],
        submittable=value["submittable"],
        reasons=tuple(value["reasons"]),
        checks=value.get("checks", {}),
    )


def _compliance(value: Mapping[str, Any]) -> Compliance:
    checks = tuple(ComplianceCheck(**_only(check, ComplianceCheck.__annotations__)) for check in value["checks"])
    return Compliance(**_only(value, ("test", "title", "passed", "verdict")), checks=checks)


def schema() -> dict[str, Any]:
    """The JSON schema (Draft 2020-12) of `result.json`."""
    loaded: dict[str, Any] = json.loads(
        (package_files("loadfleet.results") / "schemas" / "result.json").read_text(encoding="utf-8")
    )
    return loaded


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 0.1 s, only when a result is read or written

    return Draft202012Validator(schema())


def problems(value: object) -> list[str]:
    """What is wrong with a `result.json` object, one line per place, empty when nothing is.

    Beyond the schema: `accuracy.met` must be null exactly while `samples < total` or there is no target, `cell` must be
    made of its three parts, `validity.execution` must repeat `execution`.
    """
    found = [
        f"{'.'.join(str(part) for part in error.absolute_path) or 'result'}: {error.message}"
        for error in sorted(
            _validator().iter_errors(value), key=lambda error: [str(part) for part in error.absolute_path]
        )
    ]
    if found or not isinstance(value, dict):
        return found
    # The model's name where a run has several.
    names = [f"{first}/{value['scenario']}/{value['mode']}" for first in (value["workload"], value["model"]["name"])]
    if value["cell"] not in names:
        found.append(f"cell: {value['cell']!r} is not {names[0]!r}")
    if value["validity"]["execution"] != value["execution"]:
        found.append(f"validity.execution: {value['validity']['execution']!r} is not {value['execution']!r}")
    accuracy = value["accuracy"]
    if accuracy:
        judged = accuracy["samples"] >= accuracy["total"] and accuracy["target"] is not None
        if judged is (accuracy["met"] is None):
            found.append(
                f"accuracy.met: {accuracy['met']!r} with {accuracy['samples']} of {accuracy['total']} samples and "
                f"target {accuracy['target']!r}; null exactly when a subset is not judged"
            )
    return found


def validate(value: object) -> None:
    """Check a `result.json` object before it is written or used.

    Raises:
        InputError: It breaks the schema; every place is listed.
    """
    found = problems(value)
    if found:
        raise InputError("not a valid result.json: " + "; ".join(found))


def load(path: Path) -> Result:
    """Read one `result.json`.

    Raises:
        InputError: The file is missing, is not JSON or breaks the schema; the message names the file.
    """
    value, finding = _read(path)
    if finding:
        raise InputError(finding)
    try:
        return Result.from_dict(value if isinstance(value, dict) else {})
    except InputError as error:
        raise InputError(f"{path}: {error.message}") from error


@dataclass(frozen=True)
class CellOutcome:
    """One planned or found cell: its result when there is one, else why not (`note`).

    `state`: done (a result was read), failed (the agent says so), missing (should be there), unreadable (a bad file),
    pending or running (can be continued). `failure` is what the cell or its agent wrote down of it.
    """

    host: str
    cell: str
    state: State
    folder: Path
    result: Result | None = None
    note: str = ""
    failure: Failure | None = None

    @property
    def label(self) -> str:
        """The workload's name; the model's in a run of several models."""
        return _part(self.cell, 0)

    @property
    def of_model(self) -> list[str]:
        """The model's name, where a run has several; else nothing."""
        return [self.label] if self.result and self.label != self.result.workload else []

    @property
    def scenario(self) -> str:
        return _part(self.cell, 1)

    @property
    def mode(self) -> str:
        return _part(self.cell, 2)


def _part(cell: str, index: int) -> str:
    parts = cell.split("/")
    return parts[index] if index < len(parts) else ""


@dataclass(frozen=True)
class HostResults:
    """One host's folder of a run: its agent's last words and its cells.

    `spec` is the host's run.json; `failure` what the controller wrote down of a host that failed as a whole.
    """

    name: str
    path: Path
    phase: str | None
    message: str
    status: Mapping[str, Any]
    system: Mapping[str, Any]
    cells: tuple[CellOutcome, ...]
    spec: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True)
class RunResults:
    """A run's folder on the controller: all hosts, all cells (also failed and missing ones) and `findings` in words."""

    run_id: str
    path: Path
    run: Mapping[str, Any]
    hosts: tuple[HostResults, ...]
    findings: tuple[str, ...]

    @property
    def cells(self) -> tuple[CellOutcome, ...]:
        return tuple(cell for host in self.hosts for cell in host.cells)

    @property
    def results(self) -> tuple[Result, ...]:
        return tuple(cell.result for cell in self.cells if cell.result)

    @classmethod
    def load(cls, path: Path) -> RunResults:
        """Read `results/<run id>` (symbolic links such as `latest` are followed).

        Raises:
            InputError: The folder does not exist or holds no host of a run.
        """
        if not path.is_dir():
            raise InputError(f"no run folder: {path}", fix="Give results/<run id> or results/latest.")
        path = path.resolve()
        findings: list[str] = []
        run = _object(path / "run.json", findings)
        folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and _is_host(entry))
        expected = {str(name) for name in _listed(run, "hosts")}
        if not folders and not expected:
            raise InputError(
                f"{path} is not a run: no folder of a host with {' or '.join(_HOST_FILES[:2])} in it",
                fix="Give results/<run id> or results/latest.",
            )
        absent = sorted(expected - {folder.name for folder in folders})
        findings.extend(f"{name}: nothing came back from this host" for name in absent)
        hosts = [_load_host(folder, run, findings) for folder in [*folders, *(path / name for name in absent)]]
        return cls(str(run.get("run_id") or path.name), path, run, tuple(hosts), tuple(findings))


def is_run(path: Path) -> bool:
    """Whether a folder looks like `results/<run id>`."""
    return path.is_dir() and any(entry.is_dir() and _is_host(entry) for entry in path.iterdir())


def _is_host(folder: Path) -> bool:
    return (
        any((folder / name).is_file() for name in _HOST_FILES)
        or next(folder.glob("*/*/*/result.json"), None) is not None
    )


def _load_host(folder: Path, run: Mapping[str, Any], findings: list[str]) -> HostResults:
    status = _object(folder / "status.json", findings)
    phase = status.get("phase")
    by_id = {str(cell.get("id")): cell for cell in _listed(status, "cells") if isinstance(cell, dict)}
    ids = _planned(folder, run, findings)
    ids += [name for name in by_id if name not in ids]
    found = [
        str(path.parent.relative_to(folder))
        for path in sorted(folder.glob("*/*/*/result.json"))
        if ".replay." not in path.parent.name  # made by hand, no part of the run
    ]
    ids += [name for name in found if name not in ids]
    cells = [_outcome(folder, name, by_id.get(name, {}), phase, findings) for name in ids]
    return HostResults(
        name=folder.name,
        path=folder,
        phase=str(phase) if phase else None,
        message=str(status.get("message") or ""),
        status=status,
        system=_object(folder / "system.json", findings),
        cells=tuple(cells),
        spec=_object(folder / "run.json", findings),
        failure=_failure(folder.parent / HOST_FAILURES / f"{folder.name}.json", folder.name, "", findings),
    )


def _failure(path: Path, host: str, cell: str, findings: list[str]) -> Failure | None:
    """A failure written down in a file, None when there is no such file."""
    value = _object(path, findings)
    return Failure.from_dict(value, host, cell) if value else None


def _planned(folder: Path, run: Mapping[str, Any], findings: list[str]) -> list[str]:
    """Ids of the cells a host should have run: from plan.json, else from run.json's scenarios and modes."""
    plan = _object(folder / "plan.json", findings)
    planned = [
        cell.get("id") or cell.get("cell") if isinstance(cell, dict) else cell for cell in _listed(plan, "cells")
    ]
    if planned:
        return [str(name) for name in planned]
    spec = _object(folder / "run.json", findings) or run
    return [
        f"{spec.get('workload')}/{scenario}/{mode}"
        for scenario in _listed(spec, "scenarios")
        for mode in _listed(spec, "modes")
    ]


def _outcome(folder: Path, cell: str, status: Mapping[str, Any], phase: object, findings: list[str]) -> CellOutcome:
    where = folder / cell
    said = str(status.get("state") or "")
    detail = "; ".join(
        [
            *(str(reason) for reason in _listed(status, "reasons")),
            *([str(status["detail"])] if status.get("detail") else []),
        ]
    )
    if (where / "result.json").exists():
        try:
            return CellOutcome(folder.name, cell, "done", where, load(where / "result.json"))
        except InputError as error:
            findings.append(error.message)
            return CellOutcome(folder.name, cell, "unreadable", where, note=error.message)
    if said == "failed":
        failure = _failure(where / "error.json", folder.name, cell, findings)
        note = detail or "the cell failed; see its stdout.log"
        return CellOutcome(folder.name, cell, "failed", where, note=note, failure=failure)
    if said != "done" and phase in RESUMABLE_PHASES:
        state: State = "running" if said == "running" else "pending"
        return CellOutcome(folder.name, cell, state, where, note=f"the run was {phase} before this cell ended")
    return CellOutcome(folder.name, cell, "missing", where, note=detail or "no result.json came back")


def _listed(value: Mapping[str, Any], key: str) -> list[Any]:
    items = value.get(key)
    return items if isinstance(items, list) else []


def _object(path: Path, findings: list[str]) -> dict[str, Any]:
    """A JSON object of a file that may be absent; anything else in it is a finding and reads as empty."""
    if not path.exists():
        return {}
    value, finding = _read(path)
    if not finding and not isinstance(value, dict):
        finding = f"{path}: a JSON object is expected, found {type(value).__name__}"
    if finding:
        if finding not in findings:
            findings.append(finding)
        return {}
    return dict(value)


def _read(path: Path) -> tuple[Any, str]:
    """The JSON value and an empty string, or None and what is wrong."""
    try:
        return json.loads(path.read_text(encoding="utf-8")), ""
    except FileNotFoundError:
        return None, f"{path}: no such file"
    except OSError as error:
        return None, f"{path}: cannot be read: {error.strerror}"
    except ValueError as error:
        return None, f"{path}: not JSON: {error}"
