"""Results whose power was measured: files, session record, settings documents, readings, nameplate."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.base import (
    Check,
    Finding,
    Result,
    System,
    is_text_file,
    json_problem,
    plain_files,
    read_object,
    subfolders,
)
from loadfleet.submission.checks.measured import Measured, measure
from loadfleet.submission.power import nameplate
from loadfleet.submission.power.analyzer import between
from loadfleet.submission.power.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.submission.power.analyzer import Power
    from loadfleet.submission.reading.place import Place

_PARENTS = 3  # folders above the measurements in which settings documents may lie
_LONGEST_GAP_S = 5.0
_SAMPLES_PER_QUERY = 8  # of MultiStream


class PowerFiles(Check):
    """ranging and power hold exactly what a measuring session leaves, and its settings are described."""

    family: ClassVar[str] = "power"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        performance, rules = subject.folder / "performance", subject.rules
        if not subject.has_power:
            if (performance / "ranging").is_dir():
                yield self.error(performance / "ranging", "a ranging run belongs to a power measurement", "add power/")
            return
        yield from self._exactly(performance / "ranging", rules.power.run_files, rules.layout.performance_optional)
        yield from self._exactly(performance / "power", rules.power.session_files, ())
        yield from self._documents(subject)

    def _exactly(self, folder: Place, needed: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[Finding]:
        for name in needed:
            if not is_text_file(folder / name):
                yield self.error(folder / name, f"{name} is required of a power result", "copy it from the session")
        for path in [*plain_files(folder), *subfolders(folder)]:
            if path.name not in needed + optional:
                yield self.error(path, "only the logs of the session may lie here", "remove it", path.name)

    def _documents(self, subject: Result) -> Iterator[Finding]:
        home = subject.beside(subject.rules.layout.measurements)
        folders = [home]
        for _ in range(_PARENTS):
            folders.append(folders[-1].parent)
        for name in subject.rules.power.settings_files:
            found = [path for folder in folders for path in plain_files(folder) if path.name.startswith(f"{name}.")]
            if not found:
                rule = f"the power settings are described in {name}.*, beside the measurements or above"
                yield self.error(home / f"{name}.md", rule, "write it")
            elif not is_text_file(found[-1]):
                yield self.error(found[-1], f"{found[-1].name} must not be empty", "fill it")


class PowerSession(Check):
    """The record of the session agrees with itself and with the files: what MLCommons' power checker asks."""

    family: ClassVar[str] = "power"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        if not subject.has_power:
            return
        folder = subject.folder / "performance"
        records = {name: folder / "power" / f"{name}.json" for name in ("client", "server")}
        broken = {path: json_problem(path) for path in records.values()}
        for path, why in broken.items():
            if why is not None:
                yield self.error(path, "the session's record is a JSON object", "copy it from the session", why)
        if any(broken.values()):
            return
        session = Session(
            folder,
            client=read_object(records["client"]),
            server=read_object(records["server"]),
            ranging=subject.log(folder / "ranging"),
            testing=subject.performance,
        )
        for problem in session.problems(subject.rules.power):
            report = self.error if problem.grave else self.warning
            yield report(folder / problem.file, problem.rule, problem.fix, problem.value)


class PowerReadings(Check):
    """spl.txt covers the load of run_1, so that there is a power metric."""

    family: ClassVar[str] = "power"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        if not subject.has_power:
            return
        path = subject.performance_folder / "spl.txt"
        power = load_power(subject)
        if power is None:
            return  # PowerSession says that the log names no instants
        if power.problem:
            yield self.error(path, "every line is a reading of the analyzer", "copy it from the session", power.problem)
        if power.watts is None:
            yield self.error(path, "there are positive readings between power_begin and power_end", "measure again")
        elif power.longest_gap > _LONGEST_GAP_S:
            rule = f"the analyzer reads every second: no gap is longer than {_LONGEST_GAP_S:g} s"
            yield self.warning(path, rule, "look after the connection to the meter", f"{power.longest_gap:.1f} s")
        elif measure_power(subject) is None:
            log = subject.performance_folder / "mlperf_log_detail.txt"
            yield self.error(log, "the log says result_query_count", "copy the log of the power run")


class Nameplate(Check):
    """The capacity of the power supplies, which rounds may ask of systems with power results; none must be given."""

    family: ClassVar[str] = "power"
    over: ClassVar[type] = System

    def findings(self, subject: System) -> Iterator[Finding]:
        template = subject.rules.power.nameplate
        if not template or not any(result.has_power for model in subject.models for result in model.results):
            return
        stated = subject.description.get(nameplate.FIELD)
        if stated is not None:
            if nameplate.number(stated) is None:
                rule = f"{nameplate.FIELD} is a number of watts"
                yield self.error(subject.description_file, rule, "write a number", stated)
            return
        path = subject.submitter.folder / template.format(system=subject.name)
        if not path.is_file():
            yield self.warning(path, "the capacity of the power supplies is given", f"write it, or {nameplate.FIELD}")
            return
        watts, problem = nameplate.read(path)
        if watts is None:
            yield self.error(path, "the file is YAML of components with PSUs", "correct it", problem)
        elif not watts:
            yield self.warning(path, "components with PSUs and Min PSUs Needed add up to a capacity", "correct it")


def load_power(result: Result) -> Power | None:
    """Power during the load of run_1; None when the log does not say when that was."""
    session = Session(result.folder / "performance", {}, {}, result.performance, result.performance)
    load = session.load("run_1")
    return None if load is None else between(result.performance_folder / "spl.txt", *load)


def measure_power(result: Result) -> Measured | None:
    """The power metric: mean watts, or where the round says so the millijoules of a query; None when there is none."""
    if not result.has_power or result.scenario is None:
        return None
    power, unit = load_power(result), result.rules.power.units.get(result.scenario)
    if power is None or power.watts is None or unit is None:
        return None
    performance = measure(result)
    inferred = performance is not None and performance.inferred
    if unit == "Watts":
        return Measured(power.watts, unit, inferred)
    queries = result.performance.number("result_query_count")
    if not queries or queries < 0:
        return None
    samples = _SAMPLES_PER_QUERY if inferred and result.scenario == "MultiStream" else 1
    return Measured(power.watts * power.seconds * samples * 1000 / queries, unit, inferred)


def design_power(system: System) -> float | None:
    """Watts of the nameplate, for the results table; None when none is given."""
    template = system.rules.power.nameplate
    if not template:
        return None
    stated = system.description.get(nameplate.FIELD)
    if stated is not None:
        return nameplate.number(stated)
    return nameplate.read(system.submitter.folder / template.format(system=system.name))[0]
