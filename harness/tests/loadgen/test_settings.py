"""user.conf as LoadGen reads it, and its answer in the detail log."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from loadfleet.catalogue import rounds
from loadfleet.loadgen.logs import DetailLog
from loadfleet.loadgen.run import known_samples
from loadfleet.loadgen.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

# One LoadGen run per process is the rule under test elsewhere; here it is why each run is a process.
_RUN = """
import json, sys
from pathlib import Path
import mlperf_loadgen as lg
from loadfleet.loadgen.settings import Settings
spec = json.loads(sys.argv[1])
out = Path(sys.argv[2])
asked = Settings(**spec)
settings = asked.apply(lg, out / "user.conf")
answer = lambda ids, indices: lg.QuerySamplesComplete([lg.QuerySampleResponse(i, 0, 0) for i in ids])
sut, qsl = lg.ConstructFastSUT(answer, lambda: None), lg.ConstructQSL(64, 64, lambda s: None, lambda s: None)
logs = lg.LogSettings()
logs.enable_trace = False
logs.log_output = lg.LogOutputSettings()
logs.log_output.outdir = str(out)
lg.StartTestWithLogSettings(sut, qsl, settings, logs, "")
"""


def loadgen(settings: Settings, folder: Path) -> DetailLog:
    spec = {key: getattr(settings, key) for key in ("model", "scenario", "mode", "values", "seeds")}
    subprocess.run([sys.executable, "-c", _RUN, json.dumps(spec), str(folder)], check=True, timeout=60)
    return DetailLog.read(folder / "mlperf_log_detail.txt")


def asked(scenario: str, **values: float) -> Settings:
    seeds = dict(rounds.load("v6.0").seeds.items())
    return Settings("bert", scenario, "performance", {"min_duration": 20, "min_query_count": 70, **values}, seeds)


def test_the_file_has_spaces_and_no_comments() -> None:
    text = Settings("bert", "Offline", "performance", {"target_qps": 12.5, "min_duration": 1000}).user_conf()
    assert text == "bert.Offline.target_qps = 12.500000\nbert.Offline.min_duration = 1000\n"


@pytest.mark.parametrize(
    ("scenario", "values"),
    [
        ("Offline", {"target_qps": 500.125}),
        ("Server", {"target_qps": 800}),
        ("SingleStream", {"target_latency": 0.0002}),
        ("MultiStream", {"target_latency": 0.0005}),
    ],
)
def test_loadgen_takes_what_is_asked_with_the_seeds_of_another_round(
    scenario: str, values: dict[str, float], tmp_path: Path
) -> None:
    settings = asked(scenario, **values)
    detail = loadgen(settings, tmp_path)
    assert settings.differences(detail.values) == []
    assert not detail.errors
    assert detail.values["effective_qsl_rng_seed"] == rounds.load("v6.0").seeds.qsl_rng_seed


def test_a_setting_that_was_not_taken_is_told(tmp_path: Path) -> None:
    settings = asked("Offline", target_qps=500)
    detail = loadgen(settings, tmp_path)
    values = detail.values | {"effective_min_duration_ms": 600000, "effective_schedule_rng_seed": 7}
    differences = settings.differences(values)
    assert len(differences) == 2
    assert "effective_min_duration_ms = 600000 where user.conf asks min_duration = 20" in differences[0]
    assert "schedule_rng_seed = 7" in differences[1]


def test_an_invalid_run_is_explained(tmp_path: Path) -> None:
    detail = loadgen(asked("MultiStream", target_latency=8), tmp_path)
    assert detail.validity == "INVALID"
    assert "LoadGen: the run was shorter than the minimum duration" in detail.reasons()
    assert any("at least 662 queries" in reason for reason in detail.reasons())
    assert detail.metric("MultiStream") > 0
    assert detail.latency("MultiStream")["p99"] == pytest.approx(detail.metric("MultiStream"))


def test_a_loadgen_that_cannot_judge_a_part_knows_no_more() -> None:
    values: dict[str, float] = {"accuracy_sample_count_override": 100.0, "target_qps": 5.0}
    module = types.SimpleNamespace(TestSettings=lambda: types.SimpleNamespace(accuracy_sample_count_override=0))
    assert known_samples(module, values, 10_833) == 10_833
    assert "accuracy_sample_count_override" in values
    old = types.SimpleNamespace(TestSettings=types.SimpleNamespace)
    assert known_samples(old, values, 10_833) == 100
    assert values == {"target_qps": 5.0}, "LoadGen 5 is not asked what it does not understand"
    assert known_samples(old, {"target_qps": 5.0}, 10_833) == 10_833
