"""Build a submission tree from results folders. Raw logs are copied byte for byte; nothing in results/ is changed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.catalogue.rounds import Round, RoundModel
from loadfleet.catalogue.rounds import load as load_round
from loadfleet.errors import InputError
from loadfleet.submission import documents
from loadfleet.submission.cells import Cell, find
from loadfleet.submission.truncate import LOG, TEXT, shortened, with_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORD = "generated.json"
"""Beside the tree: which cells it was made of, and what of them cannot be submitted."""


@dataclass(frozen=True)
class Request:
    """What to submit as.

    Args:
        round: `v6.1`.
        division: `open`, `closed` or `network`.
        submitter: The organisation's name; a folder of that name holds everything.
        system_type: `edge`, `datacenter` or both with a comma.
        status: `available`, `preview` or `rdi`.
        system_name: Name of the system's folder and file; the measured name by default.
        truncate: Write accuracy logs in their short form at once, instead of a full copy to be truncated later.
        only_submittable: Leave out what cannot be submitted instead of showing what the check says about it.
    """

    round: str = "v6.1"
    division: str = "open"
    submitter: str = "Loadfleet"
    system_type: str = "edge"
    status: str = "available"
    system_name: str | None = None
    truncate: bool = True
    only_submittable: bool = False


@dataclass
class Generated:
    """A tree and the account of it; `cells`, `left_out` and `not_submittable` are lists of JSON objects."""

    tree: Path
    request: Request
    systems: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    not_submittable: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The content of `generated.json`."""
        return {
            "schema_version": 1,
            "request": asdict(self.request),
            "systems": self.systems,
            "cells": self.cells,
            "not_submittable": self.not_submittable,
            "left_out": self.left_out,
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
    _refuse_wrong_words(rules, request)
    found = find(results)
    generated = Generated(output / "tree", request)
    generated.left_out += [{"cell": path, "reasons": [reason]} for path, reason in found.unreadable]
    chosen = _choose(found.cells, generated, rules)
    models = {id(cell): _model(cell, rules, request) for cell in chosen}
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".generate-") as scratch:
        builder = _Builder(Path(scratch) / request.submitter, rules, generated, found.cells)
        for name, cells in _by_system(chosen, found.cells, request).items():
            builder.system(name, cells, models)
        builder.finish()
        target = generated.tree / request.division / request.submitter
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        builder.root.rename(target)
    files.write_json(output / RECORD, generated.record())
    return generated


def _refuse_wrong_words(rules: Round, request: Request) -> None:
    for what, value, known in (
        ("division", request.division, rules.divisions),
        ("status", request.status, rules.statuses),
        ("system type", request.system_type, rules.system_types),
    ):
        if value not in known:
            raise InputError(f"{what} {value!r} is unknown in {rules.title}", fix=f"use one of {', '.join(known)}")
    if not request.submitter or documents.slug(request.submitter) != request.submitter:
        raise InputError(
            f"submitter {request.submitter!r} cannot be a folder name",
            fix=f"use letters, digits, dots and dashes, for example {documents.slug(request.submitter)!r}",
        )


def _choose(cells: Sequence[Cell], generated: Generated, rules: Round) -> list[Cell]:
    """One cell per system, model, scenario and mode: submittable before not, then the newest run, then host name."""
    best: dict[tuple[str, ...], Cell] = {}
    losers: list[tuple[tuple[str, ...], Cell]] = []
    for cell in sorted(cells, key=lambda cell: cell.host):
        key = (cell.system_digest, str(cell.model.get("name")), cell.scenario, cell.mode)
        losers.append((key, cell))
        if key not in best or _rank(cell, rules) > _rank(best[key], rules):
            best[key] = cell
    for place, loser in losers:
        winner = best[place]
        if loser is winner:
            continue
        same = "" if winner.host == loser.host else f" ({loser.host} is an equal system)"
        reason = f"{winner.host} of run {winner.run_id} stands for this system, model, scenario and mode{same}"
        generated.left_out.append({"cell": f"{loser.run_id}/{loser.host}/{loser.name}", "reasons": [reason]})
    chosen = []
    for cell in sorted(best.values(), key=lambda cell: (cell.system_digest, cell.name)):
        reasons = cell.reasons(rules.name)
        if reasons:
            entry = {"cell": f"{cell.run_id}/{cell.host}/{cell.name}", "reasons": reasons}
            generated.not_submittable.append(entry)
            if generated.request.only_submittable:
                generated.left_out.append(entry)
                continue
        chosen.append(cell)
    if not chosen:
        why = "; ".join(f"{entry['cell']}: {entry['reasons'][0]}" for entry in generated.not_submittable[:3])
        raise InputError(f"nothing to submit: {why}", fix="measure with benchmark_execution=valid")
    return chosen


