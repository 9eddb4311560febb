"""Published tables: the checker's summary.csv and the final report as CSV or JSON.

A power result is a row of its own in the CSV, and a pair of columns in the report's JSON; here it is part of its
result. A row whose tree is imported as well has the same digest, so it is counted once.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.results.history.published import PublishedResult, flavour_of, unit_of
from loadfleet.results.history.trees import Broken, described, nearest_round, with_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round, RoundModel

_LIMIT = 256 << 20
_POWER_UNITS = {"W", "mJ"}
# Column of the report's JSON (and of its spreadsheet) -> column of the checker's CSV.
_REPORT = {
    "Submitter": "Organization",
    "Category": "Division",
    "Suite": "SystemType",
    "System": "SystemName",
    "UsedModel": "Model",
    "Nodes": "number_of_nodes",
    "Processor": "host_processor_model_name",
    "p#": "host_processors_per_node",
    "Accelerator": "accelerator_model_name",
    "a#": "accelerators_per_node",
    "Software": "framework",
    "Notes": "notes",
    "Performance_Result": "Result",
    "Performance_Units": "Units",
}
_NEEDED = ("Organization", "Division", "Platform", "Model", "Scenario")


def read(path: Path, source: str, *, round_name: str = "") -> Iterator[PublishedResult | Broken]:
    """Results of a table in its order, power joined.

    Raises:
        InputError: The file cannot be read, or is no such table.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise InputError(f"{path} has more than {_LIMIT >> 20} MiB: no table of results has")
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    lines = _json_lines(text, path) if path.suffix.lower() == ".json" else _csv_lines(text, path)
    found: dict[tuple[str, ...], PublishedResult] = {}
    power: list[tuple[str, tuple[str, ...], str, float]] = []
    for where, line in lines:
        if isinstance(line, str):
            yield Broken(where, line)
            continue
        try:
            row, extra = _row(line, source, round_name)
        except (ValueError, KeyError, TypeError) as error:
            yield Broken(where, str(error))
            continue
        if row.unit in _POWER_UNITS:
            power.append((where, row.identity, row.unit, row.value))
            continue
        found.setdefault(row.identity, row)
        power += [(where, row.identity, unit, value) for unit, value in extra]
    for where, identity, unit, value in power:
        if identity not in found:
            yield Broken(where, "power without a performance row")
        elif unit == "W":
            found[identity] = replace(found[identity], power_w=value)
        else:
            found[identity] = replace(found[identity], energy_mj=value)
    yield from (with_digest(row) for row in found.values())


def _csv_lines(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    reader = csv.reader(text.splitlines())
    try:
        header = next(reader, [])
        _check(header, path)
        for values in reader:
            where = f"{path.name} line {reader.line_num}"
            if len(values) != len(header):
                yield where, f"{len(values)} fields instead of {len(header)}"
            else:
                yield where, dict(zip(header, values, strict=True))
    except csv.Error as error:
        yield f"{path.name} line {reader.line_num}", str(error)


def _json_lines(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, list) or not value:
        raise InputError(f"{path} is no report of results: a list of objects is expected")
    first = next((item for item in value if isinstance(item, dict)), {})
    _check([_REPORT.get(str(name), str(name)) for name in first], path)
    for number, item in enumerate(value, 1):
        where = f"{path.name} entry {number}"
        if not isinstance(item, dict):
            yield where, f"an object is expected, found {type(item).__name__}"
            continue
        # `Model` is the round's name there and `UsedModel` the folder; in the CSV they are MlperfModel and Model.
        yield (
            where,
            {
                **{name: item[name] for name in item if name != "Model"},
                "MlperfModel": item.get("Model"),
                **{ours: item[theirs] for theirs, ours in _REPORT.items() if item.get(theirs) is not None},
            },
        )


def _check(header: Iterable[str], path: Path) -> None:
    missing = [name for name in _NEEDED if name not in set(header)]
    if missing:
        raise InputError(
            f"{path} is no table of results: it has no column {', '.join(missing)}",
            fix="Give the checker's summary.csv, or the final report's CSV or JSON.",
        )


def _row(line: Mapping[str, Any], source: str, round_name: str) -> tuple[PublishedResult, list[tuple[str, float]]]:
    version = str(line.get("version") or "").strip()
    version = round_name or (version if version.startswith("v") or not version else f"v{version}")
    rules = nearest_round(version)
    scenario = rules.scenario(str(line["Scenario"]))
    if scenario is None:
        raise ValueError(f"{line['Scenario']!r} is no scenario")
    folder = str(line["Model"])
    official = str(line.get("MlperfModel") or "").strip()
    known = rules.resolve(official) or rules.resolve(folder)
    model = known.name if known else official or folder
    benchmark, flavour = flavour_of(model)
    accuracy, met = _accuracy(str(line.get("Accuracy") or ""), rules, model, scenario)
    division, submitter, system = (str(line[name]) for name in ("Division", "Organization", "Platform"))
    row = PublishedResult(
        digest="",
        origin="published",
        source=source,
        location=_location(line, f"{division}/{submitter}/results/{system}/{folder}/{scenario}"),
        round=version,
        division=division,
        submitter=submitter,
        system=system,
        **described(
            {
                **line,
                "system_type": line.get("SystemType"),
                "status": line.get("Availability"),
                "system_name": line.get("SystemName"),
                "sw_notes": line.get("notes"),
            }
        ),
        precision=str(line.get("weight_data_types") or ""),
        model=model,
        model_folder=folder,
        benchmark=benchmark,
        flavour=flavour,
        scenario=scenario,
        value=_number(line, "Result"),
        unit=_unit(line, rules, known, scenario),
        accuracy=accuracy,
        accuracy_met=met,
        inferred=str(line.get("inferred")) in {"1", "True", "true"},
    )
    extra = []
    if line.get("Power_Result") not in (None, ""):
        extra.append((unit_of(str(line.get("Power_Units") or "")), _number(line, "Power_Result")))
    return row, extra


def _unit(line: Mapping[str, Any], rules: Round, model: RoundModel | None, scenario: str) -> str:
    """The unit of the number the round asks for: labels of official tables say queries where tokens were counted."""
    stated = unit_of(str(line.get("Units") or ""))
    if model is None or stated in {*_POWER_UNITS, "ms", "s"}:
        return stated
    return unit_of(rules.result(model, scenario).unit)


def _number(line: Mapping[str, Any], name: str) -> float:
    value = line.get(name)
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}, no number") from None


def _location(line: Mapping[str, Any], default: str) -> str:
    """The place in its tree: an input path may stand in front of it, and the run's folder behind it."""
    stated = str(line.get("Location") or "").removesuffix("/performance/run_1")
    found = re.search(rf"(?:^|/)({re.escape(str(line['Division']))}/.*)", stated)
    return found.group(1) if found and "/results/" in found.group(1) else default


def _accuracy(text: str, rules: Round, model: str, scenario: str) -> tuple[dict[str, float], bool | None]:
    targets = rules.models[model].targets_for(scenario) if model in rules.models else ()
    found = {name: float(value) for name, value in re.findall(r"([A-Za-z_]\w*): ([0-9]+(?:\.[0-9]+)?)", text)}
    if not found and re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", text):
        found = {targets[0].metric if targets else "accuracy": float(text)}
    if not targets or any(target.metric not in found for target in targets):
        return found, None
    return found, all(target.met(found[target.metric]) for target in targets)
