"""The report of a run: one HTML page that needs nothing else, and `summary.json` beside it."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet import __version__
from loadfleet.errors import InputError, NotReadyError
from loadfleet.files import write_json
from loadfleet.files import write_text as write_file
from loadfleet.results import charts, words
from loadfleet.results.summary import HEADINGS, row, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadfleet.results.model import CellOutcome, HostResults, Result, RunResults


@dataclass(frozen=True)
class Section:
    """What the page shows of one cell; tables are rows of texts."""

    anchor: str
    title: str
    cell: CellOutcome
    result: Result | None
    note: str
    why_not: str
    reasons: Sequence[str]
    facts: Sequence[tuple[str, str]]
    latency: charts.Bars | None
    accuracy: charts.Scale | None
    telemetry: Sequence[charts.Line]
    settings: Sequence[tuple[str, str, str, bool]]
    versions: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, str, str]]
    repeat: str


def write_report(run: RunResults, output: Path | None = None) -> tuple[Path, Path]:
    """Write the page and summary.json beside it, both atomically.

    Returns:
        Paths of the page and of summary.json.

    Raises:
        InputError: The folder of `output` does not exist.
        NotReadyError: It cannot be written to.
    """
    page = output or run.path / "report.html"
    summary = page.with_name("summary.json")
    if not page.parent.is_dir():
        raise InputError(f"no folder {page.parent} for the report", fix="Create it, or choose another --output.")
    try:
        write_file(page, render(run, page))
        write_json(summary, {"schema_version": 1, **summarise(run)})
    except OSError as error:
        raise NotReadyError(f"{page.parent} cannot be written: {error.strerror}") from error
    return page, summary


def render(run: RunResults, page: Path) -> str:
    """The page as text; everything that is not the template's own is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - 0.1 s

    environment = Environment(
        loader=PackageLoader("loadfleet.results"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = summarise(run)
    data["report"] = str(page)
    rows = [
        (entry["outcome"], f"cell-{index}", row(cell, entry))
        for index, (cell, entry) in enumerate(zip(run.cells, data["cells"], strict=True))
    ]
    return environment.get_template("report.html.j2").render(
        data=data,
        headings=HEADINGS,
        rows=rows,
        systems=[(host.name, _system(host)) for host in run.hosts],
        sections=[
            _section(index, cell, entry, data["reasons"])
            for index, (cell, entry) in enumerate(zip(run.cells, data["cells"], strict=True))
        ],
        times=_times(run),
        again=_again(run),
        version=__version__,
    )


def _section(index: int, cell: CellOutcome, entry: Mapping[str, Any], reasons: Sequence[str]) -> Section:
    result = cell.result
    accuracy = result.accuracy if result else None
    return Section(
        anchor=f"cell-{index}",
        title=f"{cell.scenario}, {cell.mode}, {cell.host}",
        cell=cell,
        result=result,
        note=cell.note,
        why_not=entry["why_not"] or "",
        reasons=[reasons[number - 1] for number in entry["reason_numbers"]],
        facts=_facts(result) if result else [],
        latency=charts.latency_bars(result.latency) if result and result.latency else None,
        accuracy=charts.accuracy_scale(accuracy) if accuracy else None,
        telemetry=_telemetry(cell.folder / "telemetry.jsonl"),
        settings=_settings(result) if result else [],
        versions=_versions(result) if result else [],
        files=[(name, digest.sha256, words.size(digest.bytes)) for name, digest in sorted(result.files.items())]
        if result
        else [],
        repeat=shlex.join([*result.prefix, *result.argv]) if result else "",
    )


def _facts(result: Result) -> list[tuple[str, str]]:
    time, telemetry = result.time, result.telemetry
    facts = [
        ("Result", words.metric(result.metric)),
        ("LoadGen says", result.validity.loadgen or "-"),
        ("Accuracy", words.accuracy(result.accuracy)),
        ("Model", f"{result.model.name}, {result.model.precision}, {result.model.digest}"),
        ("Counts as", result.model.official_name or "-"),
        ("Data set", f"{result.dataset.name}, {result.dataset.samples:,} samples, {result.dataset.digest}"),
        ("Backend", f"{result.backend.name} on {result.backend.device}"),
        ("Backend options", _value(dict(result.backend.options)) if result.backend.options else "-"),
        ("Time", f"{time.started} to {time.finished}"),
        (
            "Spent in",
            f"loading {words.quantity(time.load_s, 's')}, warm-up {words.quantity(time.warm_up_s, 's')}, "
            f"LoadGen {words.quantity(time.loadgen_s, 's')}",
        ),
        ("Clock offset", words.quantity(time.clock_offset_ms, "ms")),
        ("Started after the agreed time", words.quantity(time.start_late_ms, "ms")),
        ("Processor, mean", words.quantity(telemetry.get("cpu_percent_mean"), "% of all cores")),
        ("Memory, highest", words.size(telemetry.get("rss_peak_bytes"))),
        ("Energy", words.quantity(telemetry.get("energy_j"), "J")),
    ]
    return [(name, value) for name, value in facts if value != "-"]


def _settings(result: Result) -> list[tuple[str, str, str, bool]]:
    """Rows name, requested, effective, differs; requested settings first, then what LoadGen says beyond them."""
    requested, effective = result.loadgen.requested, dict(result.loadgen.effective)
    rows = []
    for name, asked in requested.items():
        key, factor = _effective(name, effective)
        used = effective.pop(key, None)
        differs = used is not None and not _same(asked, used, factor)
        rows.append((name, _value(asked), "" if used is None else f"{_value(used)}{_UNITS.get(factor, '')}", differs))
    return rows + [(name.removeprefix("effective_"), "", _value(value), False) for name, value in effective.items()]


_UNITS = {1e6: " ns"}


def _effective(name: str, effective: Mapping[str, Any]) -> tuple[str, float]:
    """Key of the detail log for a user.conf key, and the factor from user.conf's unit (times in ms) to the log's."""
    stem = name.removesuffix("_override")
    for key, factor in (
        (name, 1.0),
        (f"effective_{stem}", 1.0),
        (f"effective_{stem}_ms", 1.0),
        (f"effective_{stem}_ns", 1e6),
    ):
        if key in effective:
            return key, factor
    return "", 1.0


def _same(asked: object, used: object, factor: float) -> bool:
    if isinstance(asked, int | float) and isinstance(used, int | float):
        return math.isclose(asked * factor, used, rel_tol=1e-4)
    return asked == used


def _versions(result: Result) -> list[tuple[str, str]]:
    rows = [("LoadGen", result.loadgen.version or "?")]
    return rows + [(name, version or "?") for name, version in sorted(result.backend.versions.items())]


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return json.dumps(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _system(host: HostResults) -> list[tuple[str, str]]:
    """Rows of a host's system: its MLPerf description, else what was measured; what does not apply is left out."""
    description = host.system.get("description")
    measured = host.system.get("measured")
    facts = description if isinstance(description, dict) and description else measured
    facts = facts if isinstance(facts, dict) else {}
    rows = [("system name", str(host.system["name"]))] if host.system.get("name") and "system_name" not in facts else []
    for name, value in facts.items():
        if value not in ("", None, "N/A"):
            rows.append((str(name).replace("_", " "), _value(value)))
    unmeasured = host.system.get("unmeasured")
    if isinstance(unmeasured, list) and unmeasured:
        rows.append(("not measured and not set", ", ".join(str(name) for name in unmeasured)))
    return rows


def _telemetry(path: Path) -> list[charts.Line]:
    """Charts of processor and memory over time; lines that are not samples are passed over (a run may be cut off)."""
    cpu: list[tuple[float, float]] = []
    memory: list[tuple[float, float]] = []
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as stream:
            for text in stream:
                sample = _sample(text)
                for key, series, divisor in (("cpu_percent", cpu, 1), ("rss_bytes", memory, 1 << 20)):
                    if isinstance(sample.get("t"), int | float) and isinstance(sample.get(key), int | float):
                        series.append((float(sample["t"]), sample[key] / divisor))
    lines = (
        charts.time_line(cpu, "Processor, 100 % is all cores", lambda value: f"{value:,.0f} %"),
        charts.time_line(memory, "Resident memory", lambda value: f"{value:,.0f} MiB"),
    )
    return [line for line in lines if line]


def _sample(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _times(run: RunResults) -> str:
    results = run.results
    if not results:
        return ""
    return f"{min(result.time.started for result in results)} to {max(result.time.finished for result in results)}"


def _again(run: RunResults) -> str:
    """The command that repeats the run, of its root run.json (`command`) or put together from what was run."""
    said = run.run.get("command")
    if isinstance(said, list) and said:
        return shlex.join(str(part) for part in said)
    if isinstance(said, str) and said:
        return said
    if not run.results:
        return ""
    first = run.results[0]
    unique = {
        "benchmark_scenarios": list(dict.fromkeys(result.scenario for result in run.results)),
        "benchmark_modes": list(dict.fromkeys(result.mode for result in run.results)),
        "benchmark_execution": first.execution,
        "benchmark_model": first.model.name,
        "benchmark_backend": first.backend.name,
        "benchmark_device": first.backend.device,
    }
    return shlex.join(
        ["ansible-playbook", f"playbooks/{first.workload}.yml", "-i", "inventory", "-e", json.dumps(unique)]
    )
