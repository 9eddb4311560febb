"""Build a submission tree from results folders. Raw logs are copied byte for byte; nothing in results/ is changed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.catalogue.rounds import Round, RoundModel
from loadfleet.catalogue.rounds import load as load_round
from loadfleet.errors import InputError
from loadfleet.submission import divisions
from loadfleet.submission.packing.truncate import LOG, TEXT, shortened, with_hash
from loadfleet.submission.request import Request, refuse
from loadfleet.submission.tree import choose, documents, flavours, inferred, tested
from loadfleet.submission.tree.cells import Cell, find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["RECORD", "Generated", "Request", "generate"]

RECORD = "generated.json"
"""Beside the tree: which cells it was made of, and what of them cannot be submitted."""


@dataclass
class Generated:
    """A tree and the account of it; `cells`, `left_out` and `not_submittable` are lists of JSON objects.

    `lacking` names the documents that the division asks for and only the submitter can write.
    """

    tree: Path
    request: Request
    systems: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    not_submittable: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    lacking: list[dict[str, Any]] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The content of `generated.json`."""
        return {
            "schema_version": 1,
            "request": self.request.record(),
            "systems": self.systems,
            "cells": self.cells,
            "not_submittable": self.not_submittable,
            "left_out": self.left_out,
            "lacking": self.lacking,
        }


def generate(results: Sequence[Path], output: Path, request: Request) -> Generated:
    """Write `output/tree/<division>/<submitter>` from run folders, replacing what an earlier call wrote there.

    The tree appears as a whole or not at all. Cells that cannot be submitted are built too (unless asked otherwise) and
    are named with the reason: the check decides about the tree.

    Raises:
        InputError: Nothing to submit, an unknown round, division, status or system type, or in the closed division a
            model that is not the official one.
    """
    rules = load_round(request.round)
    refuse(rules, request)
    found = find(results)
    generated = Generated(output / "tree", request)
    generated.left_out += [{"cell": path, "reasons": [reason]} for path, reason in found.unreadable]
    models = {id(cell): _model(cell, rules, request) for cell in found.cells}
    strict = request.division in rules.compliance_divisions
    chosen = choose.choose(found.cells, rules.name, lambda cell: models[id(cell)][0], generated.left_out, tests=strict)
    chosen = choose.submittable(
        chosen, rules.name, generated.not_submittable, generated.left_out, only=request.only_submittable
    )
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".generate-") as scratch:
        builder = _Builder(Path(scratch) / request.submitter, rules, generated, found.cells)
        for name, cells in choose.by_system(chosen, found.cells, request.system_name).items():
            builder.system(name, cells, models)
        builder.finish()
        target = generated.tree / request.division / request.submitter
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        builder.root.rename(target)
    files.write_json(output / RECORD, generated.record())
    return generated


def _model(cell: Cell, rules: Round, request: Request) -> tuple[str, RoundModel]:
    """Folder name and benchmark of a cell's model."""
    name, official = str(cell.model.get("name")), str(cell.model.get("official_name") or "")
    model = rules.model(official or name)
    if cell.model.get("reference"):
        return model.folder, model
    if request.division != "open":
        raise InputError(
            f"{cell.host}/{cell.name} ran {name!r}, which is not the official model of {model.name}: "
            f"the {request.division} division takes the official model only",
            fix="use submission_division=open, or measure with the official model (benchmark_model)",
        )
    return name, model


@dataclass(frozen=True)
class _Origin:
    """What else there is to say of a result's cells: benchmarks that they serve, the scenario they were measured in."""

    serves: tuple[str, ...] = ()
    scenario: str = ""


