"""What LoadGen is told and what it understood: user.conf out, the detail log's `effective_*` keys back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_MODES = {"accuracy": "AccuracyOnly"}
_MEASURED = "PerformanceOnly"  # performance runs, and compliance tests, which are audited ones
_USER_CONF = 1  # FromConfig's conf_type that applies the built-in mlperf.conf first, once a process

# user.conf key -> (detail-log key, factor from user.conf's unit to the log's)
_READ_BACK: dict[str, tuple[str, float]] = {
    "target_qps": ("effective_target_qps", 1),
    "min_duration": ("effective_min_duration_ms", 1),
    "max_duration": ("effective_max_duration_ms", 1),
    "accuracy_sample_count_override": ("effective_accuracy_sample_count", 1),
    "performance_sample_count_override": ("effective_performance_sample_count", 1),
    **{
        key: (f"effective_{key}", 1)
        for key in (
            "accuracy_log_rng_seed",
            "accuracy_log_sampling_target",
            "performance_issue_same",
            "performance_issue_same_index",
            "performance_issue_unique",
            "sample_concatenate_permutation",
        )
    },
}


@dataclass(frozen=True)
class Settings:
    """One run's settings.

    Attributes:
        model: Name in LoadGen's built-in mlperf.conf (`bert`), not the checker's.
        scenario: Offline, Server, SingleStream or MultiStream.
        mode: `performance`, `accuracy` or the name of a compliance test.
        values: user.conf keys and values; times in ms, rates in queries per second.
        seeds: qsl, sample_index and schedule seeds of a round other than the wheel's own; empty for its own.
        audit: Settings of a compliance test's audit file, which LoadGen puts over all others; empty for no such file.
    """

    model: str
    scenario: str
    mode: str
    values: dict[str, float] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    audit: dict[str, float] = field(default_factory=dict)

    def user_conf(self) -> str:
        """The file's text: spaces round `=` and no comments, since LoadGen ignores `a=1` and stops at a comment."""
        lines = [f"{self.model}.{self.scenario}.{key} = {_number(value)}" for key, value in self.values.items()]
        return "".join(line + "\n" for line in lines)

    def audit_config(self) -> str:
        """Text of the audit file. LoadGen reads it for the model `*`, so that no line may name one."""
        values = {"mode": 2, **self.audit}  # 2 is a performance run
        return "".join(f"*.*.{key} = {_number(value)}\n" for key, value in values.items())

    def apply(self, lg: Any, user_conf: Path) -> Any:
        """Write `user_conf` and build LoadGen's TestSettings from it. Once a process: a second call drops mlperf.conf.

        Raises:
            InputError: LoadGen refused the file.
        """
        files.write_text(user_conf, self.user_conf())
        settings = lg.TestSettings()
        settings.scenario = getattr(lg.TestScenario, self.scenario)
        settings.mode = getattr(lg.TestMode, _MODES.get(self.mode, _MEASURED))
        status = settings.FromConfig(str(user_conf), self.model, self.scenario, _USER_CONF)
        if status != 0:
            raise InputError(
                f"LoadGen refused {user_conf} (status {status})", fix="look for a key or a value it cannot read"
            )
        for name, seed in self.seeds.items():
            setattr(settings, name, seed)
        return settings

    def differences(self, detail: dict[str, Any]) -> list[str]:
        """Where the detail log's effective settings are not what was asked, one sentence each."""
        found = []
        for key, value in {**self.values, **self.audit}.items():
            name, factor = _READ_BACK.get(key, ("", 1.0))
            if not name:
                continue
            seen = detail.get(name)
            if seen is None or not math.isclose(float(seen), value * factor, rel_tol=1e-4):
                file = "the audit file" if key in self.audit else "user.conf"
                found.append(f"LoadGen used {name} = {seen} where {file} asks {key} = {_number(value)}")
        mode = _MODES.get(self.mode, _MEASURED)
        for key, wanted in (("effective_scenario", self.scenario), ("effective_test_mode", mode)):
            if detail.get(key) != wanted:
                found.append(f"LoadGen ran with {key} = {detail.get(key)} where {wanted} was asked")
        for key, seed in self.seeds.items():
            if detail.get(f"effective_{key}") != seed:
                found.append(f"LoadGen used {key} = {detail.get(f'effective_{key}')} where the round has {seed}")
        return found


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.6f}"
