"""TEST07: the answers of the test's performance run, scored, reach the round's threshold.

Reference: mlcommons/inference, compliance/TEST07/run_verification.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from loadfleet.compliance.base import PASS, Finding, Logs
from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Mapping


def reached(logs: Logs, parameters: Mapping[str, Any]) -> Finding:
    """Score the answers with the workload, or read what the accuracy script printed.

    Raises:
        BadResultError: The log cannot be read, nothing scored it, or the round gives no threshold.
    """
    if not logs.bounds:
        raise BadResultError("the round gives no threshold for this model")
    bounds = logs.bounds[0]
    if logs.scored is not None:
        # The checker looks for these words anywhere in the file.
        printed = [line for line in logs.scored.splitlines() if PASS not in line]
        # As the reference: the first one, written as Python writes a mapping.
        found = re.search(rf"'{re.escape(bounds.metric)}':\s*([\d.]+)", logs.scored)
        if found is None:
            raise BadResultError(f"the accuracy script printed no {bounds.metric}")
        try:
            value = float(found.group(1))
        except ValueError as error:
            raise BadResultError(f"the accuracy script printed {bounds.metric} {found.group(1)!r}") from error
    elif logs.score is not None:
        accuracy = logs.score(logs.test / ACCURACY)
        printed, value = [accuracy.line], accuracy.values.get(bounds.metric, accuracy.value)
    else:
        raise BadResultError("the answers were not scored")
    words = f"{bounds.metric} {value:g}, wanted is {bounds.words()}"
    return Finding(passed=bounds.met(value), words=words, lines=(*printed, words))
