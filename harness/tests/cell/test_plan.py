"""Bad input is refused before anything starts, with the variable and the value named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from loadfleet.cell import plan, sessions, spec
from loadfleet.errors import InputError, LoadfleetError, NotReadyError
from toy import ToyDataset

if TYPE_CHECKING:
    from loadfleet.store import Store


def test_cells_come_scenario_by_scenario_in_the_order_of_modes(run_file: dict[str, Any]) -> None:
    run_file["scenarios"] = ["Server", "Offline"]
    assert [cell["cell"] for cell in plan.make(run_file)] == [
        "toy/Server/accuracy",
        "toy/Server/performance",
        "toy/Offline/accuracy",
        "toy/Offline/performance",
    ]


def overlay(name: str) -> Path:
    return Path(os.environ["LOADFLEET_CATALOGUE"]) / name


def add(name: str, text: str) -> None:
    overlay(name).write_text(overlay(name).read_text() + text)


def test_batches_are_as_the_workload_says_and_no_larger_than_the_model_takes(run_file: dict[str, Any]) -> None:
    assert plan.make(run_file)[0]["batch"] == {"samples": 16, "cost": 256, "most": None}
    add("models/toy-square.yml", "max_batch: 1\n")
    assert plan.make(run_file)[0]["batch"] == {"samples": 1, "cost": 256, "most": 1}
    with pytest.raises(InputError, match="benchmark_batch_size is 8; the model toy-square takes at most 1"):
        plan.make(run_file | {"batch_size": 8})


def test_a_batch_may_be_bound_by_its_cost(run_file: dict[str, Any]) -> None:
    dataset = ToyDataset(np.zeros(40, np.float32))
    for scenario in ("Offline", "MultiStream"):
        [cell] = plan.make(run_file | {"scenarios": [scenario], "modes": ["performance"], "batch_cost": 90})
        arranged = sessions.layout(cell, dataset)
        assert (arranged.batch_samples, arranged.batch_cost) == (16, 90)
    [cell] = plan.make(run_file | {"modes": ["performance"], "batch_size": 2, "batch_cost": 90})
    assert (sessions.layout(cell, dataset).batch_samples, sessions.layout(cell, dataset).batch_cost) == (2, 90)


@pytest.mark.parametrize(("backend", "expected"), [("onnxruntime", (4, 1)), ("openvino", (2, 2))])
def test_a_large_model_gets_fewer_instances_unless_they_share_it(
    run_file: dict[str, Any], monkeypatch: pytest.MonkeyPatch, backend: str, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(sessions, "session_bytes", lambda _: 3 << 30)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=64 << 30))
    [cell] = plan.make(run_file | {"modes": ["performance"], "backend": backend, "instances": None, "threads": None})
    arranged = sessions.layout(cell, ToyDataset(np.zeros(40, np.float32)))
    assert (arranged.instances, arranged.threads) == expected


def test_a_model_is_judged_by_its_accuracy_on_the_data_set_that_is_used(run_file: dict[str, Any]) -> None:
    assert plan.make(run_file)[0]["model"]["accuracy"] == {"right": 100.0}
    path = overlay("datasets/toy-numbers.yml")
    path.write_text(path.read_text().replace("samples: 40", "samples: 39"))
    assert plan.make(run_file)[0]["model"]["accuracy"] == {}
    add("models/toy-square.yml", "accuracy_on: {toy-numbers: {right: 97.5, samples: 39}}\n")
    assert plan.make(run_file)[0]["model"]["accuracy"] == {"right": 97.5}


def test_every_cell_fulfils_its_schema(run_file: dict[str, Any]) -> None:
    for cell in plan.make(run_file):
        spec.check(cell, "cell", "planned")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"workload": "tpy"}, InputError, "tpy"),
        ({"scenarios": ["offline"]}, InputError, "did you mean Offline"),
        ({"modes": ["speed"]}, InputError, "benchmark_modes: 'speed'"),
        ({"execution": "fast"}, InputError, "benchmark_execution: 'fast'"),
        ({"model": "toy-sqare"}, InputError, "toy-square"),
        ({"model": "minilm-squad"}, InputError, "belongs to the workload bert"),
        ({"dataset": "nothing"}, InputError, "nothing"),
        ({"backend": "tensorflux"}, InputError, "tensorflux"),
        ({"device": "tpu"}, InputError, "benchmark_device: 'tpu'"),
        ({"implementation": "nvidia"}, InputError, "benchmark_implementation: 'nvidia'"),
        ({"round": "v9.9"}, InputError, "v9.9"),
        ({"execution": "valid"}, InputError, "benchmark_query_count is 64"),
        ({"target_qps": {"Ofline": 3}}, InputError, "did you mean Offline"),
        ({"run_prefix": "numactl 'x"}, InputError, "not a command line"),
        ({"run_prefix": "no-such-tool --x"}, NotReadyError, "'no-such-tool'"),
    ],
)
def test_bad_values(run_file: dict[str, Any], change: dict[str, Any], error: type[LoadfleetError], words: str) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        plan.make(run_file | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query_count": 0}, "benchmark_query_count"),
        ({"target_qps": {"Offline": -1}}, "benchmark_target_qps"),
        ({"threads": "two"}, "benchmark_threads"),
        ({"run_id": "../../etc"}, "benchmark_run_id"),
        ({"scenario": "Offline"}, "scenario"),
    ],
)
def test_values_of_the_wrong_shape_name_their_variable(
    run_file: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        spec.check(run_file | change, "run", "run.json")


def test_an_artefact_that_is_missing_names_the_command_that_brings_it(run_file: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="toy-square is not in the store") as caught:
        plan.make(run_file | {"store_path": str(tmp_path / "elsewhere")})
    assert "cache ensure model toy-square" in caught.value.fix


def test_a_nearly_full_disk_is_refused(run_file: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1 << 40, used=0, free=1 << 20))
    with pytest.raises(NotReadyError, match="1 MiB free"):
        plan.make(run_file)


def test_a_run_file_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        spec.read(path, "run")


def test_how_the_host_was_tuned_goes_into_every_cell(run_file: dict[str, Any]) -> None:
    tuned = {"profile": "fast", "values": {"swappiness": "1"}, "applied": ["swappiness"]}
    assert [cell["platform"] for cell in plan.make(run_file | {"platform": tuned})] == [tuned, tuned]
    assert "platform" not in plan.make(run_file | {"platform": None})[0]


def test_several_models_come_one_after_the_other(run_file: dict[str, Any], store: Store) -> None:
    text = overlay("models/toy-square.yml").read_text()
    overlay("models/toy-other.yml").write_text(text.replace("name: toy-square", "name: toy-other"))
    store.ensure("model", "toy-other")
    cells = plan.make(run_file | {"models": ["toy-other", "toy-square"], "start_at": 1e10})
    assert [(cell["cell"], cell["model"]["name"]) for cell in cells] == [
        ("toy-other/Offline/accuracy", "toy-other"),
        ("toy-other/Offline/performance", "toy-other"),
        ("toy-square/Offline/accuracy", "toy-square"),
        ("toy-square/Offline/performance", "toy-square"),
    ]
    assert [cell.get("start_at") for cell in cells] == [1e10, None, None, None]
    with pytest.raises(InputError, match="benchmark_models is toy-other and benchmark_model is toy-square"):
        plan.make(run_file | {"models": ["toy-other"], "model": "toy-square"})
