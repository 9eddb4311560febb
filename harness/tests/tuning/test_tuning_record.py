"""Records in the store, and the commands that read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from loadfleet import files
from loadfleet.cli import cli
from loadfleet.errors import BadResultError, InputError, LoadfleetError, NotReadyError
from loadfleet.tuning import record
from loadfleet.tuning.probe import Outcome, Tried

if TYPE_CHECKING:
    from pathlib import Path

CELL: dict[str, Any] = {
    "system": {"name": "xeon01", "digest": "sha256:" + "1" * 64},
    "workload": "bert",
    "model": {"name": "minilm-squad", "digest": "sha256:" + "2" * 64, "path": "/somewhere"},
    "dataset": {"name": "squad", "digest": "sha256:" + "3" * 64, "samples": 10},
    "backend": {"name": "openvino", "device": "cpu", "precision": "fp32", "threads": None},
    "scenario": "Server",
}
KEY = record.key(CELL)
PROBES = [
    Tried({"target_qps": 100.0}, 20, Outcome(True, 99.5, 2000, 3, {"p99": 80.0}, 25.0, (), "/runs/1")),
    Tried({"target_qps": 200.0}, 20, Outcome(False, None, reasons=("the latency bound was not held",))),
]


def keep(store: Path, kind: str = "rate", chosen: dict[str, float] | None = None) -> Path:
    chosen = {"target_qps": 100.0} if chosen is None else chosen
    return record.keep(store, KEY, kind, PROBES, {"rate": 100.0, "confirmed": True}, chosen, {"bound_ms": 130})


def test_a_search_can_be_read_again(tmp_path: Path) -> None:
    place = keep(tmp_path)
    found = record.find(tmp_path, KEY)
    assert found is not None
    assert (found.path, found.problem) == (place, "")
    assert found.value["chosen"] == {"target_qps": 100.0}
    assert [each["valid"] for each in found.value["searches"]["rate"]["probes"]] == [True, False]
    assert sorted(each.name for each in place.parent.iterdir()) == [".lock", place.name]


def test_another_system_has_another_record(tmp_path: Path) -> None:
    keep(tmp_path)
    for change in (
        {"system": {"name": "xeon01", "digest": "sha256:" + "9" * 64}},
        {"model": {"name": "minilm-squad", "digest": "sha256:" + "9" * 64}},
        {"backend": {"name": "openvino", "device": "cpu", "precision": "bf16"}},
        {"scenario": "Offline"},
    ):
        assert record.find(tmp_path, {**KEY, **change}) is None
    renamed = {**KEY, "system": {**KEY["system"], "name": "the same machine"}}
    assert record.find(tmp_path, renamed) is not None


def test_kinds_of_searches_complete_each_other(tmp_path: Path) -> None:
    keep(tmp_path)
    keep(tmp_path, "arrangement", {"instances": 4, "threads": 2})
    keep(tmp_path, "arrangement", {"instances": 2, "threads": 4})
    found = record.find(tmp_path, KEY)
    assert found is not None
    assert found.value["chosen"] == {"target_qps": 100.0, "instances": 2, "threads": 4}
    keep(tmp_path, "rate", {})
    found = record.find(tmp_path, KEY)
    assert found is not None
    assert found.value["chosen"] == {"instances": 2, "threads": 4}


def test_what_breaks_the_schema_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be recorded"):
        record.keep(tmp_path, KEY, "weather", [], {}, {})
    assert record.find(tmp_path, KEY) is None


def test_a_damaged_record_is_replaced(tmp_path: Path) -> None:
    place = keep(tmp_path)
    place.write_text('{"schema_version": 1', encoding="utf-8")
    found = record.find(tmp_path, KEY)
    assert found is not None
    assert "cannot be read" in found.problem
    keep(tmp_path)
    found = record.find(tmp_path, KEY)
    assert found is not None
    assert not found.problem


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(NotReadyError, match="cannot be used"):
        keep(tmp_path / "store")


def tune(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(cli, ["tune", *words])
    if isinstance(found.exception, LoadfleetError):
        return found.exception.exit_code, str(found.exception)
    assert found.exception is None or isinstance(found.exception, SystemExit)
    return found.exit_code, found.output


def test_show_lists_what_was_chosen(tmp_path: Path) -> None:
    keep(tmp_path)
    status, text = tune("show", "--store", str(tmp_path))
    assert status == 0
    row = text.splitlines()[1].split("  ")
    assert row[0] == "xeon01"
    assert "target_qps 100" in text
    assert "openvino/cpu/fp32" in text
    assert tune("show", "offline", "--store", str(tmp_path))[1].startswith("no search is recorded")
    status, text = tune("show", "SERVER", "minilm", "--store", str(tmp_path), "--json")
    assert status == 0
    assert json.loads(text)["records"][0]["chosen"] == {"target_qps": 100.0}


def test_show_names_a_damaged_record(tmp_path: Path) -> None:
    place = keep(tmp_path)
    files.write_json(place, {"schema_version": 2})
    status, text = tune("show", "--store", str(tmp_path))
    assert status == BadResultError.exit_code
    assert str(place) in text
    assert "'chosen' is a required property" in text
    status, text = tune("show", "--store", str(tmp_path), "--json")
    assert status == 1
    assert json.loads(text)["records"][0]["problem"]


def test_predict_in_words_and_json() -> None:
    assert tune("predict", "Server", "--qps", "100", "--late-share", "0.005", "--model", "bert-99") == (
        0,
        "60,000 queries, 60,000 samples, 600 s\n"
        "early stopping: can be met, wants 34,262 queries, leaves room for 543 late ones, chance 100.0%\n",
    )
    status, text = tune("predict", "server", "--qps", "100", "--late-share", "0.02", "--json")
    assert status == 1
    assert json.loads(text)["early_stopping"] is False
    assert tune("predict", "Offline", "--qps", "50", "--rate", "60", "--model", "bert-99")[0] == 1
    assert tune("predict", "SingleStream", "--latency-ms", "5")[0] == 0


@pytest.mark.parametrize("words", [("Server",), ("SingleStream",), ("Sever", "--qps", "1"), ("Server", "--qps", "0")])
def test_predict_refuses_what_it_cannot_know(words: tuple[str, ...]) -> None:
    assert tune("predict", *words)[0] == 2