class _Builder:
    """Writes below one submitter's folder.

    Args:
        root: That folder.
        rules: The round.
        generated: Gets the account.
        found: All cells there are, also those left out: they tell which hosts are equal.
    """

    def __init__(self, root: Path, rules: Round, generated: Generated, found: Sequence[Cell] = ()) -> None:
        self.equal_hosts: dict[str, set[str]] = {}
        self.names: dict[str, str] = {}
        for cell in sorted(found, key=choose.system_name, reverse=True):
            self.equal_hosts.setdefault(cell.system_digest, set()).add(cell.host)
            self.names[cell.system_digest] = str(cell.system["description"].get("system_name") or "")
        self.root = root
        self.rules = rules
        self.generated = generated
        self.mapping: dict[str, str] = {}
        self.cells: list[Cell] = []

    def system(self, name: str, cells: Sequence[Cell], models: dict[int, tuple[str, RoundModel]]) -> None:
        request, system = self.generated.request, cells[0].system
        measured = {"framework": documents.framework(cells)}
        stated = {name: value for name, value in system["description"].items() if value not in (None, "")}
        if shared := self.names.get(cells[0].system_digest):
            stated["system_name"] = shared
        description = documents.system_description(
            measured | stated,
            self.rules,
            division=request.division,
            submitter=request.submitter,
            status=request.status,
            system_type=request.system_type,
        )
        self._json(self.root / "systems" / f"{name}.json", description)
        empty = [field for field in documents.needed_fields(self.rules, request.division) if not description[field]]
        self.generated.systems.append(
            {
                "name": name,
                "digest": system.get("digest"),
                "hosts": sorted({cell.host for cell in cells}),
                "equal_hosts": sorted(self.equal_hosts.get(cells[0].system_digest, {cells[0].host})),
                "unmeasured": [name for name in system.get("unmeasured") or [] if not measured.get(name)],
                "empty": empty,
            }
        )
        folders: dict[str, list[Cell]] = {}
        for cell in cells:
            folders.setdefault(models[id(cell)][0], []).append(cell)
        for folder, group in sorted(folders.items()):
            self._model(name, folder, models[id(group[0])][1], group)

    def _model(self, system: str, folder: str, model: RoundModel, cells: Sequence[Cell]) -> None:
        """All scenarios of a model, once for every benchmark that they serve."""
        scored = [
            (cell.scenario, flavours.values(cell.result.get("accuracy"))) for cell in cells if cell.mode == "accuracy"
        ]
        served = flavours.served(self.rules, model, scored, self.generated.request.flavours)
        names = tuple(one.name for one in served)
        scenarios: dict[str, list[Cell]] = {}
        for cell in sorted(cells, key=lambda cell: (cell.mode != "performance", cell.mode)):
            scenarios.setdefault(cell.scenario, []).append(cell)
        for benchmark in served:
            place = self._folder(folder, model, benchmark)
            origin = _Origin(serves=names if len(names) > 1 else ())
            for scenario, group in sorted(scenarios.items()):
                self._scenario(system, place, benchmark, scenario, group, origin)
            for scenario, source in sorted(self._inferable(benchmark, scenarios).items()):
                self._scenario(
                    system, place, benchmark, scenario, scenarios[source], _Origin(origin.serves, scenario=source)
                )

    @staticmethod
    def _folder(folder: str, model: RoundModel, benchmark: RoundModel) -> str:
        """A folder for each benchmark that a model serves; an own name gets the flavour added."""
        if benchmark is model:
            return folder
        return benchmark.folder if folder in {model.folder, model.name} else f"{folder}-{flavours.share(benchmark)}"

    def _inferable(self, model: RoundModel, scenarios: Mapping[str, Sequence[Cell]]) -> dict[str, str]:
        """Scenario -> the measured one that it is inferred from."""
        request = self.generated.request
        if not request.infer:
            return {}
        measured = {name: cell for name, group in scenarios.items() for cell in group if cell.mode == "performance"}
        found = inferred.missing(model, request.kind, sorted(measured))
        for scenario, source in list(found.items()):
            obstacle = inferred.obstacle(measured[source], scenario)
            if obstacle:
                del found[scenario]
                self.generated.left_out.append({"cell": choose.label(measured[source]), "reasons": [obstacle]})
        return found

    def _scenario(
        self, system: str, folder: str, model: RoundModel, scenario: str, cells: Sequence[Cell], origin: _Origin
    ) -> None:
        layout = self.rules.layout
        names = {"system": system, "model": folder, "scenario": scenario}
        results = self.root / "results" / system / folder / scenario
        cells = self._asked(cells, model)
        first = cells[0]
        implementation = documents.slug(str(first.result.get("implementation") or "native"))
        measured = self.root / layout.measurements.format(**names)
        self._json(
            measured / layout.measurements_name.format(**names, implementation=implementation),
            documents.measurements(first.model, self.rules),
        )
        self._text(measured / "README.md", documents.scenario_readme(cells, model, system, scenario, origin.serves))
        self._copy(first, "user.conf", measured / "user.conf")
        source = self.root / layout.source / folder
        if layout.source == "code":
            source /= implementation
        self._text(source / "README.md", documents.source_readme(first, model))
        if folder not in {model.folder, model.name}:
            self.mapping[folder] = model.name
        for cell in cells:
            if cell.mode == "performance":
                self._performance(cell, results / "performance" / "run_1")
            elif cell.mode == "accuracy":
                self._accuracy(cell, results / "accuracy")
            else:
                self._compliance(cell, cells, self.root / layout.compliance.format(**names) / cell.mode)
            self._account(cell, results, model, scenario, origin)

    def _asked(self, cells: Sequence[Cell], model: RoundModel) -> list[Cell]:
        """Without compliance tests that nobody asks for; a scenario with nothing else keeps them."""
        asked = []
        for cell in cells:
            why = tested.unasked(cell, self.rules, model, self.generated.request.division)
            entry = {"cell": choose.label(cell), "reasons": [why]}
            if not why:
                asked.append(cell)
            elif entry not in self.generated.left_out:  # seen for another flavour
                self.generated.left_out.append(entry)
        return asked or list(cells)

    def finish(self) -> None:
        request = self.generated.request
        own = documents.own(request.documents)
        for path in own:
            self._bytes(self.root / "documentation" / path.name, path.read_bytes())
        if not any(path.name == "calibration.md" for path in own):
            self._text(self.root / "documentation" / "calibration.md", documents.calibration(self.cells))
        for document in divisions.load().demanded(request.division, request.kind):
            if not document.generated and document.found(request.documents) is None:
                self.generated.lacking.append(
                    {"document": document.name, "title": document.title, "files": document.example}
                )
        if self.mapping:
            self._json(self.root / "model_mapping.json", dict(sorted(self.mapping.items())))

    def _account(self, cell: Cell, results: Path, model: RoundModel, scenario: str, origin: _Origin) -> None:
        self.cells.append(cell)
        request = self.generated.request
        below = results.relative_to(self.root)
        accuracy = cell.result.get("accuracy") or None
        self.generated.cells.append(
            {
                "path": f"{request.division}/{request.submitter}/{below}",
                "run_id": cell.run_id,
                "host": cell.host,
                "cell": cell.name,
                "mode": cell.mode,
                "scenario": scenario,
                "inferred_from": origin.scenario,
                "model": cell.model.get("name"),
                "official_name": model.name,
                "system_digest": cell.system_digest,
                "metric": cell.result.get("metric"),
                "accuracy": accuracy and {key: accuracy.get(key) for key in ("metric", "value", "samples", "total")},
                "command": documents.cell_command(cell),
                "play": documents.play_command(cell),
                "time": cell.result.get("time") or {},
            }
        )

    def _performance(self, cell: Cell, target: Path) -> None:
        for name in self.rules.layout.performance_files:
            self._copy(cell, name, target / name)
        self._named(cell)
        log = cell.folder / LOG
        # A performance run logs no responses; a log that grew (sampling) is not part of a submission.
        if LOG in self.rules.layout.performance_optional and log.is_file() and log.stat().st_size <= 4096:
            self._copy(cell, LOG, target / LOG)

    def _named(self, cell: Cell) -> None:
        """In the network division LoadGen must have talked to a system behind a network, and the log says so."""
        if self.generated.request.division == "network":
            for reason in documents.network_reasons(cell.detail().values):
                self._reason(cell, reason)

    def _accuracy(self, cell: Cell, target: Path) -> None:
        for name in self.rules.layout.accuracy_files:
            if name != LOG or not self._short(cell, target):
                self._copy(cell, name, target / name)

    def _short(self, cell: Cell, target: Path) -> bool:
        """Write log and accuracy.txt in their final form, reading the full log once; False when that cannot be done."""
        log, text = cell.folder / LOG, cell.folder / TEXT
        if not self.generated.request.truncate or not log.is_file() or not text.is_file():
            return False
        data, sha256, _ = shortened(log)
        self._verify(cell, LOG, sha256)
        self._bytes(target / LOG, data)
        self._bytes(target / TEXT, with_hash(text.read_bytes(), sha256))
        return True

    def _compliance(self, cell: Cell, shown: Sequence[Cell], target: Path) -> None:
        test = self.rules.compliance_tests.get(cell.mode)
        if test is None:
            return
        for reason in tested.mismatches(cell, shown):
            self._reason(cell, reason)
        for name in test.verify:
            self._copy(cell, name, target / name)
        if test.performance_log:
            self._performance(cell, target / "performance" / "run_1")
        if test.accuracy_log:
            if not self._short(cell, target / "accuracy"):
                self._copy(cell, LOG, target / "accuracy" / LOG)
            for name in (TEXT, *test.fallback_files):
                if (cell.folder / name).is_file():
                    self._copy(cell, name, target / "accuracy" / name)

    def _copy(self, cell: Cell, name: str, target: Path) -> None:
        source = cell.folder / name
        if target.exists():
            return  # accuracy.txt that already carries its hash
        if not source.is_file():
            self._reason(cell, f"{name} is missing in the results")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        self._verify(cell, name, files.sha256(target))

    def _verify(self, cell: Cell, name: str, sha256: str) -> None:
        recorded = ((cell.result.get("files") or {}).get(name) or {}).get("sha256")
        if recorded is not None and recorded.removeprefix("sha256:") != sha256:
            self._reason(cell, f"{name} changed after the run: its SHA-256 is not the one in result.json")

    def _reason(self, cell: Cell, reason: str) -> None:
        name = choose.label(cell)
        for entry in self.generated.not_submittable:
            if entry["cell"] == name:
                if reason not in entry["reasons"]:
                    entry["reasons"].append(reason)
                return
        self.generated.not_submittable.append({"cell": name, "reasons": [reason]})

    def _json(self, path: Path, value: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, value)

    def _text(self, path: Path, text: str) -> None:
        self._bytes(path, text.encode())

    def _bytes(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
