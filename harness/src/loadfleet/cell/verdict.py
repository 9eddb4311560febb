"""What a cell's logs are worth: the number, whether LoadGen and the round accept it, and why not, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.loadgen.logs import MINIMUMS, DetailLog
from loadfleet.loadgen.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.catalogue.rounds import Round
    from loadfleet.compliance.verify import Outcome
    from loadfleet.workloads import Accuracy

_TARGET_SHARE = 0.99  # MLPerf Inference rules, table of models: quality target of the 99 flavour
_SHARES = {"met_99": 0.99, "met_99_9": 0.999}
_SUBSET_FLOOR = 0.90  # a subset is not judged against the target, but a broken model must not pass for a subset


@dataclass(frozen=True)
class Verdict:
    """The judged parts of result.json."""

    metric: dict[str, Any] | None
    latency: dict[str, Any] | None
    accuracy: dict[str, Any] | None
    validity: dict[str, Any]
    exit_code: int
    compliance: dict[str, Any] | None = None


def judge(
    cell: Mapping[str, Any],
    rules: Round,
    detail: DetailLog,
    accuracy: Accuracy | None,
    differences: Sequence[str],
    tested: Outcome | None = None,
) -> Verdict:
    """Judge a finished run.

    Args:
        cell: The cell as planned.
        rules: Its round.
        detail: LoadGen's detail log.
        accuracy: The workload's reading of the accuracy log, in accuracy mode.
        differences: Settings LoadGen did not take as asked.
        tested: What verification found, in a compliance test.

    Returns:
        Exit code 1 for anything that makes the number useless for its execution: an error in the log, settings not
        taken, a missed latency bound, accuracy below target, a compliance test that failed. Missed minimums are
        expected where the execution is not `valid`.
    """
    test = cell["execution"] != "valid"
    bad = [f"LoadGen logged an error: {text}" for text in detail.errors] + list(differences)
    reasons = []
    if test:
        reasons.append(_test_words(cell, rules, detail))
    if "unofficial" in cell:
        reasons.append(cell["unofficial"])
    reasons += _too_small(cell, rules)
    unmet = detail.unmet()
    if detail.validity == "INVALID":
        (reasons if test and unmet and set(unmet) <= set(MINIMUMS) else bad).extend(detail.reasons())
    if tested is not None:
        bad += tested.reasons(passed=False)
        reasons += tested.reasons(passed=None)
    judged = None
    if accuracy is not None:
        judged = _accuracy(cell, rules, accuracy)
        if judged["met"] is False:
            bad.append(f"{accuracy.metric} {accuracy.value:.3f} % is below the target {judged['target']:.3f} %")
        elif judged["met"] is None and judged["reference"] and accuracy.value < _SUBSET_FLOOR * judged["reference"]:
            bad.append(
                f"{accuracy.metric} {accuracy.value:.3f} % over {accuracy.samples:,} samples is far below the model's "
                f"{judged['reference']:.3f} %: the model or the data is broken"
            )
        if cell["mode"] == "accuracy" and not test and accuracy.samples < accuracy.total:
            bad.append(f"only {accuracy.samples:,} of {accuracy.total:,} samples are in the accuracy log")
    measured = cell["mode"] != "accuracy"
    scenario = SCENARIOS[cell["scenario"]]
    return Verdict(
        metric={"name": scenario.metric, "value": detail.metric(scenario.name), "unit": scenario.unit}
        if measured
        else None,
        latency=detail.latency(scenario.name) if measured else None,
        accuracy=judged,
        validity={
            "loadgen": detail.validity,
            "execution": cell["execution"],
            "submittable": not bad and not reasons,
            "reasons": bad + reasons,
            "checks": {
                key: detail.values.get(key)
                for key in (*MINIMUMS, "result_perf_constraints_met")
                if key in detail.values
            },
        },
        exit_code=1 if bad else 0,
        compliance=tested.as_json() if tested else None,
    )


def _test_words(cell: Mapping[str, Any], rules: Round, detail: DetailLog) -> str:
    if cell["mode"] == "accuracy":
        # LoadGen before version 6 knows no more samples than it is to judge.
        used = detail.values.get("effective_accuracy_sample_count") or detail.values.get("qsl_reported_total_count", 0)
        if used == cell["dataset"]["samples"]:
            return f"execution is {cell['execution']}"
        return (
            f"execution is {cell['execution']}: {used:,} samples were judged, "
            f"the round asks for all {cell['dataset']['samples']:,}"
        )
    seconds = detail.values.get("effective_min_duration_ms", 0) / 1e3
    return (
        f"execution is {cell['execution']}: LoadGen's minimum duration was {seconds:g} s, "
        f"the round asks for {rules.min_duration_ms / 1e3:g} s"
    )


def _too_small(cell: Mapping[str, Any], rules: Round) -> list[str]:
    """A smaller data set than the round's, which its checkers refuse in every division."""
    official = cell["model"]["facts"].get("official_name")
    wanted = rules.model(official).samples_for(cell["scenario"]) if official else 0
    if not wanted or cell["dataset"]["samples"] >= wanted:
        return []
    used = cell["dataset"]
    return [f"the data set {used['name']} has {used['samples']:,} samples, the round's has {wanted:,}"]


def _accuracy(cell: Mapping[str, Any], rules: Round, accuracy: Accuracy) -> dict[str, Any]:
    reference = cell["model"]["accuracy"].get(accuracy.metric)
    target = None if reference is None else reference * _TARGET_SHARE
    official = cell["model"]["facts"].get("official_name")
    official_target = rules.model(official).targets[0].minimum if official else None
    if cell["model"]["facts"].get("reference") and official_target is not None:
        target = official_target
    complete = accuracy.samples >= accuracy.total
    judged = complete and bool(reference)
    other = cell["model"].get("compared")
    return {
        "metric": accuracy.metric,
        "unit": "%",
        "value": accuracy.value,
        "values": dict(accuracy.values),
        "target": target,
        "reference": reference,
        "official_target": official_target,
        "samples": accuracy.samples,
        "total": accuracy.total,
        "met": accuracy.value >= target if complete and target is not None else None,
        # Of the fp32 model that it was made from, on the same data.
        "of_reference": round(accuracy.value / reference, 6) if judged and reference else None,
        **{
            name: accuracy.value >= share * reference if judged and reference else None
            for name, share in _SHARES.items()
        },
        "line": accuracy.line,
        **({"compared": {"model": other["name"], "value": other["accuracy"].get(accuracy.metric)}} if other else {}),
    }
