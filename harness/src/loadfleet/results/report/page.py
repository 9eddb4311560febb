"""The page as a whole: of one run, of several, of published results, or of runs beside published results."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

from loadfleet import __version__, catalogue
from loadfleet.errors import InputError, NotReadyError
from loadfleet.files import write_json
from loadfleet.files import write_text as write_file
from loadfleet.results import words
from loadfleet.results.history.ours import own as own_results
from loadfleet.results.report import cells, charts, published, sweep, telemetry, throughput
from loadfleet.results.summary import headings, row, several_models, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadfleet.results.history.published import PublishedResult
    from loadfleet.results.model import HostResults, Result, RunResults

_SCRIPTS = ("vega.js", "page.js")
_CARDS = 8
_UNFOLDED = 16  # cells that stand open
_FEWER_POINTS = 60


@dataclass(frozen=True)
class Row:
    """A line of the table of results: texts, what to sort them by, how it went, where its section is."""

    texts: Sequence[str]
    sort: Sequence[float | None]
    outcome: str
    anchor: str


@dataclass(frozen=True)
class Card:
    """A number in large type and what must be said with it."""

    anchor: str
    title: str
    value: str
    unit: str
    outcome: str
    verdict: str
    details: Sequence[str]


def write_report(runs: Sequence[RunResults], page: Path, others: Sequence[PublishedResult] = ()) -> tuple[Path, Path]:
    """Write the page and summary.json beside it, both atomically.

    Args:
        runs: One run, several, or none.
        page: Where the page goes.
        others: Published results to compare with; the whole content when there is no run.

    Returns:
        Paths of the page and of summary.json.

    Raises:
        InputError: The folder of `page` does not exist.
        NotReadyError: It cannot be written to, or the extra `report` is not installed.
    """
    summary = page.with_name("summary.json")
    if not page.parent.is_dir():
        raise InputError(f"no folder {page.parent} for the report", fix="Create it, or choose another --output.")
    text = render(runs, page, others)
    data = [summarise(run) for run in runs]
    for one in data:
        one["report"] = str(page)
    content = data[0] if len(data) == 1 else {"runs": data}
    try:
        write_file(page, text)
        write_json(summary, {"schema_version": 1, **content})
    except OSError as error:
        raise NotReadyError(f"{page.parent} cannot be written: {error.strerror}") from error
    return page, summary


def render(runs: Sequence[RunResults], page: Path, others: Sequence[PublishedResult] = ()) -> str:
    """The page as text; everything that is not the template's own is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - 0.1 s

    charts.altair()  # what is missing is to be said before any work
    environment = Environment(
        loader=PackageLoader("loadfleet.results.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [_asset(name) for name in _SCRIPTS]
    return environment.get_template("page.html.j2").render(
        **_content(runs, page, others),
        style=_asset("page.css"),
        scripts=scripts,
        script_digests=[_digest(script) for script in scripts],
        version=__version__,
    )


def _content(runs: Sequence[RunResults], page: Path, others: Sequence[PublishedResult]) -> dict[str, Any]:
    summaries = [summarise(run) for run in runs]
    several = len(runs) > 1
    models = any(several_models(run) for run in runs)
    rows: list[Row] = []
    sections: list[cells.Section] = []
    reasons = list(dict.fromkeys(reason for data in summaries for reason in data["reasons"]))
    # A page of a fleet has hundreds of drawings: fewer points each keep it small.
    count = sum(len(run.cells) for run in runs)
    points = telemetry.POINTS if count <= _UNFOLDED else _FEWER_POINTS
    for run, data in zip(runs, summaries, strict=True):
        for cell, entry in zip(run.cells, data["cells"], strict=True):
            anchor = f"cell-{len(rows)}"
            known = [reasons.index(data["reasons"][number - 1]) + 1 for number in entry["reason_numbers"]]
            entry["reason_numbers"] = known
            texts = ((run.run_id,) if several else ()) + row(cell, entry, models=models)
            result = cell.result
            value = result.metric.value if result and result.metric else None
            accuracy = result.accuracy.value if result and result.accuracy else None
            sort = (*((None,) * (several + models)), None, None, None, value, None, accuracy, None)
            rows.append(Row(texts, sort, entry["outcome"], anchor))
            sections.append(cells.section(anchor, cell, entry, reasons, run.run_id if several else "", points))
    results = [section.result for section in sections if section.result]
    own = [row for run in runs for row in own_results(run)] if others else []
    return {
        "title": _title(runs, results),
        "subtitle": _subtitle(runs, summaries, others),
        "summaries": summaries,
        "several": several,
        "headings": (("Run",) if several else ()) + headings(models=models),
        "rows": rows,
        "cards": _cards(sections, several),
        "machine": _machine(runs[0].hosts[0]) if len(runs) == len(runs[0].hosts if runs else ()) == 1 else None,
        "reasons": reasons,
        "throughput": throughput.by_scenario(_named(results)),
        "sweeps": sweep.sweeps(results) if several else [],
        "compared": published.compared(own, others) if others else [],
        "published": published.table([*own, *others]) if others else None,
        "systems": _systems(runs),
        "sections": sections,
        "folded": len(sections) > _UNFOLDED,
        "repeats": [(run.run_id, again) for run in runs if (again := _again(run))],
        "page": page.name,
    }


def _asset(name: str) -> str:
    return (package_files("loadfleet.results.report") / "assets" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's Content-Security-Policy calls a script: nothing else may run in it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _title(runs: Sequence[RunResults], results: Sequence[Result]) -> str:
    asked = [str(run.run["workload"]) for run in runs if run.run.get("workload")]
    workloads = dict.fromkeys([result.workload for result in results] or asked)
    name = ", ".join(_called(workload) for workload in workloads) or ("Benchmark" if runs else "Published results")
    return name if len(runs) <= 1 else f"{name}: {len(runs)} runs"


def _called(workload: str) -> str:
    """A workload's title in the catalogue; its name where the catalogue does not know it (any more)."""
    try:
        return str(catalogue.get("workload", workload).data.get("title") or workload)
    except InputError:
        return workload


def _subtitle(
    runs: Sequence[RunResults], summaries: Sequence[Mapping[str, Any]], others: Sequence[PublishedResult]
) -> str:
    rounds = sorted({str(data["round"]) for data in summaries if data["round"]} or {row.round for row in others} - {""})
    parts = [f"MLPerf Inference {', '.join(rounds)}"] if rounds else []
    if len(runs) == 1:
        parts.append(f"run {runs[0].run_id}")
    executions = sorted({str(data["execution"]) for data in summaries if data["execution"]})
    parts += [f"execution {', '.join(executions)}"] if executions else []
    times = [result.time for run in runs for result in run.results]
    if times:
        parts.append(
            f"{_minute(min(time.started for time in times))} to {_minute(max(time.finished for time in times))}"
        )
    if others:
        submitters = len({row.submitter for row in others})
        parts.append(f"{words.count(len(others), 'published result')} of {words.count(submitters, 'submitter')}")
    return " · ".join(parts)


def _minute(instant: str) -> str:
    """`2026-11-22 03:00 UTC` of an ISO 8601 instant."""
    return f"{instant[:10]} {instant[11:16]} UTC"


def _named(results: Sequence[Result]) -> list[tuple[str, Result]]:
    """Each result with what tells it from the others: run, host, model."""
    parts = [(result.run_id, result.host, result.model.name) for result in results]
    differing = [index for index in range(3) if len({part[index] for part in parts}) > 1]
    return [
        (", ".join(part[index] for index in differing), result) for part, result in zip(parts, results, strict=True)
    ]


def _cards(sections: Sequence[cells.Section], several: bool) -> list[Card]:
    """A card for each performance result, unless there are more than a glance takes in."""
    measured = [
        section
        for section in sections
        if section.result and section.result.metric and section.result.compliance is None
    ]
    if several or len(measured) > _CARDS:
        return []
    return [card for section in measured if (card := _card(section, sections))]


def _card(section: cells.Section, sections: Sequence[cells.Section]) -> Card | None:
    result = section.result
    if result is None or result.metric is None:
        return None
    same = (other.result for other in sections if other.result)
    accuracy = next(
        (
            other.accuracy
            for other in same
            if other.accuracy
            and (other.host, other.scenario, other.model) == (result.host, result.scenario, result.model)
        ),
        None,
    )
    valid = result.validity.loadgen == "VALID"
    allowed = "may be submitted" if result.validity.submittable else "not submittable"
    details = [f"{result.model.name}, {result.model.precision}", f"{result.backend.name} on {result.backend.device}"]
    if accuracy:
        details.append(
            f"{accuracy.metric} {words.accuracy(accuracy)}".replace(": yes", ", met").replace(": no", ", missed")
        )
    return Card(
        section.anchor,
        ", ".join([*section.cell.of_model, result.scenario, result.host]),
        words.number(result.metric.value),
        result.metric.unit,
        "good" if valid else "bad",
        f"{throughput.verdict(result)}, {allowed}",
        details,
    )


def _machine(host: HostResults) -> tuple[str, str, list[str]] | None:
    """Name, processor or accelerator, and the rest of what a run of one host ran on, at a glance."""
    known = host.system.get("description")
    if not isinstance(known, dict):
        return None

    def text(key: str) -> str:
        value = str(known.get(key) or "")
        return "" if value in {"N/A", "not stated"} else value

    processors, cores, accelerators = (
        text(key) for key in ("host_processors_per_node", "host_processor_core_count", "accelerators_per_node")
    )
    processor = text("host_processor_model_name")
    accelerator = text("accelerator_model_name") if accelerators not in {"", "0"} else ""
    details = [
        processor if accelerator else "",
        f"{processors} x {cores} cores" if processors and cores else "",
        f"{text('host_memory_capacity')} memory" if text("host_memory_capacity") else "",
        text("framework"),
        text("operating_system"),
    ]
    name = f"{accelerators} x {accelerator}" if accelerator else processor
    return (host.name, name, [detail for detail in details if detail]) if name else None


def _systems(runs: Sequence[RunResults]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Hosts with their system; hosts of several runs that are described alike stand there once."""
    found: dict[str, list[list[tuple[str, str]]]] = {}
    for host in (host for run in runs for host in run.hosts):
        rows = _system(host)
        if rows not in (known := found.setdefault(host.name, [])):
            known.append(rows)
    return [(name, rows) for name, descriptions in found.items() for rows in descriptions]


def _system(host: HostResults) -> list[tuple[str, str]]:
    """Rows of a host's system: its MLPerf description, else what was measured; what does not apply is left out."""
    description = host.system.get("description")
    measured = host.system.get("measured")
    facts = description if isinstance(description, dict) and description else measured
    facts = facts if isinstance(facts, dict) else {}
    rows = [("system name", str(host.system["name"]))] if host.system.get("name") and "system_name" not in facts else []
    for name, value in facts.items():
        if value not in ("", None, "N/A"):
            rows.append((str(name).replace("_", " "), cells.value_text(value)))
    unmeasured = host.system.get("unmeasured")
    if isinstance(unmeasured, list) and unmeasured:
        rows.append(("not measured and not set", ", ".join(str(name) for name in unmeasured)))
    return rows


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
        "benchmark_modes": list(dict.fromkeys(result.mode for result in run.results if result.mode != "find")),
        "benchmark_execution": first.execution,
        **(
            {"benchmark_models": list(dict.fromkeys(result.model.name for result in run.results))}
            if several_models(run)
            else {"benchmark_model": first.model.name}
        ),
        "benchmark_backend": first.backend.name,
        "benchmark_device": first.backend.device,
    }
    unique = {name: value for name, value in unique.items() if value}
    return shlex.join(
        ["ansible-playbook", f"playbooks/{first.workload}.yml", "-i", "inventory", "-e", json.dumps(unique)]
    )
