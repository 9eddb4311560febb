from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from workload_helpers import DATA, EMBEDDED, PARAMETERS, synthetic_logits

from loadfleet.workloads.bert.dataset import SquadDataset
from loadfleet.workloads.bert.features import build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    return json.loads((DATA / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def prepare(tmp_path_factory):
    """Build a prepared folder from a SQuAD file (default: the excerpt) with some parameters changed."""

    def run(squad: Path = DATA / "squad-excerpt.json", **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp("prepared")
        parameters = {**PARAMETERS, "questions": f"squad/{squad.name}", **changes}
        build({"squad": squad.parent, "vocabulary": EMBEDDED}, folder, parameters)
        return folder

    return run


@pytest.fixture(scope="session")
def prepared(prepare) -> Path:
    return prepare()


@pytest.fixture(scope="session")
def dataset(prepared) -> SquadDataset:
    return SquadDataset(prepared)


@pytest.fixture
def write_log(tmp_path):
    """Write (sample, bytes) pairs as LoadGen does."""

    def run(entries, name: str = "mlperf_log_accuracy.json") -> Path:
        lines = [
            f'{{ "seq_id" : {number}, "qsl_idx" : {sample}, "data" : "{bytes(data).hex().upper()}" }}'
            for number, (sample, data) in enumerate(entries)
        ]
        path = tmp_path / name
        path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
        return path

    return run


@pytest.fixture(scope="session")
def synthetic(dataset) -> list[tuple[int, bytes]]:
    return [(sample, synthetic_logits(dataset, sample).tobytes()) for sample in range(dataset.count)]
