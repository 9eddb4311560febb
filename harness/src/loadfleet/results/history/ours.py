"""Runs of ours as rows beside published results: one per performance cell that has a number."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue import rounds
from loadfleet.errors import InputError
from loadfleet.results.history.published import PublishedResult, flavour_of
from loadfleet.results.history.trees import described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.catalogue.rounds import Target
    from loadfleet.results.model import HostResults, Result, RunResults

_LOG = "mlperf_log_detail.txt"


def own(run: RunResults, price_eur: float | None = None) -> list[PublishedResult]:
    """The run's performance results, their accuracy from the accuracy cell of the same host, model and scenario.

    Args:
        run: A run that came home.
        price_eur: Price of each host; by default what its system.json states (`price_eur`).
    """
    return [
        _row(run, host, cell.result, price_eur)
        for host in run.hosts
        for cell in host.cells
        if cell.result and cell.result.mode == "performance" and cell.result.metric
    ]


def _row(run: RunResults, host: HostResults, result: Result, price_eur: float | None) -> PublishedResult:
    description: Mapping[str, Any] = host.system.get("description") or {}
    model = result.model.official_name or result.model.name
    benchmark, flavour = flavour_of(model)
    accuracy, met = _accuracy(host, result, model)
    log = result.files.get(_LOG)
    metric = result.metric
    if metric is None:
        raise ValueError(f"{result.cell} has no number")
    return PublishedResult(
        digest=f"sha256:{log.sha256}" if log else "",
        origin="own",
        source=str(run.path),
        location=f"{host.name}/{result.cell}",
        round=result.round,
        division="",
        submitter="",
        system=result.system.name,
        **{
            **described(description),
            "category": "",
            "availability": "",
            "system_name": str(description.get("system_name") or result.system.name),
            "software": _software(result),
        },
        precision=str(result.raw["model"].get("weight_data_types") or result.model.precision),
        model=model,
        model_folder=result.model.name,
        benchmark=benchmark,
        flavour=flavour,
        scenario=result.scenario,
        value=metric.value,
        unit=metric.unit,
        accuracy=accuracy,
        accuracy_met=met,
        latency_ms={name: value for name, value in (result.latency or {}).items() if value is not None},
        valid=result.validity.loadgen == "VALID" and result.execution == "valid",
        price_eur=price_eur if price_eur is not None else _price(host),
        files={f"{host.name}/{result.cell}/{name}": digest.sha256 for name, digest in result.files.items()},
    )


def _software(result: Result) -> str:
    version = result.backend.versions.get(result.backend.name)
    return f"{result.backend.name} {version}" if version else result.backend.name


def _accuracy(host: HostResults, result: Result, model: str) -> tuple[dict[str, float], bool | None]:
    """Values under the round's names of metrics (`f1` is `F1` there), and whether they meet the round's targets.

    An accuracy run of a subset says nothing of the target.
    """
    found = next(
        (
            other
            for cell in host.cells
            if (other := cell.result)
            and other.accuracy
            and (other.workload, other.scenario, other.model.digest)
            == (result.workload, result.scenario, result.model.digest)
        ),
        None,
    )
    if found is None or found.accuracy is None:
        return {}, None
    targets: tuple[Target, ...] = ()
    with suppress(InputError):
        targets = rounds.load(result.round).model(model).targets_for(result.scenario)
    names = {target.metric.lower(): target.metric for target in targets}
    values = {
        names.get(name.lower(), name): value for name, value in found.accuracy.values.items() if value is not None
    }
    values.setdefault(names.get(found.accuracy.metric.lower(), found.accuracy.metric), found.accuracy.value)
    whole = found.accuracy.samples >= found.accuracy.total
    if not targets or not whole or any(target.metric not in values for target in targets):
        return values, None
    return values, all(target.met(values[target.metric]) for target in targets)


def _price(host: HostResults) -> float | None:
    value = host.system.get("price_eur")
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        return float(value)
    return None
