"""What checks share: findings, and a submission seen as submitters, systems and results."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from loadfleet.submission.reading import endpoints
from loadfleet.submission.reading.mllog import DetailLog, SummaryLog, read_detail, read_summary
from loadfleet.submission.reading.place import Disk, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round, RoundModel, ScenarioSet

Severity = Literal["error", "warning"]


_BEGINNING = 4096  # bytes


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        severity: `error` refuses what it concerns; `warning` is for the submitter to judge.
        check: The family of checks that found it.
        file: Path below the submission, with `/`.
        value: What stands there, as text; empty when something is missing.
        rule: What the round asks for.
        fix: What to change.
    """

    severity: Severity
    check: str
    file: str
    value: str
    rule: str
    fix: str

    def line(self) -> str:
        """One line for a terminal."""
        seen = f" [{self.value}]" if self.value else ""
        return printable(f"{self.severity.upper()} {self.file}{seen}: {self.rule}. Fix: {self.fix}")


@dataclass
class Submission:
    """A folder that holds divisions, seen with the rules of one round.

    `full_logs`, where they are at hand: SHA-256 of a full accuracy log -> SHA-256 of its cut form.
    """

    root: Place
    rules: Round
    submitter: str
    full_logs: Mapping[str, str] | None = None

    @classmethod
    def of(cls, folder: Path, rules: Round, submitter: str) -> Submission:
        disk = Disk(folder)
        return cls(Place(disk, disk.root), rules, submitter)

    def name(self, path: Place) -> str:
        """A path as findings show it."""
        return shown(path.relative)

    @cached_property
    def submitters(self) -> list[Submitter]:
        return [
            Submitter(self, division, self.root / division / self.submitter)
            for division in self.rules.divisions
            if (self.root / division / self.submitter).is_dir()
        ]


@dataclass
class Submitter:
    """`<division>/<submitter>/`."""

    submission: Submission
    division: str
    folder: Place

    @property
    def rules(self) -> Round:
        return self.submission.rules

    @cached_property
    def mapping(self) -> Mapping[str, str]:
        """model_mapping.json; empty when missing, wrong or outside the open division."""
        if self.division != "open":
            return {}
        value = read_object(self.folder / "model_mapping.json")
        return {name: item for name, item in value.items() if isinstance(item, str)}

    @cached_property
    def systems(self) -> list[System]:
        return [System(self, folder) for folder in subfolders(self.folder / "results")]


@dataclass
class System:
    """`<division>/<submitter>/results/<system>/`, and its description."""

    submitter: Submitter
    folder: Place

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def rules(self) -> Round:
        return self.submitter.rules

    @property
    def description_file(self) -> Place:
        return self.submitter.folder / "systems" / f"{self.name}.json"

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """The description; empty when missing or wrong (SystemDescription says so)."""
        return read_object(self.description_file)

    @property
    def kind(self) -> str:
        """`datacenter`, `edge` or `combined`, whatever the order of a combined type."""
        stated = self.description.get("system_type")
        return "combined" if isinstance(stated, str) and "," in stated else str(stated)

    @property
    def is_network(self) -> bool:
        """Whether the description says that LoadGen and the system under test are on different nodes."""
        return str(self.description.get("is_network")).lower() == "true"

    @cached_property
    def models(self) -> list[Model]:
        return [Model(self, folder) for folder in subfolders(self.folder)]


@dataclass
class Model:
    """A model folder of a system; `benchmark` is None when the name stands for none of the round."""

    system: System
    folder: Place

    @cached_property
    def benchmark(self) -> RoundModel | None:
        return self.system.rules.resolve(self.folder.name, self.system.submitter.mapping)

    @property
    def scenario_set(self) -> ScenarioSet | None:
        """Scenarios of the benchmark for this system type; None when it is not part of that suite."""
        return None if self.benchmark is None else self.benchmark.scenarios.get(self.system.kind)

    @cached_property
    def results(self) -> list[Result]:
        return [Result(self, folder) for folder in subfolders(self.folder)]


