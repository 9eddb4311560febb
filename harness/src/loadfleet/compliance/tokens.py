"""TEST06 and TEST09: answers of language models are whole and as long as they should be.

Reference: mlcommons/inference, compliance/TEST06/run_verification.py and compliance/TEST09/run_verification.py.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from loadfleet.compliance import log
from loadfleet.compliance.base import Finding, Logs
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SIZES = {"int16": "h", "int32": "i", "int64": "q", "float32": "f"}


def consistent(logs: Logs, parameters: Mapping[str, Any]) -> Finding:
    """First token, end of text and number of tokens of every answer; the words are those the checker looks for.

    Raises:
        BadResultError: The log cannot be read, holds no answer, or an answer without its number of tokens.
    """
    code, end = _SIZES[str(parameters["element"])], parameters["end_of_text"]
    first_wanted = logs.scenario not in parameters["no_first_token"]
    answers = wrong_first = wrong_end = wrong_count = 0
    for entry in log.entries(logs.test / ACCURACY):
        answers += 1
        tokens = _tokens(entry, "data", code)
        wrong_end += _ends_twice(tokens, end)
        wrong_count += len(tokens) != _count(entry)
        if first_wanted:
            wrong_first += _first_differs(entry, tokens, code)
    if not answers:
        raise BadResultError(f"{ACCURACY} holds no answer")
    first = str(wrong_first == 0) if first_wanted else "Skipped"
    passed = not (wrong_first or wrong_end or wrong_count)
    found = [
        f"{number:,} {what}"
        for number, what in (
            (wrong_first, "with another first token than reported"),
            (wrong_end, "with more than one end of text"),
            (wrong_count, "of another length than reported"),
        )
        if number
    ]
    return Finding(
        passed=passed,
        words=f"{answers:,} answers, " + (", ".join(found) or "all consistent"),
        lines=(
            f"First token check pass: {first}",
            f"EOS check pass: {wrong_end == 0}",
            f"Sample length check pass: {wrong_count == 0}",
        ),
        verdict=f"TEST06 verification {'complete' if passed else 'failed'}",
    )


def length(logs: Logs, parameters: Mapping[str, Any]) -> Finding:
    """The mean number of tokens lies within the round's bounds; an answer that cannot be read has none.

    Raises:
        BadResultError: The log cannot be read or is empty, or the round gives no bounds.
    """
    if not logs.bounds:
        raise BadResultError("the round gives no bounds of the mean output length for this model")
    size = int(parameters["token_bytes"])
    count = total = longest = 0
    shortest: int | None = None
    for entry in log.entries(logs.test / ACCURACY, lines=True):
        tokens = _length(entry, size)
        count, total, longest = count + 1, total + tokens, max(longest, tokens)
        shortest = tokens if shortest is None else min(shortest, tokens)
    if not count:
        raise BadResultError(f"{ACCURACY} holds no answer")
    mean, bounds = total / count, logs.bounds[0]
    words = f"{count:,} answers have {mean:.2f} tokens on average, allowed are {bounds.words()}"
    lines = (
        "Length of the answers in tokens.",
        f"answers = {count}",
        f"mean = {mean:.2f}",
        f"shortest = {shortest}",
        f"longest = {longest}",
        f"bounds of the mean: {bounds.words()}",
    )
    return Finding(passed=bounds.met(mean), words=words, lines=lines)


def _tokens(entry: Mapping[str, Any], key: str, code: str) -> Sequence[float]:
    data = log.data(entry, key)
    try:
        return struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)
    except struct.error as error:
        raise BadResultError(f"{key} of sample {entry.get('qsl_idx')} is no whole number of tokens") from error


def _ends_twice(tokens: Sequence[float], end: float) -> bool:
    # As the reference, which never looks at the first token: an answer of ends only is one end shorter.
    ends = 0
    for token in reversed(tokens[1:]):
        if token != end:
            break
        ends += 1
    return ends >= 2


def _first_differs(entry: Mapping[str, Any], tokens: Sequence[float], code: str) -> bool:
    return any(one != other for one, other in zip(tokens, _tokens(entry, "token_data", code), strict=False))


def _count(entry: Mapping[str, Any]) -> int:
    try:
        return int(entry["token_count"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadResultError(f"the answer to sample {entry.get('qsl_idx')} has no token_count") from error


def _length(entry: Mapping[str, Any], size: int) -> int:
    try:
        return len(log.data(entry)) // size
    except BadResultError:
        return 0
