"""The results table: one row per result, in the columns of MLCommons' summary.csv."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadfleet.submission.checks.accuracy import scores
from loadfleet.submission.checks.base import shown
from loadfleet.submission.checks.endpoints import endpoint_scores
from loadfleet.submission.checks.measured import measure
from loadfleet.submission.checks.power import design_power, measure_power

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadfleet.submission.checks.base import Result, System

# Columns of the summary that MLCommons' report generator reads; those of the description carry its field names.
COLUMNS = (
    "Organization",
    "Availability",
    "Division",
    "SystemType",
    "SystemName",
    "Platform",
    "Model",
    "MlperfModel",
    "Scenario",
    "Result",
    "Accuracy",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "accelerator_model_name",
    "accelerators_per_node",
    "total_accelerators",
    "Location",
    "framework",
    "operating_system",
    "notes",
    "compliance",
    "errors",
    "version",
    "inferred",
    "has_power",
    "Units",
    "weight_data_types",
    "design_power_watts",
    "PrivateID",
)


@dataclass(frozen=True)
class Row:
    """One result: `path` below the submission, its number, its accuracy, and whether nothing speaks against it.

    `power` is in `power_unit`, None when none was measured; `cells` are the values of `COLUMNS`.
    """

    path: str
    model: str
    official_name: str
    scenario: str
    value: float | None
    unit: str
    accuracy: dict[str, float]
    inferred: bool
    accepted: bool
    power: float | None
    power_unit: str
    cells: tuple[str, ...] = field(repr=False)

    @property
    def power_cells(self) -> tuple[str, ...]:
        """`cells` of the second row that a result with power has."""
        changed = {"Result": str(self.power), "Units": self.power_unit}
        return tuple(changed.get(name, cell) for name, cell in zip(COLUMNS, self.cells, strict=True))

    @property
    def columns(self) -> dict[str, str]:
        """Column -> value."""
        return dict(zip(COLUMNS, self.cells, strict=True))


def to_csv(rows: Iterable[Row]) -> str:
    """The accepted results in MLCommons' columns, every value quoted; a result with power has a second row for it."""
    text = io.StringIO()
    text.write(",".join(COLUMNS) + "\n")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in rows:
        if row.accepted:
            writer.writerow(row.cells)
            if row.power is not None:
                writer.writerow(row.power_cells)
    return text.getvalue()


def row(result: Result) -> Row:
    """The row of a result, as if nothing spoke against it."""
    measured = measure(result)
    values = {}
    if result.endpoints:
        values = endpoint_scores(result)
    elif result.benchmark is not None and result.scenario is not None:
        targets = result.benchmark.targets_for(result.scenario)
        values = scores(result.rules, result.accuracy_folder / "accuracy.txt", targets)
    official = result.benchmark.name if result.benchmark else ""
    inferred = bool(measured and measured.inferred)
    power = measure_power(result)
    design = design_power(result.model.system) if result.has_power else None
    own = {
        "Model": result.model.folder.name,
        "MlperfModel": official,
        "Scenario": result.folder.name,
        "Result": "" if measured is None else str(measured.value),
        "Accuracy": "  ".join(f"{metric}: {value:.10g}" for metric, value in values.items()),
        "Location": f"{result.name}/performance/run_1",
        "inferred": str(int(inferred)),
        "has_power": str(result.has_power),
        "Units": measured.unit if measured else "",
        "weight_data_types": str(result.measurements.get("weight_data_types", "")),
        "design_power_watts": "" if design is None else f"{design:.10g}",
    }
    return Row(
        path=result.name,
        model=shown(result.model.folder.name),
        official_name=official,
        scenario=result.scenario or shown(result.folder.name),
        value=measured.value if measured else None,
        unit=measured.unit if measured else "",
        accuracy=values,
        inferred=inferred,
        accepted=True,
        power=power.value if power else None,
        power_unit=power.unit if power else "",
        cells=_cells(result.model.system, own),
    )


def _cells(system: System, own: Mapping[str, str]) -> tuple[str, ...]:
    """The values of `COLUMNS`: those of the system, and a result's own in their places."""
    global _last  # noqa: PLW0603 - results of a system come one after the other
    if _last is None or _last[0] is not system:
        common = _describe(system)
        _last = (system, tuple(sys.intern(shown(common.get(name, ""))) for name in COLUMNS))
    cells = list(_last[1])
    for name, value in own.items():
        cells[_PLACE[name]] = sys.intern(shown(value))
    return tuple(cells)


_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_last: tuple[System, tuple[str, ...]] | None = None


def _describe(system: System) -> dict[str, str]:
    description = system.description
    notes = ". ".join(str(description[name]) for name in ("hw_notes", "sw_notes") if description.get(name))
    try:
        total = str(int(str(description["number_of_nodes"])) * int(str(description["accelerators_per_node"])))
    except (KeyError, ValueError):
        total = ""
    return {name: str(description.get(name, "")) for name in COLUMNS} | {
        "Organization": system.submitter.folder.name,
        "Availability": str(description.get("status", "")),
        "Division": system.submitter.division,
        "SystemType": str(description.get("system_type", "")),
        "SystemName": str(description.get("system_name", "")),
        "Platform": system.name,
        "total_accelerators": total,
        "notes": notes,
        "compliance": system.submitter.division,
        "errors": "0",
        "version": system.rules.name,
        "design_power_watts": "",
        "PrivateID": "",
    }