@dataclass
class Result:
    """One scenario of a model: what a row of the results table stands for."""

    model: Model
    folder: Place
    _read: dict[Place, DetailLog] = field(default_factory=dict)

    @cached_property
    def rules(self) -> Round:
        return self.model.system.rules

    @property
    def division(self) -> str:
        return self.model.system.submitter.division

    @property
    def benchmark(self) -> RoundModel | None:
        return self.model.benchmark

    @property
    def name(self) -> str:
        return self.model.system.submitter.submission.name(self.folder)

    @cached_property
    def scenario(self) -> str | None:
        """The folder's scenario in its right spelling; None when it is no scenario."""
        found = self.rules.scenario(self.folder.name)
        if found is None and self.rules.endpoints is not None and self.endpoints:
            return self.rules.endpoints.scenario_types.get(self.folder.name.lower())
        return found

    @cached_property
    def measured_scenario(self) -> str | None:
        """The scenario whose rules hold for the performance log: what LoadGen ran, Interactive for its Server."""
        ran = self.performance.text("effective_scenario")
        if self.scenario is not None and self.rules.scenarios[self.scenario].loadgen_scenario == ran:
            return self.scenario
        return ran if ran in self.rules.scenarios else None

    @cached_property
    def endpoints(self) -> bool:
        """Whether MLCommons' endpoints client measured this instead of LoadGen."""
        if self.rules.endpoints is None:
            return False
        logs = (folder / "mlperf_log_detail.txt" for folder in (self.performance_folder, self.accuracy_folder))
        return not any(log.exists() for log in logs) and endpoints.present(self.folder)

    @cached_property
    def has_power(self) -> bool:
        return (self.folder / "performance" / "power").is_dir()

    @cached_property
    def performance_folder(self) -> Place:
        return self.folder / "performance" / "run_1"

    @cached_property
    def accuracy_folder(self) -> Place:
        return self.folder / "accuracy"

    def beside(self, template: str) -> Place:
        """A folder of the round's layout for this result (measurements, compliance)."""
        names = {"system": self.model.system.name, "model": self.model.folder.name, "scenario": self.folder.name}
        return self.model.system.submitter.folder / template.format(**names)

    @property
    def measurements_file(self) -> Place | None:
        """measurements.json, or up to v5.1 the `<system>*.json` of the measurements folder; None when missing."""
        layout = self.rules.layout
        folder = self.beside(layout.measurements)
        if "{" not in layout.measurements_name:
            path = folder / layout.measurements_name
            return path if path.is_file() else None
        named = (path for path in plain_files(folder) if path.name.startswith(self.model.system.name))
        return next((path for path in named if path.suffix == ".json"), None)

    @cached_property
    def measurements(self) -> Mapping[str, Any]:
        return {} if self.measurements_file is None else read_object(self.measurements_file)

    def log(self, folder: Place) -> DetailLog:
        """The detail log of a folder, parsed once."""
        path = folder / "mlperf_log_detail.txt"
        if path not in self._read:
            self._read[path] = read_detail(path)
        return self._read[path]

    @cached_property
    def performance(self) -> DetailLog:
        return self.log(self.performance_folder)

    @cached_property
    def accuracy(self) -> DetailLog:
        return self.log(self.accuracy_folder)

    def summary(self, folder: Place) -> SummaryLog:
        return read_summary(folder / "mlperf_log_summary.txt")


Subject = Submission | Submitter | System | Model | Result


class Check(ABC):
    """One family of checks. `over` says for which kind of subject `findings` is called."""

    family: ClassVar[str]
    over: ClassVar[type[Any]]

    def __init__(self, submission: Submission) -> None:
        self.submission = submission

    @abstractmethod
    def findings(self, subject: Any) -> Iterator[Finding]:
        """What is wrong with one subject. Never raises for bad content."""

    def error(self, path: Place, rule: str, fix: str, value: Any = "") -> Finding:
        return self._finding("error", path, rule, fix, value)

    def warning(self, path: Place, rule: str, fix: str, value: Any = "") -> Finding:
        return self._finding("warning", path, rule, fix, value)

    def _finding(self, severity: Severity, path: Place, rule: str, fix: str, value: Any) -> Finding:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        shown = text if len(text) <= 200 else f"{text[:200]}..."
        return Finding(severity, self.family, self.submission.name(path), shown, rule, fix)


def subfolders(folder: Place) -> list[Place]:
    """Folders in a folder, sorted; empty when it is missing or unreadable."""
    return [path for path, kind in folder.entries() if kind == "folder"]


def plain_files(folder: Place) -> list[Place]:
    """What else is in a folder, sorted; empty when it is missing or unreadable."""
    return [path for path, kind in folder.entries() if kind != "folder"]


def read_object(path: Place) -> dict[str, Any]:
    """The JSON object of a file; empty when it is missing, not JSON or not an object."""
    value = _read_json(path)[0]
    return value if isinstance(value, dict) else {}


def json_problem(path: Place) -> str | None:
    """Why a file is not a JSON object, in words; None when it is one."""
    value, problem = _read_json(path)
    return problem or (None if isinstance(value, dict) else "not a JSON object")


def json_repeated(check: Check, path: Place) -> Iterator[Finding]:
    """Keys of a JSON file that stand there again with another value: which of them counts depends on the reader."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in items:
            if key in made and made[key] != value:
                found.append(key)
            made[key] = value
        return made

    data = path.read_bytes()
    with suppress(ValueError, RecursionError):
        json.loads((data or b"").decode("utf-8"), object_pairs_hook=pairs)
    for key in found[:5]:
        yield check.error(path, f"field {key} stands there once", "remove the wrong one", key)


def _read_json(path: Place) -> tuple[Any, str]:
    return path.remembered(_parse_json)


def _parse_json(path: Place) -> tuple[Any, str]:
    data = path.read_bytes()
    if data is None:
        return None, "cannot be read" if path.exists() else "missing"
    try:
        return json.loads(data.decode("utf-8")), ""
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"


def read_text(path: Place) -> str:
    """The text of a file, undecodable bytes replaced; empty when it cannot be read."""
    data = path.read_bytes()
    return "" if data is None else data.decode("utf-8", "replace")


def is_text_file(path: Place) -> bool:
    """Whether a file exists and holds something but white space."""
    data = path.read_bytes(_BEGINNING)
    if data and len(data) == _BEGINNING and data.isspace():
        data = path.read_bytes()
    return bool(data and not data.isspace())


def unreadable(check: Check, path: Place, error: OSError) -> Finding:
    """What the operating system refuses to show."""
    return check.error(path, "every file and folder can be read", "mend its permissions", str(error.strerror))


def shown(name: str) -> str:
    """A name from a file system, which may hold any bytes, as text that can be written."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def printable(text: str) -> str:
    """Text on one line, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
