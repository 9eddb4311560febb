"""Published trees, result by result: `<division>/<submitter>/results/<system>/<model>/<Scenario>`, any round's layout.

Nothing in a tree is trusted, and nothing in it ends the walk: what cannot be read is yielded as `Broken`. Of a tree of
any size one result is held in memory.
"""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue import rounds
from loadfleet.errors import InputError
from loadfleet.files import sha256
from loadfleet.results.history.derived import SAMPLES_PER_QUERY
from loadfleet.results.history.published import PublishedResult, digest_of, flavour_of, unit_of
from loadfleet.submission.checks.accuracy import scores
from loadfleet.submission.checks.base import Model, Result, Submission, Submitter, System, shown, subfolders
from loadfleet.submission.checks.endpoints import endpoint_scores
from loadfleet.submission.checks.measured import inferred, measure
from loadfleet.submission.checks.power import measure_power
from loadfleet.submission.reading import endpoints
from loadfleet.submission.reading.place import Disk, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadfleet.catalogue.rounds import Round

_ABSENT = {"", "-", "--", "n/a", "na", "none", "null"}
_LATENCY = re.compile(r"result_(?P<percent>\d+\.\d+)_percentile(?P<query>_per_query)?_latency_ns")
_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_DEPTH = 6
# Above this a log has no place in a results table's provenance: hashing it would cost more than all others together.
_HASHED_BYTES = 256 << 20


@dataclass(frozen=True)
class Broken:
    """A place of a tree that gave no result, and why, in words."""

    location: str
    why: str


def roots(folder: Path) -> list[Path]:
    """Folders at or below `folder` that hold divisions; those above it when `folder` lies within a tree."""
    for path in (folder, *list(folder.parents)[:_DEPTH]):
        if _holds_divisions(path):
            return [path]
    return list(_roots_below(folder, _DEPTH))


def _roots_below(folder: Path, depth: int) -> Iterator[Path]:
    if _holds_divisions(folder):
        yield folder
    elif depth:
        with suppress(OSError):
            for entry in sorted(folder.iterdir()):
                if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
                    yield from _roots_below(entry, depth - 1)


def _holds_divisions(folder: Path) -> bool:
    with suppress(OSError):
        return any((entry / "results").is_dir() for name in _divisions() for entry in (folder / name).glob("*"))
    return False


@functools.cache
def _divisions() -> tuple[str, ...]:
    return rounds.load(rounds.newest()).divisions


def read(
    root: Path, source: str, *, prefix: str = "", below: Path | None = None, round_name: str = ""
) -> Iterator[PublishedResult | Broken]:
    """Results of a tree in the order of their paths.

    Args:
        root: Folder that holds divisions.
        source: Where it came from, as results are to say it.
        prefix: Path of the root in the source, for the results' files.
        below: Only what lies at or below this folder.
        round_name: The round, when the user states it; else each log's seeds tell it.
    """
    reader = _Reader(root, source, prefix, round_name)
    only = "" if below is None else str(below.resolve())
    for division in _divisions():
        for submitter in subfolders(Place(reader.disk, reader.disk.root) / division):
            for system in subfolders(submitter / "results"):
                for model in subfolders(system):
                    for scenario in subfolders(model):
                        if _within(scenario.path, only):
                            yield from reader.result(division, submitter, system, model, scenario)
                reader.disk.forget()


def _within(path: str, only: str) -> bool:
    return not only or path == only or path.startswith(only + "/") or only.startswith(path + "/")


