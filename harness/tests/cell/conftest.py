"""A catalogue overlay with the toy workload, and a store that holds it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN_ID = "20260102T030405Z-toy-00aa"
_ENTRIES = {
    "workloads/toy.yml": """
name: toy
title: Squares
implementation: "toy:Toy"
default_model: toy-square
default_dataset: toy-numbers
scenarios: [Offline, Server, SingleStream, MultiStream]
metric: right
loadgen_model: bert
batch: {samples: 16, cost: 256}
licence: Apache-2.0
tags: [toy]
""",
    "models/toy-square.yml": """
name: toy-square
title: Squares its input
workload: toy
format: onnx
precision: fp32
licence: Apache-2.0
tags: [toy]
artifact:
  build: {entry_point: "toy:build_model", version: 1, parameters: {}, requires: []}
  files: [{name: model.onnx}]
inputs: {x: x}
outputs: {y: y}
dynamic_shape: true
reference: false
official_name: bert-99
accuracy: {right: 100.0, samples: 40}
""",
    "datasets/toy-numbers.yml": """
name: toy-numbers
title: Numbers
workload: toy
samples: 40
licence: Apache-2.0
tags: [toy]
artifact:
  build: {entry_point: "toy:build_values", version: 1, parameters: {}, requires: []}
  files: [{name: values.npy}]
""",
    "backends/slow.yml": """
name: slow
title: Takes its time, and says how much
licence: Apache-2.0
tags: [toy]
implementation: "toy:Slow"
formats: ["*"]
devices: {cpu: []}
precisions: [fp32]
requirements: null
""",
}


@pytest.fixture(autouse=True)
def _toy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = tmp_path_factory.mktemp("overlay")
    for name, text in _ENTRIES.items():
        path = overlay / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    here = str(Path(__file__).parent)
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(overlay))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    monkeypatch.syspath_prepend(here)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.ensure("model", "toy-square")
    store.ensure("dataset", "toy-numbers")
    return store


@pytest.fixture
def run_file(store: Store) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "run_id": RUN_ID,
        "host": "here",
        "store_path": str(store.path),
        "workload": "toy",
        "scenarios": ["Offline"],
        "modes": ["accuracy", "performance"],
        "execution": "test",
        "round": "v6.1",
        "query_count": 64,
        "instances": 1,
        "threads": 1,
    }


@pytest.fixture
def make_run(store: Store, run_file: dict[str, Any]) -> Iterator[Callable[..., Path]]:
    """Writes run.json with some changes and returns the run directory; whatever runs there is stopped afterwards."""
    made = []

    def make(**changes: Any) -> Path:
        run = run_file | changes
        folder = Path(store.path) / "runs" / run["run_id"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps(run))
        made.append(folder)
        return folder

    yield make
    from loadfleet.cell import control  # noqa: PLC0415

    for folder in made:
        control.stop(folder, 0.5)
