"""Numbers in words: every one with its unit, thousands grouped, as many digits as carry meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadfleet.results.model import Accuracy, Metric, Result

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def number(value: float) -> str:
    """At least four significant digits, thousands grouped: 48,123; 1,234.5; 123.4; 12.35; 0.01234."""
    size = abs(value)
    if size >= 10_000 or (value == int(value) and size >= 100):
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:,.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.4g}"


def quantity(value: float | None, unit: str) -> str:
    """A number and its unit, `-` for None."""
    return "-" if value is None else f"{number(value)} {unit}".rstrip()


def percent(value: float | None) -> str:
    """Per cent with three decimals: targets differ in the third (99 % of 90.874 is 89.965)."""
    return "-" if value is None else f"{value:.3f} %"


def size(count: int | float | None) -> str:
    """Bytes in binary units."""
    if count is None:
        return "-"
    value = float(count)
    for unit in _BINARY[:-1]:
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {_BINARY[-1]}"


def count(value: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def metric(value: Metric | None) -> str:
    """`1,234 Samples/s`, `-` for a mode that measures nothing."""
    return "-" if value is None else quantity(value.value, value.unit)


def accuracy(value: Accuracy | None) -> str:
    """Value, target and whether it is met; a subset says how many samples it has instead of being judged."""
    if value is None:
        return "-"
    text = percent(value.value)
    if value.target is None:
        return f"{text}, no target" + _beside(value)
    text += f", target {percent(value.target)}: "
    if value.met is None:
        return f"{text}not judged: {value.samples:,} of {value.total:,} samples"
    return text + ("yes" if value.met else "no")


def _beside(value: Accuracy) -> str:
    """Another model's accuracy, to compare with."""
    other = value.compared
    return f" ({other['model']}: {percent(other['value'])})" if other and other["value"] is not None else ""


def answers(result: Result | None) -> str:
    """The accuracy of a result's answers, or that none is claimed."""
    if result is None:
        return "-"
    return accuracy(result.accuracy) if result.raw.get("accuracy_claimed", True) else "no accuracy"


def versions(results: Iterable[Result]) -> str:
    """`onnxruntime 1.20.1, LoadGen 5.1.2`: everything that measured, each package with all its versions."""
    found: dict[str, set[str]] = {}
    for result in results:
        for name, version in {**result.backend.versions, "LoadGen": result.loadgen.version}.items():
            found.setdefault(name, set()).add(version or "?")
    order = sorted(found, key=lambda name: name == "LoadGen")
    return ", ".join(f"{name} {' and '.join(sorted(found[name]))}" for name in order)


def latency_unit(milliseconds: float) -> tuple[str, float]:
    """The unit people would use for a latency, and what to divide milliseconds by."""
    if milliseconds < 10_000:
        return "ms", 1.0
    return ("s", 1e3) if milliseconds < 600_000 else ("min", 6e4)


def latency(milliseconds: float | None) -> str:
    """A latency in ms, in s from 10 s on, in min from 10 min on."""
    if milliseconds is None:
        return "-"
    unit, factor = latency_unit(milliseconds)
    return quantity(milliseconds / factor, unit)