class _Reader:
    """Remembers the round that the last logs were of: neighbours are of the same."""

    def __init__(self, root: Path, source: str, prefix: str, round_name: str) -> None:
        self.disk = Disk(root)
        self.source = source
        self.prefix = f"{prefix}/" if prefix else ""
        self.stated = round_name
        self.rules = nearest_round(round_name or round_in(source))

    def result(
        self, division: str, submitter: Place, system: Place, model: Place, scenario: Place
    ) -> Iterator[PublishedResult | Broken]:
        location = shown(scenario.relative)
        try:
            result = self._result(division, submitter, system, model, scenario)
            name = self._round_of(result)
            if not self.stated and name and name != self.rules.name:
                self.rules = nearest_round(name)
                result = self._result(division, submitter, system, model, scenario)
            yield self._published(result, name, location)
        except (_NoNumberError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            yield Broken(
                location, str(error) if isinstance(error, _NoNumberError) else f"{type(error).__name__}: {error}"
            )

    def _result(self, division: str, submitter: Place, system: Place, model: Place, scenario: Place) -> Result:
        submission = Submission(Place(self.disk, self.disk.root), self.rules, submitter.name)
        return Result(Model(System(Submitter(submission, division, submitter), system), model), scenario)

    def _round_of(self, result: Result) -> str:
        """The stated round, else the one whose seeds the log has, else what the source's name says."""
        if self.stated:
            return self.stated
        if result.endpoints:
            seed = endpoints.read(result.folder).seeds.get("sample_index_rng_seed")
        else:
            seed = result.performance.integer("effective_qsl_rng_seed")
        known = rounds.by_seed().get(seed) if isinstance(seed, int) else None
        return known or round_in(self.source)

    def _published(self, result: Result, round_name: str, location: str) -> PublishedResult:
        system, scenario = result.model.system, result.scenario
        if scenario is None:
            raise _NoNumberError(f"{result.folder.name!r} is no scenario")
        model = result.benchmark.name if result.benchmark else result.model.folder.name
        value, unit, inferred = _number(result, scenario)
        power_w, energy_mj = _power(result, scenario, inferred=inferred)
        accuracy, met = _accuracy(result, scenario)
        benchmark, flavour = flavour_of(model)
        row = PublishedResult(
            digest="",
            origin="published",
            source=self.source,
            location=location,
            round=round_name,
            division=system.submitter.division,
            submitter=shown(system.submitter.folder.name),
            system=shown(system.name),
            **described(system.description),
            precision=_text(result.measurements.get("weight_data_types")),
            model=shown(model),
            model_folder=shown(result.model.folder.name),
            benchmark=shown(benchmark),
            flavour=flavour,
            scenario=scenario,
            value=value,
            unit=unit,
            accuracy=accuracy,
            accuracy_met=met,
            power_w=power_w,
            energy_mj=energy_mj,
            latency_ms=_latencies(result, scenario),
            inferred=inferred,
            valid=_valid(result),
            compliance=_compliance(result),
            files={self.prefix + name: digest for name, digest in _digests(result).items()},
        )
        return with_digest(row)


class _NoNumberError(ValueError):
    """A result without a number; its text says why."""


def with_digest(row: PublishedResult) -> PublishedResult:
    """The row with the digest of what it publishes."""
    # Without the unit: official tables of the same logs have labelled tokens as queries.
    numbers = {"result": row.value, "W": row.power_w, "mJ": row.energy_mj}
    return replace(row, digest=digest_of(row.identity, numbers))


def round_in(text: str) -> str:
    """The last round named in a path or URL (`.../inference_results_v4.0` -> `v4.0`), empty when none is."""
    found = re.findall(r"(?<![\w.])(?:\w*_)?(v\d+\.\d+)(?![\d])", text)
    return str(found[-1]) if found else ""


@functools.cache
def nearest_round(name: str) -> Round:
    """Rules to read a round with: its own, else those of the next newer one the catalogue has, else of the newest.

    Raises:
        InputError: It is no name of a round.
    """
    known = rounds.names()
    if not name:
        return rounds.load(known[-1])
    if not re.fullmatch(r"v\d+\.\d+", name):
        raise InputError(f"{name!r} is no round", fix=f"Use one of {', '.join(known)}, or one of that form.")
    newer = [one for one in known if round_key(one) >= round_key(name)]
    return rounds.load((newer or known[-1:])[0])


def round_key(name: str) -> tuple[int, ...]:
    """What rounds sort by: `v5.1` as (5, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", name))


def described(description: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a system description (systems/<system>.json) has, as text and integers."""
    accelerator = _text(description.get("accelerator_model_name"))
    count = _integer(description.get("accelerators_per_node"))
    notes = [_text(description.get(name)) for name in ("hw_notes", "sw_notes")]
    return {
        "category": re.sub(r"\s", "", _text(description.get("system_type")).lower()),
        "availability": _text(description.get("status")).lower(),
        "system_name": _text(description.get("system_name")),
        "nodes": _integer(description.get("number_of_nodes")),
        "processor": _text(description.get("host_processor_model_name")),
        "processors_per_node": _integer(description.get("host_processors_per_node")),
        "cores_per_processor": _integer(description.get("host_processor_core_count")),
        "accelerator": accelerator,
        "accelerators_per_node": 0 if count is None and not accelerator else count,
        "software": _text(description.get("framework")),
        "operating_system": _text(description.get("operating_system")),
        "notes": ". ".join(note for note in notes if note),
    }


def _text(value: Any) -> str:
    text = " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
    return "" if text.lower() in _ABSENT else text


def _integer(value: Any) -> int | None:
    """The integer that a text begins with: `2`, `"2"`, `2 (one used)`."""
    found = re.match(r"\s*(\d{1,9})(?![\d.])", str(value)) if isinstance(value, str | int) else None
    return int(found.group(1)) if found else None


def _number(result: Result, scenario: str) -> tuple[float, str, bool]:
    log = result.performance
    if not log.values and not result.endpoints:
        raise _NoNumberError(f"mlperf_log_detail.txt {log.problem or 'is empty'}")
    measured = measure(result)
    if measured is not None:
        return measured.value, unit_of(measured.unit), measured.inferred
    if result.endpoints:
        problems = "; ".join(f"{name} {why}" for name, why in endpoints.read(result.folder).problems.items())
        raise _NoNumberError(problems or f"{endpoints.SUMMARY} has no number of {scenario}")
    # A model that the round does not know, in the open division: the scenario's usual number.
    usual = result.rules.scenarios[scenario].result
    ran = log.text("effective_scenario")
    same = ran == result.rules.scenarios[scenario].loadgen_scenario
    value = log.number(usual.key) if same else inferred(log, ran, scenario)
    if result.benchmark is not None or not value:
        raise _NoNumberError(f"the log has no {usual.key} of {scenario}: LoadGen ran {ran or 'nothing'}")
    return (value / usual.divisor if same else value), unit_of(usual.unit), not same


def _power(result: Result, scenario: str, *, inferred: bool) -> tuple[float | None, float | None]:
    """Mean power in W, or energy per query in mJ for the scenarios whose metric is a latency."""
    measured = measure_power(result)
    if measured is None:
        return None, None
    if unit_of(measured.unit) == "W":
        return measured.value, None
    # The checks infer nothing for a model that the round does not know; here eight samples still make one query.
    missed = inferred and not measured.inferred and scenario == "MultiStream"
    return None, measured.value * (SAMPLES_PER_QUERY[scenario] if missed else 1)


def _accuracy(result: Result, scenario: str) -> tuple[dict[str, float], bool | None]:
    if result.benchmark is None:
        return {}, None
    targets = result.benchmark.targets_for(scenario)
    text = result.accuracy_folder / "accuracy.txt"
    values = endpoint_scores(result) if result.endpoints else scores(result.rules, text, targets)
    if len(values) < len(targets):
        return values, None
    return values, all(target.met(values[target.metric]) for target in targets)


def _valid(result: Result) -> bool:
    """LoadGen's verdict; the endpoints client gives none, and what it publishes had no failed sample."""
    if result.endpoints:
        return not endpoints.read(result.folder).failed
    return result.summary(result.performance_folder).get("Result is") == "VALID"


def _latencies(result: Result, scenario: str) -> dict[str, float]:
    query = (
        "_per_query"
        if scenario == "MultiStream" and not result.performance.values.get("result_90.00_percentile_latency_ns")
        else ""
    )
    keys = {f"p{float(percent):g}": f"result_{percent}_percentile{query}_latency_ns" for percent in _PERCENTILES}
    keys["mean"] = "result_mean_query_latency_ns" if query else "result_mean_latency_ns"
    found = {name: result.performance.number(key) for name, key in keys.items()}
    return {name: value / 1e6 for name, value in found.items() if value is not None}


def _compliance(result: Result) -> tuple[str, ...]:
    folder = result.beside(result.rules.layout.compliance)
    return tuple(path.name for path in subfolders(folder) if re.fullmatch(r"TEST\d\d", path.name))


def _digests(result: Result) -> dict[str, str]:
    """SHA-256 of the raw logs and documents that the row was made of, by their path in the tree."""
    files = [
        result.performance_folder / name for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "spl.txt")
    ]
    files += [result.accuracy_folder / "accuracy.txt", result.model.system.description_file]
    if result.endpoints:
        files += [
            _below(result.folder, name) for name in (*endpoints.CONFIGURATIONS, endpoints.SUMMARY, endpoints.SCORES)
        ]
    if result.measurements_file:
        files.append(result.measurements_file)
    return {
        shown(path.relative): sha256(Path(path.path))
        for path in files
        if path.is_file() and path.stat().st_size <= _HASHED_BYTES
    }


def _below(folder: Place, name: str) -> Place:
    for part in name.split("/"):
        folder = folder / part
    return folder
