"""Which settings of a record a later cell uses, and what is said of those that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loadfleet.tuning import found, record
from loadfleet.tuning.probe import Outcome, Tried

if TYPE_CHECKING:
    from pathlib import Path

CHOSEN = {"instances": 2, "threads": 1, "batch_size": 32, "batch_cost": 512, "target_qps": 98.5}


def cell(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "system": {"name": "xeon01", "digest": "sha256:" + "1" * 64},
        "workload": "bert",
        "model": {"name": "minilm-squad", "digest": "sha256:" + "2" * 64},
        "dataset": {"name": "squad", "digest": "sha256:" + "3" * 64},
        "backend": {
            "name": "null", "device": "cpu", "precision": "fp32", "threads": None, "instances": None,
            "batch_size": None, "batch_cost": None,
        },
        "scenario": "Server",
        "loadgen": {"target_qps": None, "target_latency_ms": None},
        "command": {"prefix": [], "environment": {}},
    }  # fmt: skip
    return {key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value for key, value in base.items()}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    tried = [Tried({"target_qps": 98.5}, 20, Outcome(True, 98.0))]
    record.keep(tmp_path, record.key(cell()), "rate", tried, {"rate": 98.5}, CHOSEN, found.conditions(cell()))
    return tmp_path


def test_everything_is_used_where_nothing_is_set(store: Path) -> None:
    kept = found.lookup(store, cell())
    assert kept is not None
    assert kept["settings"] == CHOSEN
    assert "note" not in kept
    used = found.applied({**cell(), "found": kept})
    assert (used["backend"]["instances"], used["backend"]["batch_cost"]) == (2, 512)
    assert isinstance(used["backend"]["threads"], int)
    assert used["loadgen"]["target_qps"] == 98.5
    day = kept["finished"][:10]
    assert found.words(kept) == (
        f"settings found on {day}: instances 2, threads 1, batch_size 32, batch_cost 512, target_qps 98.5"
    )


def test_a_cell_without_a_record_stays_as_it_is(tmp_path: Path) -> None:
    assert found.lookup(tmp_path, cell()) is None
    assert found.applied(cell()) == cell()


@pytest.mark.parametrize(
    ("own", "left", "note"),
    [
        ({"backend": {"threads": 2}}, {"batch_size", "batch_cost"}, "benchmark_threads is set"),
        ({"backend": {"batch_cost": 900}}, {"instances", "threads"}, "benchmark_batch_cost is set"),
        ({"loadgen": {"target_qps": 50}}, {"instances", "threads", "batch_size", "batch_cost"}, ""),
        (
            {"loadgen": {"target_latency_ms": 200}}, {"instances", "threads", "batch_size", "batch_cost"},
            "benchmark_target_latency_ms has changed",
        ),
        ({"backend": {"threads": 1, "instances": 2}}, set(CHOSEN), ""),
    ],
)  # fmt: skip
def test_own_values_win_over_all_that_belongs_to_them(store: Path, own: Any, left: set[str], note: str) -> None:
    kept = found.lookup(store, cell(**own))
    assert kept is not None
    assert set(kept["settings"]) == left
    assert note in kept.get("note", "")
    used = found.applied({**cell(**own), "found": kept})
    for part, values in own.items():
        assert used[part].items() >= values.items()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": {"digest": "sha256:" + "9" * 64}}, "they are of another system"),
        ({"model": {"digest": "sha256:" + "9" * 64}}, "they are of another model"),
        ({"dataset": {"digest": "sha256:" + "9" * 64}}, "they are of another data set"),
        ({"command": {"prefix": ["numactl", "-N", "0"]}}, "benchmark_run_prefix has changed"),
        ({"command": {"environment": {"OMP_NUM_THREADS": "1"}}}, "benchmark_environment has changed"),
    ],
)
def test_what_was_found_for_something_else_is_not_used(store: Path, change: Any, words: str) -> None:
    kept = found.lookup(store, cell(**change))
    assert kept is not None
    assert kept["settings"] == {}
    assert words in found.words(kept)
    assert "are not used" in found.words(kept)


def test_other_versions_are_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadfleet.loadgen.run.version", lambda: "7.0")
    kept = found.lookup(store, cell())
    assert kept is not None
    assert kept["settings"] == {}
    assert ", is 7.0" in kept["note"]


def test_a_damaged_record_is_told(store: Path) -> None:
    record.path(store, record.key(cell())).write_text("{")
    kept = found.lookup(store, cell())
    assert kept is not None
    assert "cannot be read" in found.words(kept)


def test_another_scenario_or_backend_has_settings_of_its_own(store: Path) -> None:
    assert found.lookup(store, cell() | {"scenario": "Offline"}) is None
    assert found.lookup(store, cell(backend={"precision": "bf16"})) is None
