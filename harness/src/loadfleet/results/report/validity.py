"""Why a result counts or does not, for people who do not know LoadGen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.results import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.results.model import Result


@dataclass(frozen=True)
class Check:
    """One condition in words; `met` is None while it was not judged."""

    text: str
    met: bool | None


def sentences(result: Result) -> list[str]:
    """What LoadGen said, and what that means for a submission."""
    validity = result.validity
    if result.mode == "performance":
        first = {
            "VALID": "LoadGen accepts this measurement.",
            "INVALID": "LoadGen rejects this measurement: at least one condition below was not met.",
        }.get(validity.loadgen or "", "LoadGen gave no verdict on this measurement.")
    elif result.mode == "accuracy":
        first = "An accuracy run answers every sample without being timed: its verdict is the accuracy alone."
    elif result.compliance:
        first = f"The compliance test {result.mode} ({result.compliance.title.lower()}): {result.compliance.verdict}."
    elif result.mode == "find":
        first = "A search for settings by short probes; later runs use what it found unless settings are set."
    else:
        first = f"A compliance run ({result.mode}) without a verdict."
    if validity.submittable:
        return [first, f"It follows the rules of round {result.round} and may be submitted."]
    if result.mode == "find":
        return [first]
    if validity.execution == "test":
        return [first, "It is a test of seconds with lowered minimums: good to look at, never to be submitted."]
    return [first, "It must not be submitted; the reasons are below."]


def checks(result: Result) -> list[Check]:
    """LoadGen's conditions and the accuracy's, with the numbers seen and asked for."""
    effective = {name.removeprefix("effective_"): value for name, value in result.loadgen.effective.items()}
    found = [
        Check(_CHECKS[name](result, effective), met) for name, met in result.validity.checks.items() if name in _CHECKS
    ]
    if result.compliance:
        tested = [
            Check(f"{check.about.capitalize()}: {check.words}", check.passed) for check in result.compliance.checks
        ]
        return tested + found  # the answers of a test are a sample by design
    accuracy = result.accuracy
    if accuracy:
        found.append(
            Check(f"Samples answered: {accuracy.samples:,} of {accuracy.total:,}", accuracy.samples >= accuracy.total)
        )
        if accuracy.target is not None:
            found.append(
                Check(
                    f"Accuracy: {accuracy.metric} {words.percent(accuracy.value)}, "
                    f"target {words.percent(accuracy.target)}",
                    accuracy.met,
                )
            )
    return found


def _duration(result: Result, effective: Mapping[str, Any]) -> str:
    ran = words.quantity(result.time.loadgen_s, "s")
    needed = effective.get("min_duration_ms")
    asked = f", {words.quantity(needed / 1e3, 's')} needed" if isinstance(needed, int | float) else ""
    return f"Duration: {ran}{asked}"


def _queries(result: Result, effective: Mapping[str, Any]) -> str:
    needed = effective.get("min_query_count")
    per_query = effective.get("samples_per_query")
    what = "query" if needed == 1 else "queries"
    asked = f"at least {needed:,} {what} needed" if isinstance(needed, int) else "as many as the rules ask for"
    each = f", {per_query:,} samples each" if isinstance(per_query, int) and per_query > 1 else ""
    return f"Queries: {asked}{each}"


def _bound(result: Result, effective: Mapping[str, Any]) -> str:
    bound, share = effective.get("target_latency_ns"), effective.get("target_latency_percentile")
    if isinstance(bound, int | float) and bound and isinstance(share, int | float):
        return f"Latency bound: {words.quantity(bound / 1e6, 'ms')} for {100 * share:g} % of the queries"
    return "Latency bound"


def _early(_result: Result, _effective: Mapping[str, Any]) -> str:
    return "Early stopping: queries enough to be sure of the percentile"


_CHECKS = {
    "result_min_duration_met": _duration,
    "result_min_queries_met": _queries,
    "result_perf_constraints_met": _bound,
    "early_stopping_met": _early,
}


def bound_ms(result: Result) -> float | None:
    """Server's latency bound as LoadGen used it (ms); None where the scenario has none."""
    if result.scenario not in {"Server", "Interactive"}:
        return None
    value = result.loadgen.effective.get("effective_target_latency_ns")
    return value / 1e6 if isinstance(value, int | float) and value > 0 else None


def symbols(found: Sequence[Check]) -> list[tuple[str, str, str]]:
    """Rows of class, word and text for the page: the word says what the colour says."""
    return [
        ("good", "met", check.text)
        if check.met
        else ("bad", "not met", check.text)
        if check.met is False
        else ("quiet", "not judged", check.text)
        for check in found
    ]
