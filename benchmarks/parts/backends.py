"""Every backend and precision against the reference manner, each with its F1: one that is below 99 % is no win."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import manners
from benchmarks.errors import UnavailableError
from benchmarks.part import Figure, Part, Reading, Record, ratio
from loadfleet import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.bench import Bench

WORKLOAD = "bert"
F1_SAMPLES = 500
KEPT = 0.99
# What a subset may lie below that: differences between two precisions have a standard error of about 1 % over so few.
_SUBSET = KEPT - 0.02
_TARGETS = {"openvino fp32": 4.0}
_BEST_TARGET = 10.0
_F1 = " F1"


@dataclass(frozen=True)
class Configuration:
    """A backend, and what it computes: a model, in a precision."""

    backend: str
    model: str
    precision: str
    label: str

    def wanted(self) -> dict[str, Any]:
        """Keys of a run file."""
        return {"backend": self.backend, "model": self.model, "precision": self.precision}


def configurations() -> list[Configuration]:
    """What the catalogue has for the embedded model and what is made of it; the plainest first."""
    default = catalogue.get("workload", WORKLOAD).data["default_model"]
    models = [
        entry
        for entry in catalogue.entries("model")
        if entry.name == default or entry.data.get("derived", {}).get("from") == default
    ]
    found = [
        Configuration(backend.name, model.name, precision, _label(backend.name, default, model, precision))
        for backend in catalogue.entries("backend")
        for model in models
        if model.data["format"] in backend.data["formats"]
        and backend.name in model.data.get("backends", [backend.name])
        for precision in backend.data["precisions"]
    ]
    return sorted(found, key=lambda each: (each.model != default, each.precision != "fp32", each.label))


def _label(backend: str, default: str, model: catalogue.Entry, precision: str) -> str:
    """`openvino bf16`; `openvino int8-static` where the model itself is quantised, ` + bf16` for what is left of it."""
    if model.data["precision"] == "fp32":
        return f"{backend} {precision}"
    rest = "" if precision == "fp32" else f" + {precision}"
    return f"{backend} {model.name.removeprefix(f'{default}-')}{rest}"


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Samples a second of each, and in the first round the F1 of each on the same samples."""
    turns = [partial(_of, each, bench, f1=number == 0) for each in configurations()]
    for turn in manners.in_turn(number, partial(_reference, bench), *turns):
        yield from turn()


def _reference(bench: Bench) -> Iterator[Reading]:
    yield manners.reference(bench)


def _of(each: Configuration, bench: Bench, *, f1: bool) -> Iterator[Reading]:
    """Samples a second of one, and its F1 where that is wanted; or why there are none."""
    try:
        python = bench.python(each.backend)
        yield Reading(each.label, bench.run(bench.cell(query_count=bench.samples, **each.wanted()), python).metric)
        if f1:
            cell = bench.cell(mode="accuracy", query_count=F1_SAMPLES, **each.wanted())
            yield Reading(each.label + _F1, bench.run(cell, python).result["accuracy"]["value"], "%")
    except UnavailableError as error:
        yield Reading(each.label, None, reason=str(error))


def figures(record: Record) -> list[Figure]:
    """A row for the speed and one for the F1 of each, and the best of those that keep their F1."""
    read = record.values()
    plain = configurations()[0].label
    found = []
    for each in configurations():
        below = partial(_below, each.label, plain)
        found.append(
            ratio(
                f"{each.label}: against the reference-style SUT", each.label, "reference",
                at_least=_TARGETS.get(each.label), unless=below,
            )
        )  # fmt: skip
        if each.label != plain:
            found.append(
                ratio(
                    f"{each.label}: F1 as a share of fp32's, {F1_SAMPLES} samples",
                    each.label + _F1, plain + _F1, at_least=_SUBSET,
                )
            )  # fmt: skip
    kept = [each.label for each in configurations() if each.label in read and not _below(each.label, plain, read)]
    best = max(kept, key=lambda label: statistics.median(read[label]), default=plain)
    found.append(
        ratio(
            f"Best precision that keeps 99 % ({best}): against the reference-style SUT", best, "reference",
            at_least=_BEST_TARGET,
        )
    )  # fmt: skip
    return found


def _below(label: str, plain: str, read: Mapping[str, Sequence[float]]) -> str:
    """Why a speed is no win; empty when it is one."""
    if label == plain:
        return ""
    f1, whole = read.get(label + _F1), read.get(plain + _F1)
    if not f1 or not whole:
        return "its F1 is not known"
    share, needed = f1[0] / whole[0], _SUBSET
    if share >= needed:
        share, needed = _stated(label), KEPT
    return "" if share >= needed else f"no win: its F1 is {share:.1%} of fp32's, below {needed:.0%}"


def _stated(label: str) -> float:
    """Share of fp32's F1 over the whole data set, as the catalogue states it for a quantised model; else 1."""
    [model] = {each.model for each in configurations() if each.label == label}
    metric = catalogue.get("workload", WORKLOAD).data["metric"]
    entry = catalogue.get("model", model)
    origin = catalogue.get("model", entry.data["derived"]["from"]) if "derived" in entry.data else entry
    return float(entry.data["accuracy"][metric] / origin.data["accuracy"][metric])


PART = Part(
    name="backends",
    title="Offline, embedded model: each backend and precision against the reference-style SUT, with its F1",
    run=readings,
    figures=figures,
    rounds=3,
    seconds=180,
    rank=20,
)
