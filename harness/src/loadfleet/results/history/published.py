"""One result of somebody's system, published or our own: the row of the index, of comparisons and of reports."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Origin = Literal["published", "own"]
# Units as results of ours name them, from what published tables write.
_UNITS = {"Latency (ms)": "ms", "Latency (s)": "s", "Watts": "W", "millijoules": "mJ"}


@dataclass(frozen=True)
class PublishedResult:
    """One model in one scenario on one system.

    Attributes:
        digest: `sha256:` of what is published (round, place, system, number, power): the key of the index. For
            a result of ours the digest of its detail log.
        origin: `published` (imported) or `own` (a run of ours).
        source: Where it came from, without credentials; the run's folder for our own.
        location: `<division>/<submitter>/results/<system>/<model>/<Scenario>`, or `<host>/<cell>` for our own.
        round: `v5.1` and the like; empty when it cannot be told.
        division: `closed`, `open` or `network`; empty for our own, which have not been submitted.
        category: `datacenter`, `edge` or `datacenter,edge`; empty for our own.
        availability: `available`, `preview` or `rdi`.
        submitter: Organisation; empty for our own.
        system: Name of the system's folder (our own: the host's system name).
        system_name: The system in words.
        nodes: Machines. None where a number is not stated, here and below.
        processor: Model of the host's processor.
        processors_per_node: Sockets.
        cores_per_processor: As stated. Some submitters state those of the whole node: see `derived`.
        accelerator: Model of the accelerator; empty for none.
        accelerators_per_node: 0 for a system without accelerators.
        software: What executed the model, with its version.
        operating_system: As stated.
        precision: Data types of the weights.
        model: Name in the round (`bert-99`), the folder's when the round does not know it.
        model_folder: Name of the model's folder: in the open division the submitter's own name.
        benchmark: `model` without its accuracy flavour (`bert`).
        flavour: Accuracy flavour: `99`, `99.9`, or empty for a model that has only one.
        scenario: Offline, Server, SingleStream, MultiStream, Interactive.
        value: The scenario's number in `unit`.
        unit: Samples/s, Queries/s, Tokens/s, ms or s. In ms and s less is better.
        accuracy: Metric -> value, as in accuracy.txt.
        accuracy_met: Whether the targets of `model` in its round are met; None when that cannot be told.
        power_w: Mean power of the whole system while measuring, W (Offline, Server, Interactive).
        energy_mj: Energy per query, mJ (SingleStream, MultiStream).
        latency_ms: Percentile (`mean`, `p50`, `p90`, `p99`, ...) -> ms, as far as the log states them.
        inferred: The number was computed from another scenario's run, as the rules allow on the edge.
        valid: LoadGen's verdict is VALID.
        compliance: Names of the compliance tests that were published with it.
        notes: What the submitter says of hardware and software.
        price_eur: Price of the system in euro, when somebody gave one.
        files: Path below `source` -> sha256 (hex) of the raw logs and the result's documents.
    """

    digest: str
    origin: Origin
    source: str
    location: str
    round: str
    division: str
    category: str
    availability: str
    submitter: str
    system: str
    system_name: str
    nodes: int | None
    processor: str
    processors_per_node: int | None
    cores_per_processor: int | None
    accelerator: str
    accelerators_per_node: int | None
    software: str
    operating_system: str
    precision: str
    model: str
    model_folder: str
    benchmark: str
    flavour: str
    scenario: str
    value: float
    unit: str
    accuracy: Mapping[str, float] = field(default_factory=dict)
    accuracy_met: bool | None = None
    power_w: float | None = None
    energy_mj: float | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    inferred: bool = False
    valid: bool = True
    compliance: tuple[str, ...] = ()
    notes: str = ""
    price_eur: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def lower_is_better(self) -> bool:
        return self.unit in {"ms", "s"}

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells one published result from another; a corrected one has the same identity, another digest."""
        return (self.round, self.division, self.submitter, self.system, self.model_folder, self.scenario)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "accuracy": dict(self.accuracy),
            "latency_ms": dict(self.latency_ms),
            "compliance": list(self.compliance),
            "files": dict(self.files),
        }


def unit_of(text: str) -> str:
    """A unit as we write it, whatever table it comes from."""
    return _UNITS.get(text.strip(), text.strip())


def flavour_of(model: str) -> tuple[str, str]:
    """Benchmark and accuracy flavour of a model name: `bert-99.9` is `bert` and `99.9`.

    Only `-99` and `-99.9` name a flavour; `yolo-95` names one too.
    """
    name, dash, last = model.rpartition("-")
    if dash and name and last.replace(".", "", 1).isdigit() and 90 <= float(last) < 100:
        return name, last
    return model, ""


def digest_of(identity: tuple[str, ...], numbers: Mapping[str, float | None]) -> str:
    """`sha256:` of an identity and its numbers, rounded to seven digits: tables and logs differ in the last ones."""
    rounded = {name: None if value is None else float(f"{value:.7g}") for name, value in numbers.items()}
    text = json.dumps([identity, rounded], sort_keys=True, ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
