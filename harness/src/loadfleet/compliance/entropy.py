"""TEST08: predictions logged during a performance run are worth what those of the accuracy run are.

Reference: mlcommons/inference, compliance/TEST08/run_verification.py. An answer of the accuracy run is float32: time
step, query, then predictions, labels and weights of n candidates, then n. One of the test: time step, query,
predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.compliance import log
from loadfleet.compliance.base import Finding, Logs
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_EPSILON = 1e-7


def same(logs: Logs, parameters: Mapping[str, Any]) -> Finding:
    """Normalised entropy of every logged query, with the labels and weights of the accuracy run, within the tolerance.

    Raises:
        BadResultError: A log cannot be read.
    """
    tolerance = float(parameters["tolerance"])
    # The test logs a part of the queries: they are kept, the accuracy run passes by.
    tested: list[tuple[tuple[int, int], NDArray[np.float32]]] = []
    for entry in log.entries(logs.test / ACCURACY):
        values = _floats(entry)
        tested.append((_key(entry, values), values[2:]))
    wanted = {key for key, _ in tested}
    known: dict[tuple[int, int], tuple[float, NDArray[np.float32], NDArray[np.float32]]] = {}
    entries = 0
    for entry in log.entries(logs.reference("accuracy") / ACCURACY):
        entries += 1
        key, predictions, labels, weights = _parts(entry)
        if key in wanted:
            known[key] = (_entropy(predictions, labels, weights), labels, weights)
    different = missing = 0
    for key, predictions in tested:
        if key not in known:
            missing += 1
            continue
        before, labels, weights = known[key]
        different += _differ(before, _scored(predictions, labels, weights), tolerance)
    matched = len(tested) - missing
    passed = different == 0 and matched > 0 and missing == 0
    lines = (
        "Normalised entropy of each query of the test against that of the accuracy run.",
        f"queries of the accuracy run = {entries}",
        f"queries of the test = {len(tested)}",
        f"of them compared = {matched}",
        f"of them different by more than {tolerance:.2%} = {different}",
        f"of them unknown to the accuracy run = {missing}",
    )
    words = f"{matched:,} queries compared, {different:,} different, {missing:,} unknown to the accuracy run"
    return Finding(passed=passed, words=words, lines=lines)


def _differ(before: float, after: float, tolerance: float) -> bool:
    if before == 0 or after == 0:
        return before != after
    return bool(abs(after - before) / abs(before) > tolerance)


def _floats(entry: Mapping[str, Any]) -> NDArray[np.float32]:
    try:
        return np.frombuffer(log.data(entry), np.float32)
    except ValueError as error:
        raise BadResultError(f"the answer to sample {entry.get('qsl_idx')} is no array of float32") from error


def _key(entry: Mapping[str, Any], values: NDArray[np.float32]) -> tuple[int, int]:
    try:
        return int(values[0]), int(values[1])
    except (IndexError, ValueError, OverflowError) as error:
        raise BadResultError(f"the answer to sample {entry.get('qsl_idx')} names no query") from error


def _parts(
    entry: Mapping[str, Any],
) -> tuple[tuple[int, int], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    values = _floats(entry)
    key = _key(entry, values)
    count = int(values[-1]) if np.isfinite(values[-1]) else -1
    if count < 0 or len(values) != 3 + 3 * count:
        raise BadResultError(
            f"the answer to sample {entry.get('qsl_idx')} has {len(values)} numbers for {count} candidates"
        )
    predictions, labels, weights = values[2:-1].reshape(3, count)
    return key, predictions, labels, weights


def _scored(predictions: NDArray[np.float32], labels: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    if len(predictions) not in (1, len(labels)):  # one for all is what the reference's arithmetic makes of it
        raise BadResultError(f"the test has {len(predictions)} predictions where the accuracy run has {len(labels)}")
    return _entropy(predictions, labels, weights)


def _entropy(predictions: NDArray[np.float32], labels: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """Cross entropy of the predictions over the entropy of the labels' weighted mean; 0 where either is undefined."""
    total = weights.sum()
    if total == 0:
        return 0.0
    guess, truth = (np.clip(values, _EPSILON, 1 - _EPSILON) for values in (predictions, labels))
    cross = -np.sum(weights * (truth * np.log(guess) + (1 - truth) * np.log(1 - guess)))
    mean = np.clip(np.sum(weights * truth) / total, _EPSILON, 1 - _EPSILON)
    entropy = -mean * np.log(mean) - (1 - mean) * np.log(1 - mean)
    return 0.0 if entropy == 0 else float(cross / (entropy * total))