def _rank(cell: Cell, rules: Round) -> tuple[bool, str]:
    return (not cell.reasons(rules.name), cell.run_id)


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


def _system_name(cell: Cell) -> str:
    return str(cell.system.get("name") or cell.host)


def _by_system(cells: Sequence[Cell], found: Sequence[Cell], request: Request) -> dict[str, list[Cell]]:
    """System folder -> its cells.

    Hosts of one digest are one system with the first of their names, whichever of them won; systems of one name get
    the beginnings of their digests added.
    """
    digests: dict[str, list[Cell]] = {}
    for cell in cells:
        digests.setdefault(cell.system_digest, []).append(cell)
    named: dict[str, list[str]] = {}
    for digest in digests:
        name = request.system_name or min(_system_name(cell) for cell in found if cell.system_digest == digest)
        named.setdefault(documents.slug(name), []).append(digest)
    return {
        name if len(same) == 1 else f"{name}-{documents.slug(digest.partition(':')[2])[:8]}": digests[digest]
        for name, same in named.items()
        for digest in same
    }


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
        for cell in sorted(found, key=_system_name, reverse=True):
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
        empty = [field for field in self.rules.system_fields.non_empty if not description[field]]
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
        scenarios: dict[tuple[str, str], list[Cell]] = {}
        for cell in cells:
            scenarios.setdefault((models[id(cell)][0], cell.scenario), []).append(cell)
        for (folder, scenario), group in sorted(scenarios.items()):
            order = sorted(group, key=lambda cell: (cell.mode != "performance", cell.mode))
            self._scenario(name, folder, models[id(order[0])][1], scenario, order)

    def _scenario(self, system: str, folder: str, model: RoundModel, scenario: str, cells: Sequence[Cell]) -> None:
        layout = self.rules.layout
        names = {"system": system, "model": folder, "scenario": scenario}
        results = self.root / "results" / system / folder / scenario
        first = cells[0]
        implementation = documents.slug(str(first.result.get("implementation") or "native"))
        measured = self.root / layout.measurements.format(**names)
        self._json(
            measured / layout.measurements_name.format(**names, implementation=implementation),
            documents.measurements(first.model, self.rules),
        )
        self._text(measured / "README.md", documents.scenario_readme(cells, model, system))
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
                self._compliance(cell, self.root / layout.compliance.format(**names) / cell.mode)
            self._account(cell, results, model)

    def finish(self) -> None:
        self._text(self.root / "documentation" / "calibration.md", documents.calibration(self.cells))
        if self.mapping:
            self._json(self.root / "model_mapping.json", dict(sorted(self.mapping.items())))

    def _account(self, cell: Cell, results: Path, model: RoundModel) -> None:
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
                "scenario": cell.scenario,
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
        log = cell.folder / LOG
        # A performance run logs no responses; a log that grew (sampling) is not part of a submission.
        if LOG in self.rules.layout.performance_optional and log.is_file() and log.stat().st_size <= 4096:
            self._copy(cell, LOG, target / LOG)

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

    def _compliance(self, cell: Cell, target: Path) -> None:
        test = self.rules.compliance_tests.get(cell.mode)
        if test is None:
            return
        for name in test.verify:
            self._copy(cell, name, target / name)
        if test.performance_log:
            self._performance(cell, target / "performance" / "run_1")
        if test.accuracy_log:
            self._copy(cell, LOG, target / "accuracy" / LOG)
            for name in (TEXT, "baseline_accuracy.txt", "compliance_accuracy.txt"):
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
        name = f"{cell.run_id}/{cell.host}/{cell.name}"
        for entry in self.generated.not_submittable:
            if entry["cell"] == name:
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
