"""user.conf as LoadGen reads it, which is silent about most mistakes.

A setting is `model.scenario.key = value` with blanks around the sign; `#` begins a comment at the start of a line only.
Facts: LoadGen's FromConfig, by experiment.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_SETTING = re.compile(r"(?P<model>[^\s=]+)\.(?P<scenario>[\w*]+)\.(?P<key>\w+)\s+=\s+(?P<value>\S+)")

# keys whose value shows in the detail log -> key there
LOGGED = {
    "min_duration": "effective_min_duration_ms",
    "max_duration": "effective_max_duration_ms",
    "max_query_count": "effective_max_query_count",
    "performance_sample_count_override": "effective_performance_sample_count",
    "sample_concatenate_permutation": "effective_sample_concatenate_permutation",
    "performance_issue_same": "effective_performance_issue_same",
    "performance_issue_unique": "effective_performance_issue_unique",
    "target_latency_percentile": "effective_target_latency_percentile",
}


@dataclass(frozen=True)
class Setting:
    """One line that LoadGen understands; `model` and `scenario` may be `*`."""

    model: str
    scenario: str
    key: str
    value: str

    @property
    def number(self) -> float | None:
        """The value as LoadGen reads it; None when it is no number."""
        try:
            value = float(int(self.value, 16)) if self.value.lower().startswith("0x") else float(self.value)
        except ValueError:
            return None
        return value if math.isfinite(value) else None


def read(text: str) -> tuple[list[Setting], list[tuple[int, str]]]:
    """The settings, and lines with numbers that LoadGen ignores or stumbles over."""
    settings, ignored = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _SETTING.fullmatch(line.strip())
        if found is None:
            ignored.append((number, line.strip()))
        else:
            settings.append(Setting(**found.groupdict()))
    return settings, ignored


def effective(settings: list[Setting], models: tuple[str, ...], scenario: str) -> dict[str, Setting]:
    """Key -> the setting that counts for a model (any of its names) and a scenario, the last of the nearest."""
    found: dict[str, tuple[int, Setting]] = {}
    for setting in settings:
        if setting.model not in (*models, "*") or setting.scenario not in (scenario, "*"):
            continue
        # exact, then any model, then any scenario, then both
        rank = (setting.model != "*") + 2 * (setting.scenario != "*")
        if setting.key not in found or rank >= found[setting.key][0]:
            found[setting.key] = (rank, setting)
    return {key: setting for key, (_, setting) in found.items()}
